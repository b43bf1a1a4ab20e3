"""Files and folders that cannot be read, vanish, or lie where results go: nothing disappears or stops the step."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fabgan.components.core.errors import UnusableImageError, UserError
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.sources import list_source
from fabgan.components.ingest.sources.bucket import BucketFile
from fabgan.components.ingest.sources.folder import list_folder
from fabgan.components.ingest.sources.listing import MAX_BYTES
from fabgan.components.services.storage import StoredObject
from tests.unit.test_ingest import ingested, parameters, photographs

__all__ = ["photographs"]
NOBODY = 65_534


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that other users may enter, with a lot."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "lot").mkdir()
        (Path(folder) / "lot" / "a.png").write_bytes(b"x")
        yield Path(folder)


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be nobody for a while: the superuser may read everything."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(user)


def reasons(folder: Path) -> dict[str, str]:
    """Return why each file of a folder cannot be used, empty for those that can."""
    found = {}
    with without_privileges(), tempfile.TemporaryDirectory() as copies:
        for file in list_folder(folder).files:
            found[file.path] = ""
            try:
                file.fetch(Path(copies) / "copy")
            except UnusableImageError as error:
                found[file.path] = str(error)
    return found


@pytest.mark.parametrize(
    ("mode", "listed"), [(0o000, "lot"), (0o111, "lot"), (0o444, "lot/a.png")], ids=["closed", "unlisted", "listed"]
)
def test_a_folder_that_cannot_be_read_does_not_disappear(public: Path, mode: int, listed: str) -> None:
    (public / "good").mkdir()
    (public / "good" / "b.png").write_bytes(b"x")
    (public / "lot").chmod(mode)
    assert reasons(public) == {"good/b.png": "", listed: "cannot be read: Permission denied"}


def test_a_file_that_cannot_be_read_is_quarantined(public: Path) -> None:
    (public / "lot" / "a.png").chmod(0)
    assert reasons(public) == {"lot/a.png": "cannot be read: Permission denied"}


def test_a_source_that_cannot_be_read_is_refused(public: Path) -> None:
    public.chmod(0o111)
    with without_privileges(), pytest.raises(UserError, match=f"^{public}: cannot be read: Permission denied; correct"):
        list_folder(public)


def test_a_file_that_breaks_off_is_quarantined_and_the_others_are_taken(photographs: Path) -> None:
    """The memory of a process can be opened, but not be read from its beginning, like a damaged sector."""
    (photographs / "lot-0" / "damaged.jpg").symlink_to("/proc/self/mem")
    manifest, _, _ = ingested(photographs)
    assert [(item.source, item.reason) for item in manifest.quarantined] == [
        ("lot-0/damaged.jpg", "cannot be read: Input/output error")
    ]
    assert len(manifest.images) == 20


def test_files_that_vanish_after_the_listing_are_quarantined(
    photographs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def list_and_delete(asked: str, revision: str) -> object:
        listing = list_source(asked, revision)
        shutil.rmtree(photographs / "lot-2")
        return listing

    monkeypatch.setattr(ingest, "list_source", list_and_delete)
    manifest, _, _ = ingested(photographs)
    expected = {f"lot-2/{at}.png": "cannot be read: No such file or directory" for at in range(4)}
    assert {item.source: item.reason for item in manifest.quarantined} == expected


def test_folders_that_link_to_each_other_are_listed_once(tmp_path: Path) -> None:
    """Followed along every path, twelve folders with links to all others would be some hundred million files."""
    lots = [tmp_path / place / f"lot-{at}" for place in ("source", "elsewhere") for at in range(12)]
    for lot in lots:
        lot.mkdir(parents=True)
        (lot / "a.png").write_bytes(b"x")
    for lot in lots:
        for other in lots:
            (lot / f"to-{other.parent.name}-{other.name}").symlink_to(other)
    found = [file.path for file in list_folder(tmp_path / "source").files]
    assert len(found) == len(set(found)) == 24 + len(lots) ** 2 - 12
    assert sum(path.endswith("a.png") for path in found) == 24


def test_a_file_that_is_far_too_large_is_not_copied(photographs: Path) -> None:
    with (photographs / "lot-0" / "huge.tif").open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # it takes no space
    manifest, output, _ = ingested(photographs)
    ((name, reason),) = ((item.source, item.reason) for item in manifest.quarantined)
    assert (name, reason) == ("lot-0/huge.tif", "2.1 GB, more than the pixels of any photograph take")
    assert not list(output.rglob("huge*"))


def test_an_object_that_is_far_too_large_is_not_asked_for(tmp_path: Path) -> None:
    huge = BucketFile("huge.tif", StoredObject("no-bucket", "huge.tif", MAX_BYTES + 1, "etag"))
    with pytest.raises(UnusableImageError, match=r"2\.1 GB, more than the pixels of any photograph take"):
        huge.fetch(tmp_path / "copy")


@pytest.mark.parametrize("circle", ["source", "output"])
def test_links_in_a_circle_are_refused(photographs: Path, tmp_path: Path, circle: str) -> None:
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    paths = {"source": photographs, "output": tmp_path / "frames"} | {circle: tmp_path / "one"}
    with pytest.raises(UserError, match=r"one \((ingest.source|the folder that ingest writes)\): links in a circle"):
        ingest.run(parameters(paths["source"]), paths["output"])


@pytest.mark.parametrize("output", [".", "frames", "lot-0/frames", ".."])
def test_results_do_not_go_where_photographs_are(photographs: Path, output: str) -> None:
    before = sorted(photographs.parent.rglob("*"))
    with pytest.raises(UserError, match=r"\(ingest.source\) lie within each other"):
        ingest.run(parameters(photographs), photographs / output)
    assert sorted(photographs.parent.rglob("*")) == before
