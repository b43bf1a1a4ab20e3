"""Photographs of a DVC repository at a revision: the commit's own, verified, or one line that says what is wrong."""

from pathlib import Path

import pytest
import yaml

from fabgan.components.core.errors import UnusableImageError, UserError
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.sources import list_source, listing, resolve
from tests.photographs import Repository, ingested, parameters

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # clones that DVC leaves open
]


def test_a_tag_gives_its_photographs_after_the_branch_has_moved(tmp_path: Path, repository: Repository) -> None:
    first, second = repository.run("git rev-parse v1"), repository.run("git rev-parse v2")
    source = repository.source()
    assert [resolve(source, revision) for revision in ("v1", first[:10])] == [first, first]
    assert [resolve(source, revision) for revision in ("", "main")] == [second, second]
    old, new = (ingested(tmp_path / revision, source, revision=revision) for revision in (first, "main"))
    assert (old.revision, new.revision) == (first, second)
    assert {frame.source for frame in old.images} - {frame.source for frame in new.images} == {
        "lot-1/0.png",
        "lot-2/3.png",
    }
    assert [copy.reason for copy in new.quarantined] == ["the same bytes as lot-0/0.png"]


def test_a_folder_within_a_tracked_folder_can_be_taken(repository: Repository) -> None:
    listing = list_source(repository.source("data/photographs/lot-1"), "v1")
    assert [file.path for file in listing.files] == ["0.png", "1.png", "2.png", "3.png"]


def test_a_damaged_object_in_the_remote_is_refused(tmp_path: Path, repository: Repository) -> None:
    listing = list_source(repository.source(), "v1")
    md5 = next(file.version for file in listing.files if file.path == "lot-1/2.png")
    refused = pytest.raises(UserError, match=r"lot-1/2.png: the remote's bytes are not those of commit .*MD5 differs")
    with repository.changed(md5, lambda good: good[:-1] + b"?"), refused:
        ingest.run(parameters(repository.source(), revision="v1"), tmp_path / "frames")


def test_a_photograph_that_was_never_pushed_is_named(tmp_path: Path, repository: Repository) -> None:
    listing = list_source(repository.source(), "v1")
    photograph = next(file for file in listing.files if file.path == "lot-1/2.png")
    key = f"dvc/files/md5/{photograph.version[:2]}/{photograph.version[2:]}"
    with repository.changed(photograph.version, bytes):
        repository.bucket.remove(key)
        with pytest.raises(UserError, match=r"lot-1/2.png: cannot be read from the repository's DVC remote"):
            photograph.fetch(tmp_path / "copy")


def test_a_file_that_is_far_too_large_is_not_fetched(
    tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    photograph = list_source(repository.source(), "v1").files[-1]
    monkeypatch.setattr(listing, "MAX_BYTES", 100)
    with pytest.raises(UnusableImageError, match="more than the pixels of any photograph take"):
        photograph.fetch(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_another_listing_in_the_place_of_the_commits_is_refused(repository: Repository) -> None:
    tracked = yaml.safe_load(repository.run("git show v1:data/photographs.dvc"))["outs"][0]["md5"]
    refused = pytest.raises(UserError, match=r"the remote's listing is not the commit's")
    with repository.changed(tracked, lambda good: good.replace(b"lot-0/0.png", b"lot-9/0.png")), refused:
        resolve(repository.source(), "v1")


@pytest.mark.parametrize(
    ("path", "revision", "message"),
    [
        ("data/photographs", "v9", r"ingest.revision: 'v9' is not a tag, branch or commit of the repository"),
        ("data/nothing", "v1", r"data/nothing: DVC tracks no such folder there"),
        ("notes", "v1", r"notes: DVC tracks no such folder there"),
        ("data/photographs/labels.csv", "v1", r"labels.csv: a file; expected a folder"),
    ],
)
def test_what_a_repository_does_not_have_is_named(
    repository: Repository, path: str, revision: str, message: str
) -> None:
    with pytest.raises(UserError, match=message) as raised:
        resolve(repository.source(path), revision)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong", "Forbidden"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9", "127.0.0.1:9"),
    ],
)
def test_an_unreadable_remote_is_one_line(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserError, match=f"cannot be read from the repository's DVC remote: .*{message}") as raised:
        resolve(repository.source(), "v1")
    assert "\n" not in str(raised.value)


def test_a_remote_without_an_address_is_not_looked_for_on_the_internet(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    with pytest.raises(UserError, match=r"remote 'store' names no store; set AWS_ENDPOINT_URL_S3"):
        resolve(repository.source(), "v1")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("git+file:///srv/nothing.git#data", "file:///srv/nothing.git: cannot be opened as a DVC repository"),
        ("git+http://127.0.0.1:9/fab.git#data", "http://127.0.0.1:9/fab.git: cannot be opened as a DVC repository"),
        ("git+file:///srv/fab.git", r"expected git\+URL#path"),
        ("git+/srv/fab.git#data", r"expected git\+URL#path"),
    ],
)
def test_repositories_that_cannot_be_opened_are_one_line(source: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        resolve(source, "")
    assert "\n" not in str(raised.value)


def test_a_proxy_before_a_repository_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """git reads the variables in small letters only, and asks every address through the same proxy."""
    monkeypatch.setenv("https_proxy", "http://me:secret@127.0.0.1:9")
    with pytest.raises(
        UserError, match=r"asked through the proxy http://127.0.0.1:9, because no_proxy does not name git.fab"
    ) as raised:
        resolve("git+http://git.fab/fab.git#data", "")
    assert "secret" not in str(raised.value)
    monkeypatch.setenv("no_proxy", "127.0.0.0/8")
    with pytest.raises(UserError, match=r"fab.git: cannot be opened as a DVC repository: "):
        resolve("git+http://127.0.0.1:9/fab.git#data", "")


def test_a_proxy_before_a_remote_is_named(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    with pytest.raises(
        UserError, match=r"DVC remote \(asked through the proxy http://127.0.0.1:9, because no_proxy does not name"
    ):
        resolve(repository.source(), "v1")
