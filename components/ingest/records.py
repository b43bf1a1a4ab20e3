"""What the manifest says of the files of a frame."""

from dataclasses import asdict
from pathlib import Path

from ..core.files import sha256_of_file
from ..core.images import ImageFacts, Pixels, write_png
from ..core.resumable import Record


def file_record(folder: Path, file: str, facts: ImageFacts) -> Record:
    """Return the fields of a file of `folder`."""
    path = folder / file
    return {"file": file, "sha256": sha256_of_file(path), "size_bytes": path.stat().st_size} | asdict(facts)


def mask_record(folder: Path, name: str, mask: Pixels) -> Record:
    """Write the mask of a frame, H x W; return its fields."""
    file = f"masks/{name}.png"
    write_png(folder / file, mask)
    return {"mask": file, "mask_sha256": sha256_of_file(folder / file)}


def truth_file(name: str) -> str:
    """Return the place of the ground truth of a rendered frame."""
    return f"truth/{name}.json"


def made(record: Record) -> dict[str, str] | None:
    """Return the files of a record with their digests, or None for what could not be used: it may have been mended."""
    if "reason" in record:
        return None
    files = (("file", "sha256"), ("mask", "mask_sha256"), ("truth", "truth_sha256"))
    return {record[file]: record[digest] for file, digest in files if file in record}
