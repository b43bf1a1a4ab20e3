"""A folder in a DVC repository at a revision: `git+URL#path`. The repository's own DVC remote stores its files.

The commit holds the digest of the folder's listing, and the listing holds the MD5 of every file. Both are checked here,
because DVC itself trusts what a remote returns.
"""

import atexit
import getpass
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from ...core.errors import UnusableImageError, UserError
from ...core.files import digest_of_file
from ...core.network import through_proxy, usual_proxy
from .listing import Listing, check_size

SCHEME = "git+"


@dataclass(frozen=True)
class RepositoryFile:
    """One file of the folder. Its version is the MD5 under which DVC stores it."""

    path: str
    version: str
    place: str
    repository: str
    commit: str

    def fetch(self, to: Path) -> None:
        """Download the file from the repository's remote and check its MD5.

        Raises UnusableImageError if it is far too large, as soon as the remote says how large it is: DVC does not know.
        """
        with _explained_repository(self.repository, self.commit):
            system = _shared(os.getpid(), self.repository, self.commit)
            config = system.repo.config
        with _explained_remote(config, self.repository, self.place):
            system.get_file(self.place, str(to), callback=_size_checked())
        check_size(to.stat().st_size)
        if digest_of_file(to, "md5") != self.version:
            raise UserError(
                f"{self.repository}: {self.place}: the remote's bytes are not those of commit {self.commit[:12]} "
                "(MD5 differs); push the file again from a good copy"
            )


def list_repository(source: str, revision: str) -> Listing:
    """List the files below a tracked folder at a tag, branch or commit.

    An empty revision is the newest commit of the default branch. Raises UserError if the repository, the revision or
    the folder does not exist, or if the remote cannot be read or its listing is not the commit's.
    """
    from dvc.repo.open_repo import clean_repos

    url, folder = _split(source)
    clean_repos()  # an earlier clone may be older than its branch
    with _explained_repository(url, revision):
        system = _open(url, revision)
        commit: str = system.repo.get_rev()
    _check_remote(system.repo.config, url)
    with _explained_remote(system.repo.config, url, folder):
        tracked = _tracked_root(system, folder, f"{url} at {commit[:12]}")
        found = system.find(tracked, detail=True)
    digests = {place: _md5(info, f"{url}: {place}") for place, info in sorted(found.items())}
    _check_tree(digests, tracked, system.info(tracked)["md5"], url)
    files = [
        RepositoryFile(place.removeprefix(f"{folder}/"), md5, place, url, commit)
        for place, md5 in digests.items()
        if place.startswith(f"{folder}/")
    ]
    return Listing(commit, files)


def _size_checked() -> Any:
    """Return a callback of a transfer, which ends the transfer of a file that is too large."""
    from fsspec.callbacks import Callback

    return Callback(hooks={"size": lambda size_bytes, _, **__: check_size(size_bytes or 0)})


def _split(source: str) -> tuple[str, str]:
    url, _, folder = source.removeprefix(SCHEME).partition("#")
    folder = PurePosixPath(folder.strip("/")).as_posix()
    if "://" not in url or folder == ".":
        raise UserError(
            f"ingest.source: {source}: expected git+URL#path, such as git+https://HOST/REPOSITORY.git#data/lots"
        )
    return url, folder


def _open(url: str, revision: str) -> Any:
    import pygit2
    from dvc.api import DVCFileSystem

    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = "fabgan"  # git needs a user name, and a container's numeric user has none
    # A repository on this computer may belong to another user. libgit2 only reads it, and runs nothing from it.
    pygit2.settings.owner_validation = False
    return DVCFileSystem(url, rev=revision or None, config={"core": {"site_cache_dir": _scratch()}})


