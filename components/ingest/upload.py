"""Put a folder of photographs into a bucket, where the pods of a pipeline find them."""

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

from ..core.errors import UnusableImageError, UserError
from ..core.progress import Progress
from ..services.storage import list_objects, split_url, upload
from .sources.folder import list_folder
from .sources.listing import SourceFile


def upload_folder(folder: Path, url: str) -> tuple[int, int]:
    """Upload every file of a folder below `s3://bucket/prefix`; return how many there are, and how many were uploaded.

    A file that is there already, with the same bytes, is not uploaded again, so the same command resumes. Nothing is
    deleted. Raises UserError for a missing or empty folder, for a file that cannot be read, and if the store fails.
    """
    bucket, prefix = split_url(url)
    files = list_folder(folder).files
    if not files:
        raise UserError(f"{folder}: there are no files in it")
    etags = {item.key: item.etag for item in list_objects(bucket, prefix)}
    progress, uploaded = Progress("upload", len(files), "files"), 0
    for file in files:
        uploaded += _put(file, bucket, prefix + file.path, etags)
        progress.advance(1)
    return len(files), uploaded


def _put(file: SourceFile, bucket: str, key: str, etags: dict[str, str]) -> bool:
    """Upload a file unless it is there; return whether it was uploaded."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        try:
            file.fetch(copy)
        except UnusableImageError as error:
            raise UserError(f"{file.path}: {error}; the files before it are uploaded") from error
        content = copy.read_bytes()
    if etags.get(key) == hashlib.md5(content, usedforsecurity=False).hexdigest():
        return False
    upload(content, bucket, key, {})
    return True
