"""Every file of a source is accepted, quarantined or skipped by a rule, and none disappears."""

import os
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fabgan.components.core.errors import UserError
from fabgan.components.ingest.selection import as_listed, selected, warn_of_masks
from tests.unit.test_ingest import ingested, photographs

__all__ = ["photographs"]


def picture(path: Path, seed: int = 0, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng([7, seed]).integers(0, 256, (24, 32), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        (".hidden/a.jpg", "hidden"),
        ("lot/._a.jpg", "hidden"),
        ("lot/@eaDir/a.jpg/SYNOPHOTO_THUMB.jpg", "network storage"),
        ("lot/Thumbs.db", "operating system"),
        ("__MACOSX/lot/a.jpg", "operating system"),
        ("lot/", "mark of a folder"),
        ("labels", "file of labels"),
        ("lot/notes.TXT", ".txt is no suffix of images"),
        ("obj.names", ".names is no suffix of images"),
        ("obj.data", ".data is no suffix of images"),
    ],
)
def test_what_is_no_photograph_is_skipped_by_a_rule(path: str, rule: str) -> None:
    taken, skipped = selected([path, "lot/a.jpg"], labels_file="labels")
    assert taken == ["lot/a.jpg"]
    ((named, paths),) = skipped.items()
    assert rule in named
    assert paths == [path]


@pytest.mark.parametrize(
    "mask",
    ["lot/a_mask.png", "lot/A_GT.PNG", "gt/lot/a.png", "data/SegmentationClass/a.png", "ground_truth/a_mask.png"],
)
def test_masks_among_photographs_are_warned_of(mask: str, caplog: pytest.LogCaptureFixture) -> None:
    warn_of_masks(["lot/a.jpg", "lot/b.jpg", mask])
    assert f"1 file(s) that are called like masks are taken for photographs, such as {mask}; name" in caplog.text


