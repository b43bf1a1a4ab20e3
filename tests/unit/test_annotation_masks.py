"""Masks mean the same however a tool saves them."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fabgan.components.core.errors import UserError
from fabgan.components.core.orientation import TAG
from fabgan.components.ingest.annotations import Annotations, draw_mask
from tests.unit.test_annotations import HEIGHT_PX, SCRATCH, WIDTH_PX, annotated, labelme

CLASSES = "scratch\nthread\n"
SCRATCHED = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
SCRATCHED[SCRATCH] = 1


def saved(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **{"format": "PNG"} | options)
    return buffer.getvalue()


def with_palette(indices: NDArray[np.uint8], *colours: int) -> bytes:
    """Return an image of numbered colours, which are given as red, green, blue, red, ..."""
    image = Image.fromarray(indices)
    image.putpalette(colours)
    return saved(image)


def lack_memory(*_: object) -> None:
    raise MemoryError


def drawn(tmp_path: Path, mask: bytes, classes: str = "", name: str = "a.png") -> NDArray[np.uint8]:
    files = {f"labels/{name}": mask} | ({"classes.txt": classes.encode()} if classes else {})
    found, _ = annotated(tmp_path, files)
    return draw(found)


def draw(found: Annotations) -> NDArray[np.uint8]:
    return draw_mask(found.shapes["lot-0/a.png"], found.kinds, WIDTH_PX, HEIGHT_PX)


@pytest.mark.parametrize("folder", ["thread", "Thread"])
def test_the_folder_and_the_value_of_a_mask_mean_the_same(tmp_path: Path, folder: str) -> None:
    mask = drawn(tmp_path, saved(Image.fromarray(2 * SCRATCHED)), CLASSES, f"{folder}/a.png")
    np.testing.assert_array_equal(mask, 2 * SCRATCHED)
    with pytest.raises(
        UserError, match=r"a.png .*: it has the value 1, scratch, but its folder is the class thread, 2"
    ):
        drawn(tmp_path, saved(Image.fromarray(SCRATCHED)), CLASSES, f"{folder}/a.png")


BLACK, WHITE, RED, GREEN = (0, 0, 0), (255, 255, 255), (128, 0, 0), (0, 128, 0)
PALETTES = {
    "white first, as quantising may order them": (1 - SCRATCHED, (*WHITE, *BLACK), ""),
    "black first": (SCRATCHED, (*BLACK, *WHITE), ""),
    "repeated greys": (5 * SCRATCHED, (*BLACK, *5 * WHITE), ""),
    "a number that is a class, and not a grey": (SCRATCHED, (*BLACK, *WHITE), CLASSES),
    "colours of classes, as VOC has them": (SCRATCHED, (*BLACK, *RED, *GREEN), CLASSES),
    "colours of one kind": (SCRATCHED, (*BLACK, *RED), ""),
}


@pytest.mark.parametrize("palette", PALETTES)
def test_a_palette_marks_what_is_not_black(tmp_path: Path, palette: str) -> None:
    indices, colours, classes = PALETTES[palette]
    np.testing.assert_array_equal(drawn(tmp_path, with_palette(indices, *colours), classes), SCRATCHED)


def test_a_palette_of_colours_that_does_not_begin_with_black_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"labels/a.png .*: the first colour of its palette is not black"):
        drawn(tmp_path, with_palette(1 - SCRATCHED, *RED, *BLACK))


WHITE_PX, BLACK_PX = np.full_like(SCRATCHED, 255), np.zeros_like(SCRATCHED)
ALPHAS = {
    "opaque": ([255 * SCRATCHED], WHITE_PX),
    "opaque, with three channels": ([255 * SCRATCHED] * 3, WHITE_PX),
    "transparent where black": ([255 * SCRATCHED] * 3, 255 * SCRATCHED),
    "transparent in a part of the black": ([255 * SCRATCHED], np.vstack([BLACK_PX[:1], WHITE_PX[1:]])),
    "half transparent throughout": ([255 * SCRATCHED], WHITE_PX // 2),
    "white throughout": ([WHITE_PX], 255 * SCRATCHED),
    "red throughout": ([WHITE_PX, BLACK_PX, BLACK_PX], 99 * SCRATCHED),
    "black throughout": ([BLACK_PX] * 3, 255 * SCRATCHED),
}


@pytest.mark.parametrize("alpha", ALPHAS)
def test_transparency_is_the_mask_if_there_is_one_colour(tmp_path: Path, alpha: str) -> None:
    colours, opacity = ALPHAS[alpha]
    mask = saved(Image.fromarray(np.dstack([*colours, opacity])))
    np.testing.assert_array_equal(drawn(tmp_path, mask), SCRATCHED)


def test_transparency_that_marks_other_pixels_than_the_colours_is_refused(tmp_path: Path) -> None:
    mask = saved(Image.fromarray(np.dstack([255 * SCRATCHED, 255 * SCRATCHED[::-1]])))
    with pytest.raises(UserError, match=r"labels/a.png .*: its colours and its transparency mark different pixels"):
        drawn(tmp_path, mask)


@pytest.mark.parametrize(
    "options", [{"format": "PNG"}, {"format": "TIFF"}, {"format": "TIFF", "compression": "tiff_lzw"}]
)
def test_a_mask_is_turned_as_its_exif_orientation_says(tmp_path: Path, options: dict[str, str]) -> None:
    turned = Image.fromarray(np.rot90(SCRATCHED))  # 6 turns it back, clockwise
    turned.getexif()[TAG] = 6
    mask = saved(turned, exif=turned.getexif(), **options)
    np.testing.assert_array_equal(drawn(tmp_path, mask, name=f"a.{options['format'].lower()}"), SCRATCHED)


@pytest.mark.parametrize("inverted", [True, False])
def test_a_mask_that_may_be_inverted_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], inverted: bool
) -> None:
    drawn(tmp_path, saved(Image.fromarray(255 * (1 - SCRATCHED if inverted else SCRATCHED))))
    said = "labels/a.png (ingest.annotations): its defects cover 99% of the photograph; a mask may be inverted"
    assert (said in capsys.readouterr().err) == inverted


@pytest.mark.parametrize("first", ["_background_", "__background__", "Background", "__ignore__\n_background_"])
def test_the_background_is_the_value_0_of_a_mask(tmp_path: Path, first: str) -> None:
    mask = {"labels/a.png": saved(Image.fromarray(2 * SCRATCHED))}
    found, _ = annotated(tmp_path, mask | {"classes.txt": f"{first}\ndent\nscratch\n".encode()})
    assert found.kinds == ["dent", "scratch"]
    np.testing.assert_array_equal(draw(found), 2 * SCRATCHED)


@pytest.mark.parametrize(
    "files",
    [
        {"labels/a.png": saved(Image.fromarray(SCRATCHED))},
        {
            "labels/a.json": labelme(
                {
                    "label": "scratch",
                    "shape_type": "mask",
                    "points": [[0, 0], [WIDTH_PX - 1, HEIGHT_PX - 1]],
                    "mask": base64.b64encode(saved(Image.fromarray(SCRATCHED))).decode(),
                }
            )
        },
    ],
)
def test_a_lack_of_memory_is_no_fault_of_a_mask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]
) -> None:
    found, _ = annotated(tmp_path, files)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lack_memory)
    with pytest.raises(MemoryError):
        draw(found)
