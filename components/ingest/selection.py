"""Which files of a source are taken for photographs, and which are skipped, by rules that are counted and printed.

What no rule skips is looked at, whatever its name is. So nothing disappears: a file is accepted, quarantined or
skipped.
"""

from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from unicodedata import normalize

from ..core.log import logger
from .annotations.masks import ENDINGS
from .checksums import holds_checksums
from .spelling import spelled_path
from .systems import is_hidden, is_of_system

LOG = logger("ingest")
OTHER_SUFFIXES = frozenset({
    ".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".log",
    ".html", ".htm", ".pdf", ".xmp", ".xls", ".xlsx", ".ods", ".doc", ".docx", ".odt", ".ppt", ".pptx", ".zip", ".7z",
    ".gz", ".tar", ".tgz", ".rar", ".db", ".sqlite", ".py", ".ipynb", ".sh", ".bat", ".exe", ".dll", ".lnk", ".url",
    ".dvc", ".cache", ".asc", ".sig", ".gpg", ".npy", ".npz", ".mp4", ".mov", ".avi", ".mkv", ".wav", ".mp3",
    ".names", ".data",
})  # fmt: skip
FOLDERS_OF_MASKS = frozenset({"mask", "masks", "gt", "ground_truth", "segmentationclass", "segmentationobject"})
"""As tools of annotation and published data sets call them, in lower case."""
ANNOTATION = "an annotation of defects"
"""The rule that keeps annotations apart from photographs."""
BOXES = "boxes of packages"
"""The rule that keeps boxes of packages apart from photographs."""
CHECKSUMS = "a file of checksums"
"""The rule that keeps checksums apart from photographs."""


def selected(
    paths: Iterable[str], labels_file: str = "", annotations: str = "", boxes: str = ""
) -> tuple[list[str], dict[str, list[str]]]:
    """Return the paths that are taken for photographs, and the other ones by the rule that skips them, all sorted."""
    taken: list[str] = []
    skipped: dict[str, list[str]] = {}
    for path in sorted(paths):
        rule = _rule(path, labels_file, annotations, boxes)
        (skipped.setdefault(rule, []) if rule else taken).append(path)
    return taken, skipped


def is_asked(path: str, asked: str) -> bool:
    """Return whether `asked`, which is a file, a folder or a pattern, means a path. An empty text means none."""
    return bool(asked) and (fnmatchcase(path, asked) or f"{path}/".startswith(f"{asked.strip('/')}/"))


def as_listed(asked: str, paths: Collection[str]) -> str:
    """Return a file, a folder or a pattern as the paths of a source are written, or as it is if it means none of them.

    These have no `./` and no backslashes between folders, and an umlaut may be one character in them, or two.
    """
    plain = spelled_path(asked).strip("/")
    spellings = (asked.strip("/"), plain, normalize("NFD", plain))
    return next((one for one in spellings if any(is_asked(path, one) for path in paths)), asked)


def warn_of_masks(taken: Sequence[str]) -> None:
    """Warn of photographs that are called like masks of others: with an ending, or in a folder of masks."""
    paths = [PurePosixPath(path.lower()) for path in taken]
    stems, outside = {path.stem for path in paths}, {path.stem for path in paths if not _is_in_masks(path)}
    found = [
        file
        for file, path in zip(taken, paths, strict=True)
        if (_is_in_masks(path) and path.stem in outside) or _has_ending(path.stem, stems)
    ]
    if found:
        LOG.warning(
            "%d file(s) that are called like masks are taken for photographs, such as %s; name masks in "
            "ingest.annotations, or take them out of the source",
            *(len(found), found[0]),
        )


def _is_in_masks(path: PurePosixPath) -> bool:
    return bool(FOLDERS_OF_MASKS & set(path.parts[:-1]))


def _has_ending(stem: str, stems: set[str]) -> bool:
    return any(stem.endswith(ending) and stem.removesuffix(ending) in stems for ending in ENDINGS)


def _rule(path: str, labels_file: str, annotations: str, boxes: str) -> str:
    """Return the rule that skips a path, or an empty text."""
    if path == labels_file:
        return "the file of labels"
    if path.endswith("/"):
        return "the mark of a folder in a bucket"
    if is_of_system(path):
        return "a file of an operating system or of network storage"
    if is_hidden(path):
        return "a hidden file"
    if holds_checksums(path):
        return CHECKSUMS
    if is_asked(path, annotations):
        return ANNOTATION
    if is_asked(path, boxes):
        return BOXES
    suffix = PurePosixPath(path.strip()).suffix.lower()
    return f"{suffix} is no suffix of images" if suffix in OTHER_SUFFIXES else ""