def test_photographs_in_a_folder_of_masks_or_with_an_ending_of_masks_are_not_warned_of(
    photographs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_masks(["masks/lot-0/a.jpg", "masks/lot-1/a.jpg", "lot-0/face_mask.jpg", "lot-1/c.jpg", "lot-2/c.jpg"])
    assert not caplog.records
    Image.new("L", (32, 24)).save(photographs / "lot-0" / "0_mask.png")
    ingested(photographs)
    assert "such as lot-0/0_mask.png" in caplog.text
    caplog.clear()
    ingested(photographs, annotations="*_mask.png")
    assert "like masks" not in caplog.text


@pytest.mark.parametrize("path", ["a.jpg ", "lot/IMG_0001", "lot/./a.jpg", "../a.jpg", "lot/a.jfif", "lot/a.heic"])
def test_whatever_may_be_a_photograph_is_taken(path: str) -> None:
    assert selected([path]) == ([path], {})


@pytest.mark.parametrize("suffix", [".pgm", ".gif", ".webp", ".jp2", ".avif", ".bmp"])
def test_formats_that_pillow_reads_are_accepted(photographs: Path, suffix: str) -> None:
    picture(photographs / "lot-0" / f"other{suffix}")
    manifest, _, _ = ingested(photographs)
    assert f"lot-0/other{suffix}" in {frame.source for frame in manifest.images}


@pytest.mark.parametrize("name", ["other.jfif", "other.jpe", "other", "other.jpg ", "OTHER.JPG", "other.jpg.bak"])
def test_the_content_decides_and_not_the_suffix(photographs: Path, name: str) -> None:
    picture(photographs / "lot-0" / name, format="JPEG")
    manifest, _, _ = ingested(photographs)
    assert f"lot-0/{name}" in {frame.source for frame in manifest.images}


@pytest.mark.parametrize("name", ["a.heic", "a.dng", "a.NEF"])
def test_formats_that_cannot_be_read_are_quarantined_by_name(photographs: Path, name: str) -> None:
    picture(photographs / "lot-0" / name, format="TIFF")  # as the preview within a raw file
    manifest, _, _ = ingested(photographs)
    ((source, reason),) = ((item.source, item.reason) for item in manifest.quarantined)
    assert source == f"lot-0/{name}"
    assert reason.endswith("cannot be read; convert it to TIFF or PNG")


def test_everything_that_is_listed_is_accepted_quarantined_or_skipped(
    photographs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (photographs / "lot-0" / "words").write_text("words")
    (photographs / "lot-1" / "Thumbs.db").write_text("x")
    (photographs / "lot-1" / "notes.txt").write_text("x")
    (photographs / "lot-1" / ".DS_Store").write_text("x")
    manifest, _, metrics = ingested(photographs)
    assert manifest.listed == 24 == len(manifest.images) + len(manifest.quarantined) + sum(manifest.skipped.values())
    assert (metrics["images"], metrics["quarantined"], metrics["skipped"]) == (20, 1, 3)
    assert set(manifest.skipped.values()) == {1}
    assert "1 (.txt is no suffix of images), such as lot-1/notes.txt" in caplog.text


def test_a_file_that_would_be_in_no_list_stops_the_step(photographs: Path) -> None:
    """A name that is not UTF-8 is written with the numbers of its bytes, as another file may be called."""
    picture(photographs / "new.png", 1).rename(photographs / "lot-0" / os.fsdecode(b"\xff.png"))
    picture(photographs / "new.png", 2).rename(photographs / "lot-0" / "\\xff.png")
    with pytest.raises(UserError, match=r"22 files are listed, but 21 are accounted for.*rename one of them"):
        ingested(photographs)


def test_linked_folders_are_followed_and_links_in_circles_are_not(photographs: Path, tmp_path: Path) -> None:
    shutil.move(photographs / "lot-0", tmp_path / "nas")
    (photographs / "lot-0").symlink_to(tmp_path / "nas")
    (photographs / "lot-1" / "around").symlink_to(photographs)
    (photographs / "lot-1" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    manifest, _, _ = ingested(photographs)
    assert len([frame for frame in manifest.images if frame.lot == "lot-0"]) == 4
    assert {item.source: item.reason for item in manifest.quarantined} == {
        "lot-1/around": "a link to a folder that is listed in another place, or around this one",
        "lot-1/gone.jpg": "cannot be read: No such file or directory",
    }


def test_a_named_pipe_does_not_stop_ingest(photographs: Path) -> None:
    os.mkfifo(photographs / "lot-0" / "pipe.jpg")
    manifest, _, _ = ingested(photographs)
    assert [item.source for item in manifest.quarantined] == ["lot-0/pipe.jpg"]


@pytest.mark.parametrize("name", ["사진.png".encode("cp949"), "Lötstelle.png".encode("latin-1")])
def test_names_that_are_not_utf_8_are_taken(photographs: Path, name: bytes) -> None:
    picture(photographs / "new.png").rename(photographs / "lot-0" / os.fsdecode(name))
    manifest, output, _ = ingested(photographs)
    assert len(manifest.images) == 21
    assert "\\\\x" in (output / "manifest.json").read_text(encoding="utf-8")


def test_paths_whose_digests_begin_alike_are_two_photographs(photographs: Path) -> None:
    first, second = (picture(photographs / lot / "img.jpg", seed) for seed, lot in enumerate(("lot67102", "lot92032")))
    assert first.read_bytes() != second.read_bytes()
    manifest, _, _ = ingested(photographs)
    names = [frame.name for frame in manifest.images if frame.source.endswith("img.jpg")]
    assert len(set(names)) == 2


def test_pages_of_a_file_do_not_disappear(photographs: Path) -> None:
    pages = [Image.new("L", (32, 24), value) for value in (10, 20, 30)]
    pages[0].save(photographs / "lot-0" / "pages.tif", save_all=True, append_images=pages[1:])
    pages[0].save(photographs / "lot-0" / "moving.gif", save_all=True, append_images=pages[1:])
    manifest, _, _ = ingested(photographs)
    reasons = {item.source: item.reason for item in manifest.quarantined}
    expected = "it holds several images; save each of them as a file of its own"
    assert reasons == {"lot-0/pages.tif": expected, "lot-0/moving.gif": expected}


def chained(subfile: int, pages: int) -> bytes:
    """Return a TIFF of pages with the same pixels, which all but the first call a `subfile`."""
    side_px, pixels = 32, bytes(range(256)) * 4
    start = 8 + len(pixels)
    fields = {256: side_px, 257: side_px, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: side_px, 279: len(pixels)}
    packed = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields.items())
    page_bytes = 2 + 12 + len(packed) + 4
    body = b"".join(
        struct.pack("<HHHII", 10, 254, 4, 1, subfile if at else 0)
        + packed
        + struct.pack("<I", start + (at + 1) * page_bytes if at + 1 < pages else 0)
        for at in range(pages)
    )
    return b"II*\0" + struct.pack("<I", start) + pixels + body


def test_previews_in_a_tiff_do_not_count_as_pages(photographs: Path) -> None:
    (photographs / "lot-0" / "previews.tif").write_bytes(chained(subfile=1, pages=4))
    (photographs / "lot-0" / "pages.tif").write_bytes(chained(subfile=0, pages=2))
    manifest, _, _ = ingested(photographs)
    assert [item.source for item in manifest.quarantined] == ["lot-0/pages.tif"]


@pytest.mark.parametrize("subfile", [0, 1])
def test_a_hundred_thousand_pages_are_not_counted_one_by_one(photographs: Path, subfile: int) -> None:
    (photographs / "lot-0" / "endless.tif").write_bytes(chained(subfile, pages=100_000))
    manifest, _, _ = ingested(photographs)
    ((source, reason),) = ((item.source, item.reason) for item in manifest.quarantined)
    assert (source, reason[:23]) == ("lot-0/endless.tif", "it holds several images")


def test_lots_of_one_photograph_are_warned_of(photographs: Path, caplog: pytest.LogCaptureFixture) -> None:
    flat = photographs.parent / "flat"
    flat.mkdir()
    for index, path in enumerate(sorted(photographs.rglob("*.png"))):
        shutil.copy(path, flat / f"{index}.png")
    ingested(photographs)
    assert "lots of their own" not in caplog.text
    ingested(flat)
    assert "20 of 20 photographs are lots of their own" in caplog.text


NAMED = "Ma\u0308ngel/scratch/a.png"
"""With a letter and a mark, as macOS writes umlauts."""


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("./M\u00e4ngel", "Ma\u0308ngel"),
        ("/Ma\u0308ngel/", "Ma\u0308ngel"),
        ("M\u00e4ngel\\scratch", "Ma\u0308ngel/scratch"),
        ("M\u00e4ngel\\*.png", "Ma\u0308ngel/*.png"),
        (".//M\u00e4ngel/scratch/a.png", NAMED),
        ("odd\\name.png", "odd\\name.png"),
        ("./absent", "./absent"),
        ("", ""),
    ],
)
def test_what_is_asked_for_is_found_however_it_is_written(asked: str, meant: str) -> None:
    assert as_listed(asked, [NAMED, "lot/a.jpg", "odd\\name.png"]) == meant


