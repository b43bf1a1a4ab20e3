"""A page that holds all it shows: verdict, measures, losses, samples beside real images. No script, no link."""

import base64
import csv
import html
import io
from pathlib import Path

from fabgan.components.artifacts.verdict import Verdict, read_verdict
from fabgan.components.core.files import atomic_file

SHEET = "samples_beside_real.png"
WIDEST_PX = 1600
STYLE = (
    "body{font:15px/1.5 sans-serif;max-width:1600px;margin:2em auto;padding:0 1em;color:#222}"
    "td,th{text-align:left;padding:.2em 1.5em .2em 0}td+td{text-align:right;font-variant-numeric:tabular-nums}"
    "img{max-width:100%}.passed{color:#176d2b}.failed{color:#a11}"
)


def write_page(path: Path, training: Path, evaluation: Path) -> None:
    """Write the page of a generator from the report folders of `train` and `evaluate`."""
    verdict = read_verdict(evaluation)
    parts = [
        _verdict(verdict),
        "<h2>Generated packages beside real ones</h2>",
        _picture(evaluation / SHEET),
        "<h2>Measures</h2>",
        _measures(verdict),
        "<h2>Losses</h2>",
        _curves(training / "losses.csv"),
        "<h2>The same latents as training went on</h2>",
        *(_picture(picture) for picture in _first_middle_last(sorted((training / "samples").glob("*.png")))),
    ]
    page = f"<!doctype html><html lang=en><meta charset=utf-8><title>fabgan</title><style>{STYLE}</style>"
    with atomic_file(path) as partial:
        partial.write_text(page + "\n".join(parts) + "</html>\n", encoding="utf-8")


def _verdict(verdict: Verdict) -> str:
    word = "passed" if verdict.passed else "failed"
    reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in verdict.reasons)
    return f"<h1>Verdict: <span class={word}>{word}</span></h1><ul>{reasons}</ul>"


def _measures(verdict: Verdict) -> str:
    figures = verdict.metrics | {
        "generated_images": verdict.generated_images,
        "held_out_images": verdict.held_out_images,
    }
    rows = "".join(f"<tr><td>{html.escape(name)}</td><td>{value:.6g}</td></tr>" for name, value in figures.items())
    return f"<table>{rows}</table>"


def _curves(losses: Path) -> str:
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
    return pictures if len(pictures) < 4 else [pictures[0], pictures[len(pictures) // 2], pictures[-1]]


def _picture(path: Path) -> str:
    from PIL import Image

    with Image.open(path) as image:
        shown = image.convert("RGB")
    shown.thumbnail((WIDEST_PX, WIDEST_PX))
    drawn = io.BytesIO()
    shown.save(drawn, format="JPEG", quality=90)
    return _embedded(drawn.getvalue(), "jpeg", path.stem)


def _embedded(content: bytes, kind: str, text: str) -> str:
    return f'<p><img alt="{html.escape(text)}" src="data:image/{kind};base64,{base64.b64encode(content).decode()}">'
