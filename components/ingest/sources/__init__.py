"""Sources of photographs: a folder, a bucket, or a DVC repository at a revision. All have the same listing."""

from pathlib import Path

from ...core.errors import UserError
from ...core.files import sha256_of_file
from ...services.storage import SCHEME as S3
from .bucket import list_bucket
from .dvc_repository import SCHEME as GIT
from .dvc_repository import list_repository
from .folder import list_folder
from .listing import Listing


def path_of(source: str) -> Path | None:
    """Return the path of a source on this computer, or None for a bucket or a DVC repository."""
    return None if source.startswith((S3, GIT)) else Path(source)


def is_rendered(source: str) -> bool:
    """Return whether a source is a .yaml file that describes frames to render."""
    path = path_of(source)
    return path is not None and path.suffix in (".yaml", ".yml")


def list_source(source: str, revision: str) -> Listing:
    """List a source at a revision, as described at `IngestParameters.revision`.

    Raises UserError for a source or revision that does not exist, or a source that differs from its pinned revision.
    """
    if source.startswith(GIT):
        return list_repository(source, revision)
    if source.startswith(S3):
        listing = list_bucket(source)
    else:
        listing = _list_rendered(Path(source)) if is_rendered(source) else list_folder(Path(source))
    if revision and not listing.revision:
        raise UserError(f"ingest.revision: a folder has no revision, got {revision!r}; leave the key empty")
    if revision not in ("", listing.revision):
        raise UserError(
            f"{source}: its digest is {listing.revision}, but ingest.revision is {revision!r}; restore the data, "
            "or leave the key empty to use the data as it is"
        )
    return listing


def _list_rendered(source: Path) -> Listing:
    """List a .yaml source: its digest is the revision, and its frames are no files yet."""
    if not source.is_file():
        raise UserError(f"{source}: no such file; correct ingest.source")
    return Listing(sha256_of_file(source), [])


def resolve(source: str, revision: str) -> str:
    """Return what pins the data of a source, for use as `ingest.revision`; empty for a folder.

    It is the commit of a DVC repository, the digest of a bucket's listing, or the digest of a .yaml file.
    """
    return list_source(source, revision).revision