@lru_cache(maxsize=1)
def _scratch() -> str:
    """Make a folder for DVC's site cache, because its default location is read-only in a container."""
    from dvc.repo.open_repo import clean_repos

    folder = tempfile.mkdtemp(prefix="fabgan-dvc-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(clean_repos)
    return folder


@lru_cache(maxsize=1)
def _shared(_process: int, url: str, commit: str) -> Any:
    """Open a repository once per process, because connections do not survive a fork. The clone does, and is reused."""
    return _open(url, commit)


def _check_remote(config: dict[str, Any], url: str) -> None:
    """Refuse a remote in a bucket without the address of its store, because the default address is on the internet."""
    if _server_of(config).startswith("s3://"):
        name = config["core"]["remote"]
        raise UserError(
            f"{url}: its DVC remote {name!r} names no store; set AWS_ENDPOINT_URL_S3 to the address of the object store"
        )


def _server_of(config: dict[str, Any]) -> str:
    """Return the address that the DVC remote is asked at: that of the store for a bucket, if it is known."""
    remote = config["remote"].get(config["core"].get("remote"), {})
    address: str = remote.get("url", "")
    if address.startswith("s3://"):
        return str(remote.get("endpointurl") or os.environ.get("AWS_ENDPOINT_URL_S3", address))
    return address


def _tracked_root(system: Any, folder: str, where: str) -> str:
    """Return the folder that DVC tracks: `folder` itself, or one that contains it."""
    if not system.isdvc(folder):
        raise UserError(f"{where}: {folder}: DVC tracks no such folder there; correct ingest.source or ingest.revision")
    if system.isfile(folder):
        raise UserError(f"{where}: {folder}: a file; expected a folder of photographs, so correct ingest.source")
    places = [folder, *(parent.as_posix() for parent in PurePosixPath(folder).parents)]
    return [place for place in places if system.isdvc(place)][-1]


def _md5(info: dict[str, Any], where: str) -> str:
    if "md5" not in info:
        raise UserError(
            f"{where}: stored by DVC 2, whose digests cannot be checked; run `dvc cache migrate --dvc-files` in the "
            "repository"
        )
    return str(info["md5"])


def _check_tree(digests: dict[str, str], tracked: str, expected: str, url: str) -> None:
    """Refuse a listing whose digest is not the one in the commit."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    tree = Tree()
    for place, md5 in digests.items():
        tree.add(PurePosixPath(place).relative_to(tracked).parts, None, HashInfo("md5", md5))
    tree.digest()
    if tree.oid != expected:
        raise UserError(f"{url}: {tracked}: the remote's listing is not the commit's (MD5 differs); push it again")


@contextmanager
def _explained_repository(url: str, revision: str) -> Iterator[None]:
    from dvc.exceptions import DvcException
    from dvc.scm import RevError

    try:
        yield
    except RevError as error:
        raise UserError(
            f"{url}: ingest.revision: {revision!r} is not a tag, branch or commit of the repository"
        ) from error
    except (DvcException, OSError) as error:
        raise UserError(
            f"{url}: cannot be opened as a DVC repository{through_proxy(url, _git_proxy(url))}: {_reason(error)}; "
            "correct ingest.source"
        ) from error


def _git_proxy(url: str) -> str:
    """Return the proxy through which dulwich asks a repository, whatever the scheme of its address."""
    from dulwich.client import check_for_proxy_bypass

    if not url.lower().startswith("http") or check_for_proxy_bypass(url):
        return ""
    return next(filter(None, map(os.environ.get, ("https_proxy", "http_proxy", "all_proxy"))), "")


@contextmanager
def _explained_remote(config: dict[str, Any], url: str, place: str) -> Iterator[None]:
    """Name the remote that failed. Its file system may be of any type, so any exception may come from it."""
    try:
        yield
    except (UserError, UnusableImageError):
        raise
    except Exception as error:
        server = _server_of(config)
        raise UserError(
            f"{url}: {place}: cannot be read from the repository's DVC remote"
            f"{through_proxy(server, usual_proxy(server))}: {_reason(error)}; push it to the "
            "remote, or correct AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ) from error


def _reason(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__
