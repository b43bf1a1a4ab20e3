"""Small files of a source are read without waiting for each of a store's answers."""

import threading
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier

import pytest

from fabgan.components.core.errors import UserError
from fabgan.components.ingest.sources.listing import READ_AHEAD, Listing


@dataclass(frozen=True)
class SlowFile:
    """A file of a store that answers only when it is asked for enough files at a time."""

    path: str
    content: bytes
    asked: Barrier

    version = ""

    def fetch(self, to: Path) -> None:
        self.asked.wait(timeout=60)
        to.write_bytes(self.content)


def test_many_small_files_are_fetched_several_at_a_time_and_read_in_order() -> None:
    asked, names = Barrier(READ_AHEAD), range(2 * READ_AHEAD)
    files = [SlowFile(f"{name}.txt", f"{name} 0.5 0.5 0.1 0.1".encode(), asked) for name in names]
    listing = Listing("", files)
    assert list(listing.contents(file.path for file in files)) == [file.content for file in files]


def test_a_reader_that_stops_halfway_leaves_no_thread_and_fetches_no_further_file() -> None:
    before, fetched = threading.active_count(), list[str]()

    class Counted(SlowFile):
        def fetch(self, to: Path) -> None:
            fetched.append(self.path)
            super().fetch(to)

    listing = Listing("", [Counted(f"{name}.txt", b"text", Barrier(1)) for name in range(10 * READ_AHEAD)])
    contents = listing.contents(file.path for file in listing.files)
    assert next(contents) == b"text"
    contents.close()
    assert threading.active_count() == before
    assert len(fetched) <= READ_AHEAD


def test_a_file_that_cannot_be_fetched_is_named_when_its_turn_comes() -> None:
    asked = Barrier(1)
    listing = Listing("", [SlowFile("a.txt", b"first", asked), SlowFile("b.txt", b"second", asked)])
    contents = listing.contents(["a.txt", "missing.txt", "b.txt"])
    assert next(contents) == b"first"
    with pytest.raises(UserError, match=r"missing\.txt: no such file"):
        next(contents)
