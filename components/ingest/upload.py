"""Put a folder of photographs into a bucket, where the pods of a pipeline find them."""

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

from ..core.errors import UnusableImageError, UserError
from ..core.files import sha256_of_bytes
from ..core.progress import Progress
from ..services.storage import StoredObject, list_objects, metadata_of, split_url, upload
from .sources.folder import list_folder
from .sources.listing import SourceFile


def upload_folder(folder: Path, url: str) -> tuple[int, int]:
    """Upload every file of a folder below `s3://bucket/prefix`; return how many there are, and how many were uploaded.

    A file that is there already, with the same bytes, is not uploaded again, so the same command resumes. Nothing is
    deleted. Raises UserError for a missing or empty folder, for a file that cannot be read, and if the store fails.
    """
    bucket, prefix = split_url(url)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; name a folder of photographs")
    files = list_folder(folder).files
    if not files:
        raise UserError(f"{folder}: there are no files in it")
    present = {item.key: item for item in list_objects(bucket, prefix)}
    progress, uploaded = Progress("upload", len(files), "files"), 0
    for file in files:
        uploaded += _put(file, bucket, prefix + file.path, present)
        progress.advance(1)
    return len(files), uploaded


def _put(file: SourceFile, bucket: str, key: str, present: dict[str, StoredObject]) -> bool:
    """Upload a file unless it is there; return whether it was uploaded."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        try:
            file.fetch(copy)
        except UnusableImageError as error:
            raise UserError(f"{file.path}: {error}; the files before it are uploaded") from error
        content = copy.read_bytes()
    sha256 = sha256_of_bytes(content)
    if key in present and _is_same(present[key], content, sha256):
        return False
    upload(content, bucket, key, {"sha256": sha256})
    return True


def _is_same(there: StoredObject, content: bytes, sha256: str) -> bool:
    """Return whether an object has these bytes. Its ETag is no MD5 if the store encrypts it with a key of its own."""
    if there.size_bytes != len(content):
        return False
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return there.etag == md5 or metadata_of(there).get("sha256") == sha256
