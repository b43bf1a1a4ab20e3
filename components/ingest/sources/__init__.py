"""Where photographs come from: a folder, a bucket, or a DVC repository at a revision, all behind one listing."""

from pathlib import Path

from ...core.errors import UserError
from ...services.storage import SCHEME as S3
from .bucket import list_bucket
from .dvc_repository import SCHEME as GIT
from .dvc_repository import list_repository
from .folder import list_folder, list_rendered
from .listing import Listing


def is_rendered(source: str) -> bool:
    """Say whether a source is a .yaml file that says which frames to render."""
    return Path(source).suffix in (".yaml", ".yml") and not source.startswith((S3, GIT))


def list_source(source: str, revision: str) -> Listing:
    """List a source at a revision; what each kind takes as one is told at `ingest.revision`.

    Raises UserError for a source or revision that is not there, or is no longer what the revision pins.
    """
    if source.startswith(GIT):
        return list_repository(source, revision)
    if source.startswith(S3):
        listing = list_bucket(source)
    else:
        listing = list_rendered(Path(source)) if is_rendered(source) else list_folder(Path(source))
    if revision and not listing.revision:
        raise UserError(f"ingest.revision: a folder has none, got {revision!r}; leave it empty")
    if revision not in ("", listing.revision):
        raise UserError(
            f"{source}: changed since ingest.revision {revision!r} was taken: it is {listing.revision} now; "
            "leave the key empty to take it as it is"
        )
    return listing


def resolve(source: str, revision: str) -> str:
    """Return what pins the data of a source, to be given to ingest as its revision; empty for a folder.

    The commit for a DVC repository, the digest of the listing for a bucket, that of the file for a .yaml source.
    """
    return list_source(source, revision).revision
