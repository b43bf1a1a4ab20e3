"""A prefix of a bucket in an S3-compatible object store: `s3://bucket/prefix`."""

from dataclasses import dataclass
from pathlib import Path

from ...core.errors import UserError
from ...core.parameters import digest
from ...services.storage import StoredObject, download, list_objects, split_url
from .listing import Listing, check_size


@dataclass(frozen=True)
class BucketFile:
    """One object below the prefix."""

    path: str
    stored: StoredObject

    @property
    def version(self) -> str:
        """The object's ETag."""
        return self.stored.etag

    def fetch(self, to: Path) -> None:
        """Download the object. Raises UnusableImageError if it is far too large."""
        check_size(self.stored.size_bytes)
        download(self.stored, to)


def list_bucket(url: str) -> Listing:
    """List every object below a prefix; the revision is the digest of their keys, sizes and ETags."""
    bucket, prefix = split_url(url)
    files = [BucketFile(item.key.removeprefix(prefix), item) for item in list_objects(bucket, prefix)]
    pinned = [(file.path, file.stored.size_bytes, file.stored.etag) for file in files if not file.path.endswith("/")]
    if not pinned:
        raise UserError(f"{url}: no objects below this prefix; correct ingest.source")
    return Listing(digest(pinned), [file for file in files if file.path])
