"""Leftovers of finished or broken work, which may be removed once they are old."""

import shutil
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from .files import earlier, unfinished
from .parameters import PositiveFloat, PositiveInt, parameters

UNFINISHED, REPLACED = ".*.partial", ".*.old"
"""How results are called until they are whole, and while they are replaced (`files.py` and `resumable.py`)."""
SECONDS_PER_DAY = 86_400


@parameters
class Limits:
    """What `fabgan gc` leaves alone."""

    older_than: PositiveFloat
    """Age in days from which on something may go."""
    keep: PositiveInt
    """Number of the last versions of each registered model that stay, however old they are."""


@dataclass(frozen=True)
class Leftover:
    """Something that may be removed."""

    what: str
    size_bytes: int
    why: str
    remove: Callable[[], None]


def before(days: float) -> float:
    """Return the time, in seconds since 1970, that lies this many days back."""
    return time.time() - days * SECONDS_PER_DAY


def old_files(places: Iterable[Path], older_than_days: float, why: str) -> list[Leftover]:
    """Return those of the files and folders in which nothing was written for so many days."""
    found = []
    for place in sorted(places):
        try:
            facts = [path.lstat() for path in (place, *place.rglob("*"))]
        except FileNotFoundError:  # somebody writes there
            continue
        written_s = max(one.st_mtime for one in facts)
        if written_s <= before(older_than_days):
            size_bytes = sum(one.st_size for one in facts if S_ISREG(one.st_mode))
            found.append(Leftover(str(place), size_bytes, f"{why}, last written {age(written_s)}", _removal(place)))
    return found


def old_results(folder: Path, older_than_days: float, apart_from: Collection[Path]) -> list[Leftover]:
    """Return the unfinished and the replaced results below `folder` that were not written for so long.

    They lie beside the whole result, or beside what it is a link to. A replaced one that has no successor is no
    leftover: `put_back` gives it its name again. What lies in one of the folders `apart_from` is left out.
    """
    links = [path for path in folder.rglob("*") if path.is_symlink() and path.is_dir()]
    begun = {*folder.rglob(UNFINISHED), *filter(Path.exists, map(unfinished, links))}
    replaced = {path for path in folder.rglob(REPLACED) if path.is_dir() and path.with_name(path.name[1:-4]).is_dir()}
    replaced |= set(filter(Path.exists, map(earlier, links)))
    outer = {*begun, *replaced, *apart_from}
    inner = {path for path in begun | replaced if outer & set(path.parents)}
    return [
        *old_files(begun - inner, older_than_days, "unfinished"),
        *old_files(replaced - inner, older_than_days, "replaced"),
    ]


def age(time_s: float) -> str:
    """Return in words how long ago a time is, given in seconds since 1970."""
    return f"{(time.time() - time_s) / SECONDS_PER_DAY:.0f} days ago"


def _removal(place: Path) -> Callable[[], None]:
    return lambda: shutil.rmtree(place) if place.is_dir() else place.unlink()
