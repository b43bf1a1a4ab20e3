"""What is said where no object store answers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from botocore.exceptions import SSLError

from fabgan.components.core.errors import UserError
from fabgan.components.services.storage import (
    StoredObject,
    download,
    list_objects,
    metadata_of,
    upload,
    upload_file,
)
from fabgan.components.services.storage_errors import what_to_fix
from fabgan.components.services.uploads import old_uploads
from tests.servers.faulty import FaultyProxy, faulty_proxy

PAGE = b"<html><body>log in</body></html>"
OBJECT = StoredObject("fab", "lots/a.png", len(PAGE), "0" * 32)


def large(file: Path) -> Path:
    """Write a file that is uploaded in parts."""
    file.write_bytes(bytes(9 << 20))
    return file


REQUESTS: list[Callable[[Path], object]] = [
    lambda _: list_objects("fab", "lots/"),
    lambda _: upload(b"x", "fab", "lots/a.png", {}),
    lambda file: upload_file(file, "fab", "lots/a.png", {}),
    lambda file: upload_file(large(file.with_name("large")), "fab", "lots/large", {}),
    lambda _: metadata_of(OBJECT),
    lambda file: download(OBJECT, file),
    lambda _: old_uploads("fab", 1e-6),
]


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """A web server with a page at every address."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "key")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with faulty_proxy("") as web:
        web.refusal = PAGE
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", web.endpoint)
        yield web


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (200, {}, "status 200 is no object store"),
        (
            301,
            {"Location": "https://me:S3cret@login.fab/s3?k=S3cret"},
            "status 301 and redirects to https://login.fab/s3 is no object store",
        ),
        (302, {}, "status 302 is no object store"),
    ],
)
def test_a_page_in_the_place_of_a_store_fails_every_request(
    web: FaultyProxy, tmp_path: Path, status: int, headers: dict[str, str], said: str
) -> None:
    web.refusal_status, web.refusal_headers = status, headers
    (tmp_path / "a.png").write_bytes(PAGE)
    for ask in REQUESTS:
        with pytest.raises(UserError, match=f"what answers with HTTP {said}; correct AWS_ENDPOINT_URL_S3$"):
            ask(tmp_path / "a.png")


def test_a_bucket_that_is_not_there_is_not_told_as_an_object_that_was_lost(web: FaultyProxy) -> None:
    web.refusal_status = 404
    with pytest.raises(UserError, match="there is no such bucket or object; correct its name, or AWS_ENDPOINT_URL_S3"):
        metadata_of(OBJECT)


def test_the_code_of_a_refused_file_is_explained_as_that_of_other_uploads(web: FaultyProxy, tmp_path: Path) -> None:
    web.refusal = b"<Error><Code>InvalidAccessKeyId</Code><Message>unknown</Message></Error>"
    (tmp_path / "a.png").write_bytes(PAGE)
    with pytest.raises(UserError, match=r"the store does not know this key; correct AWS_ACCESS_KEY_ID$"):
        upload_file(tmp_path / "a.png", "fab", "lots/a.png", {})


def test_a_file_of_authorities_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error, bundle = SSLError(endpoint_url="https://store.fab", error="no such file"), tmp_path / "ca.pem"
    monkeypatch.setenv("AWS_CA_BUNDLE", str(bundle))
    assert what_to_fix(error) == f"AWS_CA_BUNDLE: there is no file {bundle}; set it to the PEM file of your authority"
    bundle.touch()
    assert what_to_fix(error).startswith("its certificate is not trusted; set AWS_CA_BUNDLE to the PEM file")
