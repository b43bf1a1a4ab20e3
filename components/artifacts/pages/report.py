"""The report page of a generator: its verdict, and what a person looks at before trusting it.

Dimensions: C channels, H W pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from torch import Tensor

from ...core.images import Pixels, read_image
from ..gallery import Gallery, Suspect
from ..parallel import in_parallel
from ..sheets import pixels_of
from ..verdict import Check, Outcome, Verdict
from .charts import Bar, bar_of, curves_of, heat_map
from .pictures import Form, Picture, common_form, picture
from .render import render

MAX_PICTURES_BYTES = 8_400_000
"""In a data URL, three bytes become four. So the page stays below 12 MB."""
CROP_PX = 256
MAX_CROPS = 6
MAX_SAMPLES = 3
SAMPLES = Form(side_px=1024)
SEAMS = "Mean absolute difference between neighbouring pixels, by place, relative to real images"
MEANINGS: Mapping[Outcome, str] = {
    "refused": "It did not pass the checks that every generator has to pass, so its images must not be used.",
    "candidate": "Its images may be used inside the fab, but must not be handed on.",
    "exportable": "It passed every check: nothing was found that speaks against handing its images on.",
}
DECISIONS = {
    "candidate": "Needed to be a candidate",
    "exportable": "Needed to be exportable",
    "nothing": "Shown only",
}


@dataclass(frozen=True)
class _Pair:
    """A suspect, as the page shows it."""

    generated: Picture
    training: Picture | None
    similarity: str


def write_report(
    path: Path,
    verdict: Verdict,
    gallery: Gallery,
    identity: Mapping[str, str],
    training: Path | None = None,
    with_real: bool = True,
) -> None:
    """Write the report page of a generator. Sections without content are left out.

    `identity` says by name what the generator is and where it comes from. `training` is the report folder of `train`.
    Without `with_real`, the page is the export edition: it holds no real image, and no heat map.
    """
    seams = gallery.seams_HW if with_real else None
    render(
        path,
        "report.html.j2",
        verdict=verdict,
        meaning=MEANINGS[verdict.outcome],
        checks={words: _checks(verdict, decides) for decides, words in DECISIONS.items()},
        tables={division: (_names(rows), rows) for division, rows in verdict.groups.items()},
        identity=identity,
        with_real=with_real,
        seams=None if seams is None else heat_map(seams, SEAMS),
        curves=curves_of(training / "losses.csv") if training else [],
        **_pictures(gallery, _samples(training / "samples") if training else [], with_real),
    )


def _names(rows: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Return the names of the values that rows have, in their order."""
    return list(dict.fromkeys(name for values in rows.values() for name in values))


def _checks(verdict: Verdict, decides: str) -> list[tuple[Check, Bar | None]]:
    return [(check, bar_of(check)) for check in verdict.checks if check.decides == decides]


def _pictures(gallery: Gallery, samples: list[Picture], with_real: bool) -> dict[str, object]:
    """Return the pictures by section, in a common form in which they fit into the page."""
    real = gallery.real if with_real else []
    sides = {"Generated": gallery.generated, "Real, held out": real}
    crops = {name: _crops(images, name, MAX_CROPS // (2 if real else 1)) for name, images in sides.items()}
    likenesses = [suspect.training_CHW for suspect in gallery.suspects] if with_real else []
    others = [*(suspect.generated_CHW for suspect in gallery.suspects), *likenesses, *gallery.worst]
    taken = sum(len(one.content) for one in [*chain(*crops.values()), *samples])
    form = common_form([*gallery.generated, *real, *others], MAX_PICTURES_BYTES - taken)
    return {
        "views": {name: _views(images, name, form) for name, images in sides.items() if images},
        "crops": {name: cut for name, cut in crops.items() if cut},
        "pairs": [_pair(suspect, index, form, with_real) for index, suspect in enumerate(gallery.suspects, 1)],
        "worst": _views(gallery.worst, "Easily told from real", form),
        "samples": samples,
    }


def _views(images: Sequence[Tensor], name: str, form: Form) -> list[Picture]:
    def view(numbered: tuple[int, Tensor]) -> Picture:
        return picture(pixels_of(numbered[1]), f"{name}, image {numbered[0]}", form)

    return list(in_parallel(view, enumerate(images, 1)))


def _crops(images: Sequence[Tensor], name: str, count: int) -> list[Picture]:
    """Return the middles of the first images, where regions meet. Images that are not larger have none."""
    large = [(index, x_CHW) for index, x_CHW in enumerate(images[:count], 1) if min(x_CHW.shape[1:]) > CROP_PX]
    return [picture(_middle(pixels_of(x_CHW)), f"{name}, middle of image {index}") for index, x_CHW in large]


def _middle(pixels: Pixels) -> Pixels:
    top, left = ((side_px - CROP_PX) // 2 for side_px in pixels.shape[:2])
    return pixels[top : top + CROP_PX, left : left + CROP_PX]


def _pair(suspect: Suspect, index: int, form: Form, with_real: bool) -> _Pair:
    generated = picture(pixels_of(suspect.generated_CHW), f"Generated, suspect {index}", form)
    similarity = f"similarity {'of a part ' if suspect.by_part else ''}{suspect.similarity:.3f}"
    if not with_real:
        return _Pair(generated, None, similarity)
    training = picture(pixels_of(suspect.training_CHW), f"Training image most like suspect {index}", form)
    return _Pair(generated, training, similarity)


def _samples(folder: Path) -> list[Picture]:
    """Return the first, the middle and the last grid of samples."""
    grids = sorted(folder.glob("*.png"))
    if len(grids) > MAX_SAMPLES:
        grids = [grids[0], grids[len(grids) // 2], grids[-1]]
    return [picture(read_image(grid), f"Samples after {int(grid.stem)} real images", SAMPLES) for grid in grids]
