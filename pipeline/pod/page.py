"""Self-contained HTML pages: pictures are embedded as data URLs, and there are no scripts and no links."""

import base64
import csv
import io
from dataclasses import dataclass
from pathlib import Path

from fabgan.components.artifacts.verdict import Verdict, read_verdict
from fabgan.components.core.files import atomic_file

SHEET = "samples_beside_real.png"
WIDEST_PX = 1600
MAX_SAMPLES = 3


@dataclass(frozen=True)
class Picture:
    """A picture of a page."""

    caption: str
    address: str
    """A data URL."""


def write_page(path: Path, training: Path, evaluation: Path) -> Verdict:
    """Write the report page of a generator from the report folders of `train` and `evaluate`; return its verdict."""
    verdict = read_verdict(evaluation)
    counts = {"generated_images": verdict.generated_images, "held_out_images": verdict.held_out_images}
    render(
        path,
        "report.html.j2",
        verdict=verdict,
        sheet=_picture(evaluation / SHEET),
        measures=verdict.metrics | counts,
        losses=_curves(training / "losses.csv"),
        samples=[_picture(sample) for sample in _first_middle_last(sorted((training / "samples").glob("*.png")))],
    )
    return verdict


def render(path: Path, template: str, **content: object) -> None:
    """Write a page from a template of the folder `templates`, with all text escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    with atomic_file(path) as partial:
        partial.write_text(environment.get_template(template).render(content), encoding="utf-8")


def _curves(losses: Path) -> Picture:
    from matplotlib.figure import Figure

    with losses.open(newline="", encoding="utf-8") as file:
        names, *rows = csv.reader(file)
    columns = list(zip(*(map(float, row) for row in rows), strict=True))
    figure = Figure(figsize=(12, 4), layout="constrained")
    axes = figure.subplots()
    for name, values in zip(names[1:], columns[1:], strict=True):
        axes.plot(columns[0], values, label=name, linewidth=1)
    axes.set(xlabel="real images shown", ylabel="loss")
    axes.legend(frameon=False)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    return _embedded(drawn.getvalue(), "png", "losses")


def _first_middle_last(pictures: list[Path]) -> list[Path]:
    if len(pictures) <= MAX_SAMPLES:
        return pictures
    return [pictures[0], pictures[len(pictures) // 2], pictures[-1]]


def _picture(path: Path) -> Picture:
    from PIL import Image

    with Image.open(path) as image:
        shown = image.convert("RGB")
    shown.thumbnail((WIDEST_PX, WIDEST_PX))
    drawn = io.BytesIO()
    shown.save(drawn, format="JPEG", quality=90)
    return _embedded(drawn.getvalue(), "jpeg", path.stem)


def _embedded(content: bytes, form: str, caption: str) -> Picture:
    return Picture(caption, f"data:image/{form};base64,{base64.b64encode(content).decode()}")