def test_masks_and_labels_are_found_however_their_places_are_written(photographs: Path) -> None:
    mask = np.zeros((24, 32), np.uint8)
    mask[:3] = 255
    (photographs / "Ma\u0308ngel" / "scratch" / "lot-0").mkdir(parents=True)
    Image.fromarray(mask).save(photographs / "Ma\u0308ngel" / "scratch" / "lot-0" / "0.png")
    (photographs / "Ma\u0308ngel.csv").write_text("file,label\nlot-0/0.png,bad\n")
    manifest, _, _ = ingested(photographs, annotations="./M\u00e4ngel", labels_file="./M\u00e4ngel.csv")
    assert manifest.kinds == ["scratch"]
    assert [frame.source for frame in manifest.images if frame.mask and frame.label] == ["lot-0/0.png"]


@pytest.mark.parametrize("key", ["annotations", "boxes"])
def test_a_pattern_that_takes_all_photographs_is_named(photographs: Path, key: str) -> None:
    with pytest.raises(UserError, match=rf"no photograph: 20 \(.*correct ingest.source or ingest.{key}$"):
        ingested(photographs, **{key: "lot*"})


def test_a_source_without_photographs_says_what_was_skipped(photographs: Path) -> None:
    folder = photographs.parent / "notes"
    folder.mkdir()
    (folder / "a.txt").write_text("x")
    with pytest.raises(Exception, match=r"no photograph: 1 \(.txt is no suffix of images\), such as a.txt"):
        ingested(folder)
