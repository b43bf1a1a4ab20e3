"""Checksums that lie in a source are compared with the files that they name."""

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fabgan.components.artifacts.manifest import FrameManifest
from fabgan.components.core.errors import UserError
from fabgan.components.ingest.selection import selected
from tests.unit.test_ingest import ingested, photographs

__all__ = ["photographs"]
DAMAGED = "lot-0/1.png"


def damage(photographs: Path) -> None:
    """Change a photograph so that it can still be decoded."""
    shutil.copy(photographs / "lot-4" / "3.png", photographs / DAMAGED)
    with (photographs / DAMAGED).open("ab") as file:
        file.write(b"x")


def with_sums(photographs: Path, command: str, then: Callable[[Path], None] = damage) -> FrameManifest:
    """Run a command of a shell in the folder of photographs, and `then` take them."""
    subprocess.run(["bash", "-c", command], cwd=photographs, check=True)
    then(photographs)
    manifest, _, _ = ingested(photographs)
    assert manifest.listed == len(manifest.images) + len(manifest.quarantined) + sum(manifest.skipped.values())
    return manifest


COMMANDS = {
    "sha256sum */*.png > SHA256SUMS": "line 2 of SHA256SUMS",
    "md5sum -b lot-0/*.png > md5sums.txt": "line 2 of md5sums.txt",
    "sha1sum --tag */*.png > checksums.txt": "line 2 of checksums.txt",
    "cd lot-0 && sha512sum 1.png > 1.png.sha512": "line 1 of lot-0/1.png.sha512",
    "sha256sum $PWD/lot-0/1.png > lot-0/1.png.sha256": "line 1 of lot-0/1.png.sha256",
    "sha256sum < lot-0/1.png | cut -c -64 | tr a-f A-F > lot-0/1.png.SHA256": "line 1 of lot-0/1.png.SHA256",
    "(echo '# all'; md5sum lot-0/1.png | sed 's,/,\\\\,;s,$,\\r,') | iconv -t UTF-16 > all.md5": "line 2 of all.md5",
    "cd lot-0 && find .. -name 1.png -path '*lot-0*' -exec sha256sum {} + > sha256sum.txt": "line 1 of lot-0/sha256sum",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_differs_from_its_checksum_is_quarantined(photographs: Path, command: str) -> None:
    manifest = with_sums(photographs, command)
    ((source, reason),) = ((item.source, item.reason) for item in manifest.quarantined)
    assert source == DAMAGED
    assert COMMANDS[command] in reason
    assert manifest.skipped == {"a file of checksums": 1}
    assert len(manifest.images) == 19


@pytest.mark.parametrize("command", COMMANDS)
def test_files_that_agree_with_their_checksums_are_accepted(photographs: Path, command: str) -> None:
    assert len(with_sums(photographs, command, then=lambda _: None).images) == 20


@pytest.mark.parametrize("name", ["a\\b.png", "a\nb.png"])
def test_names_that_sha256sum_has_to_escape_are_checked_too(photographs: Path, name: str) -> None:
    shutil.move(photographs / "lot-1" / "0.png", photographs / "lot-1" / name)

    def spoil(photographs: Path) -> None:
        (photographs / "lot-1" / name).write_bytes((photographs / "lot-1" / "1.png").read_bytes() + b"x")

    manifest = with_sums(photographs, "sha256sum */* > SHA256SUMS", then=spoil)
    assert [item.source for item in manifest.quarantined] == [f"lot-1/{name}"]


@pytest.mark.parametrize(
    ("called", "written"),
    [
        ("Ma\u0308ngel.png", "lot-1/M\u00e4ngel.png"),
        ("M\u00e4ngel.png", ".\\lot-1\\Ma\u0308ngel.png"),
        ("a b.png", "lot-1/.//a\u200b b.png\ufeff"),
        ("a\\b.png", "./lot-1/a\\b.png"),
    ],
)
def test_names_that_look_alike_are_the_same(photographs: Path, called: str, written: str) -> None:
    """An umlaut is one character on one system, and a letter with a mark on another."""
    shutil.move(photographs / "lot-1" / "0.png", photographs / "lot-1" / called)
    (photographs / "SHA256SUMS").write_text(f"{'0' * 64}  {written}\n", encoding="utf-8")
    assert [item.source for item in ingested(photographs)[0].quarantined] == [f"lot-1/{called}"]


def test_a_name_means_the_file_that_is_called_exactly_so_first(photographs: Path) -> None:
    for number, name in enumerate(("M\u00e4ngel.png", "Ma\u0308ngel.png")):
        shutil.move(photographs / "lot-1" / f"{number}.png", photographs / "lot-1" / name)
    manifest = with_sums(photographs, "sha256sum */*.png > SHA256SUMS", then=lambda _: None)
    assert len(manifest.images) == 20


def test_md5_is_compared_where_it_is_allowed_for_no_security(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on computers in FIPS mode."""
    new = hashlib.new

    def refusing(name: str, content: bytes = b"", *, usedforsecurity: bool = True) -> object:
        if usedforsecurity:
            raise ValueError("disabled for FIPS")
        return new(name, content, usedforsecurity=False)

    monkeypatch.setattr(hashlib, "new", refusing)
    manifest = with_sums(photographs, "md5sum */*.png > md5sums.txt")
    assert [item.source for item in manifest.quarantined] == [DAMAGED]


def test_a_checksum_that_was_corrected_is_compared_again(photographs: Path) -> None:
    (photographs / "lot-0" / "1.png.md5").write_text("0" * 32)
    assert len(ingested(photographs)[0].images) == 19
    digest = hashlib.md5((photographs / DAMAGED).read_bytes()).hexdigest()
    (photographs / "lot-0" / "1.png.md5").write_text(digest)
    assert len(ingested(photographs)[0].images) == 20
    (photographs / "lot-0" / "1.png.md5").write_text("1" * 32)
    assert len(ingested(photographs)[0].images) == 19


def test_labels_that_differ_from_their_checksum_are_refused(photographs: Path) -> None:
    (photographs / "labels.csv").write_text("file,label\n")
    (photographs / "SHA256SUMS").write_text(f"{'0' * 64}  labels.csv\n")
    with pytest.raises(UserError, match=r"^labels.csv: its SHA256 is .* but line 1 of SHA256SUMS says 000000000000"):
        ingested(photographs, labels_file="labels.csv")


def test_names_that_are_not_there_are_warned_of(photographs: Path, caplog: pytest.LogCaptureFixture) -> None:
    manifest = with_sums(photographs, "sha256sum */*.png > SHA256SUMS; rm lot-0/1.png", then=lambda _: None)
    assert len(manifest.images) == 19
    assert "1 files that checksums name are not in the source, such as lot-0/1.png of line 2" in caplog.text


@pytest.mark.parametrize("line", ["<html>", "0123  lot-0/1.png", "0" * 64, f"{'0' * 63}g  lot-0/1.png", "\x00\xff"])
def test_what_is_no_checksum_is_refused_with_its_line(photographs: Path, line: str) -> None:
    (photographs / "SHA256SUMS").write_text(f"\n{line}\n")
    with pytest.raises(UserError, match=r"^SHA256SUMS: line 2: expected a digest and the name of a file"):
        ingested(photographs)


@pytest.mark.parametrize("path", ["._a.jpg.md5", "@eaDir/SHA256SUMS", "sums.txt", "a.sha256.jpg", "SHA256SUMS.asc"])
def test_other_files_are_no_checksums(path: str) -> None:
    taken, skipped = selected([path])
    assert "a file of checksums" not in skipped
    assert taken == ([path] if path.endswith("jpg") else [])
