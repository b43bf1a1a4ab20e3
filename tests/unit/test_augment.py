"""What `augment` does with a folder that it has filled before."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from fabgan.components.artifacts.manifest import GeneratedManifest
from fabgan.components.augment.step import _fill_folder
from fabgan.components.core.images import Pixels

COUNT = 5


def fill(folder: Path, images_per_file: int, count: int = COUNT, made: list[int] | None = None) -> dict[str, bytes]:
    """Let `augment` fill a folder; return the content of its files. The images that it made are added to `made`."""
    wanted = GeneratedManifest(
        model="models:/bga-generator/1",
        weights_sha256="0" * 64,
        image_size_px=16,
        channels=1,
        seed=1,
        label="",
        first=0,
        count=count,
        images=[],
        images_per_file=images_per_file,
    )

    def images_from(first: int) -> Iterator[Pixels]:
        for value in range(first, count):
            if made is not None:
                made.append(value)
            yield np.full((16, 16), value, dtype=np.uint8)

    _fill_folder(folder, wanted, images_from)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def shorten(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:40])


def change(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[content.index(b"IDAT") + 6] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(b""), shorten, change])
@pytest.mark.parametrize(("images_per_file", "file"), [(1, "000003.png"), (2, "000002-2.tar")])
def test_files_that_are_missing_or_damaged_are_made_again(
    images_per_file: int,
    file: str,
    damage: Callable[[Path], object],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = fill(tmp_path / "out", images_per_file)
    damage(tmp_path / "out" / file)
    assert fill(tmp_path / "out", images_per_file) == made
    words = f"augment: warning: {tmp_path}/out: 1 files are missing or damaged, such as {file}; they are made again"
    assert words in capsys.readouterr().err


def test_whole_files_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path / "out", 2)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    capsys.readouterr()
    fill(tmp_path / "out", 2)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("missing", "expected"),
    [
        ([], []),
        ([50], [50]),
        ([3, 99], [3, 99]),
        ([3, 5, 60], [3, 4, 5, 60]),
    ],
)
def test_only_missing_images_and_the_few_between_them_are_made_again(
    missing: list[int], expected: list[int], tmp_path: Path
) -> None:
    whole, made = fill(tmp_path / "out", 1, count=100), list[int]()
    for index in missing:
        (tmp_path / "out" / f"{index:06d}.png").unlink()
    assert fill(tmp_path / "out", 1, count=100, made=made) == whole
    assert made == expected
