"""Contact sheets show what a step made of every photograph, also if it was refused."""

import base64
import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fabgan.components.artifacts import contact
from fabgan.components.artifacts.contact import Shown, sheet_written, thumbnail, write_contact_sheet
from fabgan.components.artifacts.manifest import FrameManifest, PackageManifest, read_manifest
from fabgan.components.core.errors import UserError
from fabgan.components.core.images import inspect_image, write_jpeg, write_png
from fabgan.components.core.parameters import parse
from fabgan.components.crop_resize import step as crop_resize
from fabgan.components.crop_resize.parameters import CropResizeParameters
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.parameters import IngestParameters
from tests.conftest import section
from tests.drawn import drawn


def decoded(shown: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(shown)))).astype(int)


def test_a_thumbnail_shows_the_outline_and_the_defects() -> None:
    image, mask = np.full((300, 600, 3), 128, np.uint8), np.zeros((300, 600), np.uint8)
    mask[30:60, 30:90] = 1
    corners = ((300.0, 60.0), (540.0, 60.0), (540.0, 240.0), (300.0, 240.0))
    shown = decoded(thumbnail(image, corners, mask))
    assert shown.shape == (96, 192, 3)
    red, green = shown[:, :, 0] - shown[:, :, 1], shown[:, :, 1] - shown[:, :, 0]
    assert np.argwhere(red > 60).min(axis=0).tolist() == pytest.approx([9, 9], abs=2)
    assert np.argwhere(red > 60).max(axis=0).tolist() == pytest.approx([19, 29], abs=2)
    assert np.argwhere(green > 60).min(axis=0).tolist() == pytest.approx([19, 96], abs=2)
    assert np.argwhere(green > 60).max(axis=0).tolist() == pytest.approx([77, 173], abs=2)
    assert decoded(thumbnail(np.full((30, 40), 200, np.uint8))).shape == (30, 40, 3)


def test_a_small_look_at_a_photograph_is_upright(tmp_path: Path) -> None:
    image = Image.fromarray(np.zeros((800, 1600), np.uint8))
    exif = Image.Exif()
    exif[274] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    facts, small = inspect_image(tmp_path / "a.jpg", 192)
    assert (facts.width_px, facts.height_px) == (800, 1600)
    assert small.shape == (400, 200)


def test_a_sheet_says_how_many_it_leaves_out_and_escapes_names(tmp_path: Path) -> None:
    many = [Shown(f"<{number}>.png", "train", "") for number in range(1000)]
    write_contact_sheet(tmp_path, "ingest", many, many[:3], [["a.png", "b.png"]])
    page = (tmp_path / "contact_sheet.html").read_text()
    assert "Accepted: 1000" in page
    assert f"{contact.MAX_ACCEPTED} of them are shown" in page
    assert "Quarantined: 3" in page
    assert "&lt;999&gt;.png" in page
    assert "<999>" not in page
    assert page.count("<figure>") == contact.MAX_ACCEPTED + 3
    assert "<li>a.png, b.png</li>" in page


def photographs(folder: Path) -> Path:
    """Four photographs of packages in two lots, of which one is annotated, and two that cannot be used."""
    for number in range(4):
        frame, mask = drawn(7.0 * number)
        write_png(folder / "photographs" / f"lot-{number // 2}" / f"{number}.png", frame)
    write_png(folder / "photographs" / "masks" / "0.png", mask)
    (folder / "photographs" / "classes.txt").write_text("scratch\ndent\n")
    (folder / "photographs" / "lot-0" / "words.jpg").write_text("words")
    write_jpeg(folder / "photographs" / "lot-1" / "blank.jpg", np.full((200, 200, 3), 128, np.uint8))
    return folder / "photographs"


def run_both(folder: Path, *, max_share: float = 0.5) -> None:
    given = section("ingest", source=str(folder / "photographs"), annotations="masks", max_quarantined_share=0.5)
    ingest.run(parse(IngestParameters, given, "tests"), folder / "frames")
    params = parse(CropResizeParameters, section("crop_resize", max_quarantined_share=max_share), "tests")
    crop_resize.run(params, folder / "frames", folder / "packages")


def figures(page: Path) -> dict[str, str]:
    """Return what a sheet says of each photograph, and whether it shows a picture."""
    found = re.findall(r"<figure>(.*?)<figcaption>(.*?)<br>(.*?)</figcaption>", page.read_text(), re.DOTALL)
    return {source: said + (" [picture]" if "<img" in image else "") for image, source, said in found}


def test_each_step_shows_what_it_accepted_and_what_it_did_not(tmp_path: Path) -> None:
    photographs(tmp_path)
    run_both(tmp_path)
    frames, packages = (figures(tmp_path / step / "contact_sheet.html") for step in ("frames", "packages"))
    assert len(frames) == 6
    assert frames["lot-0/words.jpg"].startswith("not an image in one of the formats")
    assert re.fullmatch(r"(train|held out), lot lot-1 \[picture\]", frames["lot-1/blank.jpg"])
    assert len(packages) == 5
    assert packages["lot-1/blank.jpg"].startswith("no package found")
    assert packages["lot-1/blank.jpg"].endswith("[picture]")
    assert re.fullmatch(r"(train|held out), -?0.0 degrees, 1 dent, 1 scratch \[picture\]", packages["lot-0/0.png"])
    assert re.fullmatch(r"(train|held out), 7.\d degrees \[picture\]", packages["lot-0/1.png"])


def test_a_step_that_is_refused_has_written_its_manifest_and_its_sheet(tmp_path: Path) -> None:
    photographs(tmp_path)
    shown: list[Path] = []
    with (
        pytest.raises(UserError, match=r"1 of 5 images cannot be used.*; look at .*\.packages\.partial/contact_sheet"),
        sheet_written(tmp_path / "packages", shown.append),
    ):
        run_both(tmp_path, max_share=0.0)
    refused = tmp_path / ".packages.partial"
    assert shown == [refused / "contact_sheet.html"]
    assert not (tmp_path / "packages").exists()
    assert len(read_manifest(refused, PackageManifest).quarantined) == 1
    assert len(figures(refused / "contact_sheet.html")) == 5
    with sheet_written(tmp_path / "packages", shown.append):
        pass  # a sheet of an earlier attempt is not shown again
    with sheet_written(tmp_path / "packages", shown.append):
        run_both(tmp_path)
    assert shown[1:] == [tmp_path / "packages" / "contact_sheet.html"]
    assert len(read_manifest(tmp_path / "frames", FrameManifest).images) == 5


@pytest.mark.parametrize("clock_s", [1e9, 2e9])
def test_a_sheet_is_shown_whatever_the_clock_of_the_file_server_says(clock_s: float, tmp_path: Path) -> None:
    shown: list[Path] = []
    for _ in range(2):
        with sheet_written(tmp_path, shown.append):
            write_contact_sheet(tmp_path, "ingest", [], [])
            os.utime(tmp_path / "contact_sheet.html", (clock_s, clock_s))
        with sheet_written(tmp_path, shown.append):
            pass
    assert shown == [tmp_path / "contact_sheet.html"] * 2
