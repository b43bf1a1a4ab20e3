"""Objects in a real store, over networks that fail."""

import base64
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fabgan.components.core.errors import UserError
from fabgan.components.services import storage
from fabgan.components.services.storage import StoredObject, download, list_objects, metadata_of, split_url, upload
from tests.servers.bucket import Bucket
from tests.servers.faulty import FaultyProxy, faulty_proxy
from tests.servers.s3 import S3Server, free_ports

pytestmark = pytest.mark.integration
CONTENT = bytes(range(256)) * 40
MOST_SECONDS_FOR_A_DEAD_STORE = 30


@pytest.fixture
def faults(s3: S3Server, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """The store, behind a proxy that fails as the test says."""
    with faulty_proxy(s3.endpoint) as faults:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", faults.endpoint)
        yield faults


def stored(bucket: Bucket) -> StoredObject:
    """Put an object; return it as it is listed."""
    bucket.put("lots/a.png", CONTENT)
    return list_objects(bucket.name, "lots/")[0]


def test_listing_shows_sizes_and_etags_below_the_prefix_only(bucket: Bucket) -> None:
    bucket.put("lots-2/b.png", b"x")
    md5 = hashlib.md5(CONTENT).hexdigest()
    assert stored(bucket) == StoredObject(bucket.name, "lots/a.png", len(CONTENT), md5)
    assert list_objects(bucket.name, "lots/") == [stored(bucket)]


def test_listing_goes_on_over_pages(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "PAGE_SIZE", 3)
    for index in range(10):
        bucket.put(f"lots/{index}.png", b"x")
    assert [item.key for item in list_objects(bucket.name, "lots/")] == [f"lots/{index}.png" for index in range(10)]


def test_what_is_put_comes_back_with_what_was_put_beside_it(bucket: Bucket, tmp_path: Path) -> None:
    upload(CONTENT, bucket.name, "a/b.png", {"sha256": "abc"})
    found = list_objects(bucket.name, "")[0]
    download(found, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT
    assert metadata_of(found) == {"sha256": "abc"}


def test_an_object_put_in_parts_comes_back(bucket: Bucket, tmp_path: Path) -> None:
    source = tmp_path / "large"
    source.write_bytes(CONTENT * 1700)
    bucket.client.upload_file(str(source), bucket.name, "large.tif")
    found = list_objects(bucket.name, "")[0]
    assert "-" in found.etag
    download(found, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == source.read_bytes()


def test_an_object_that_changes_after_the_listing_is_refused(bucket: Bucket, tmp_path: Path) -> None:
    listed = stored(bucket)
    bucket.put("lots/a.png", CONTENT[::-1])
    with pytest.raises(UserError, match=r"lots/a.png: changed since the bucket was listed"):
        download(listed, tmp_path / "copy")
    bucket.remove("lots/a.png")
    with pytest.raises(UserError, match=r"lots/a.png at http://.*: there is no such object; if it was deleted"):
        download(listed, tmp_path / "copy")


def test_a_changed_object_is_told_before_it_is_fetched(bucket: Bucket, faults: FaultyProxy, tmp_path: Path) -> None:
    listed = stored(bucket)
    bucket.put("lots/a.png", CONTENT[::-1])
    faults.pause_s = 100.0
    with pytest.raises(UserError, match=r"lots/a.png: changed since the bucket was listed"):
        download(listed, tmp_path / "copy")


def test_a_flipped_bit_is_noticed(bucket: Bucket, faults: FaultyProxy, tmp_path: Path) -> None:
    listed = stored(bucket)
    faults.damage = lambda body: bytes([body[0] ^ 1]) + body[1:]
    with pytest.raises(UserError, match=r"the downloaded bytes differ from the stored ones;"):
        download(listed, tmp_path / "copy")


def test_a_flipped_bit_of_an_object_put_in_parts_is_noticed(
    bucket: Bucket, faults: FaultyProxy, tmp_path: Path
) -> None:
    source = tmp_path / "large"
    source.write_bytes(CONTENT * 1700)
    bucket.client.upload_file(str(source), bucket.name, "large.tif")
    (listed,) = list_objects(bucket.name, "")
    faults.damage = lambda body: body[:-1] + bytes([body[-1] ^ 1])
    with pytest.raises(UserError, match=r"the downloaded bytes differ from the stored ones;"):
        download(listed, tmp_path / "copy")


def test_a_flipped_bit_is_noticed_by_the_stores_checksum_where_no_etag_tells(
    bucket: Bucket, faults: FaultyProxy, tmp_path: Path
) -> None:
    """An encrypted object has an ETag of its own, and the real store of the tests keeps no checksums."""
    source = tmp_path / "large"
    source.write_bytes(CONTENT * 1700)
    bucket.client.upload_file(str(source), bucket.name, "large.tif")
    (listed,) = list_objects(bucket.name, "")
    digest = base64.b64encode(hashlib.sha256(source.read_bytes()).digest()).decode()
    faults.said = {"x-amz-server-side-encryption": "aws:kms", "x-amz-checksum-sha256": digest}
    download(listed, tmp_path / "copy")
    faults.damage = lambda body: body[:-1] + bytes([body[-1] ^ 1])
    with pytest.raises(UserError, match=r"the downloaded bytes differ from the stored ones;"):
        download(listed, tmp_path / "copy")


@pytest.mark.parametrize("pause_s", [0.1, 100.0])
def test_a_download_that_hardly_goes_on_is_given_up(
    bucket: Bucket, faults: FaultyProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pause_s: float
) -> None:
    """A byte now and then keeps the connection alive for ever; a store that stalls ends it again and again."""
    listed = stored(bucket)
    monkeypatch.setattr(storage, "LEAST_TIME_S", 3)
    monkeypatch.setattr(storage, "READ_TIMEOUT_S", 1)
    storage._client_of.cache_clear()
    faults.pause_s = pause_s
    with pytest.raises(UserError, match=r"lots/a.png at http://.*: \d+ of 10240 bytes came in 3 s; the store"):
        download(listed, tmp_path / "copy")


def test_three_errors_and_a_truncated_body_are_outlasted(bucket: Bucket, faults: FaultyProxy, tmp_path: Path) -> None:
    listed = stored(bucket)
    faults.errors, faults.truncations = 3, 1
    download(listed, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT
    assert (faults.errors, faults.truncations) == (0, 0)


def test_a_body_whose_length_is_not_told_is_fetched_whole(bucket: Bucket, faults: FaultyProxy, tmp_path: Path) -> None:
    listed = stored(bucket)
    faults.tells_length, faults.truncations = False, 1
    download(listed, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT
    assert faults.truncations == 0


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong", "correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ("AWS_ACCESS_KEY_ID", "nobody", "correct AWS_ACCESS_KEY_ID"),
        ("AWS_ENDPOINT_URL_S3", "", "AWS_ENDPOINT_URL_S3: expected the object store's address"),
        (
            "AWS_ENDPOINT_URL_S3",
            "http://key:Secret@store.fab.local",
            "AWS_ENDPOINT_URL_S3: a user, password or query in an add",
        ),
        ("AWS_ENDPOINT_URL_S3", "key:Secret@store.fab.local", "AWS_ENDPOINT_URL_S3: a user, password or query"),
        ("AWS_ENDPOINT_URL_S3", "http://store.fab.local/?k=Secret", "AWS_ENDPOINT_URL_S3: a user, password or query"),
        ("AWS_ENDPOINT_URL_S3", "store.fab.local:9000", "AWS_ENDPOINT_URL_S3: expected the object store's address"),
    ],
)
def test_wrong_settings_are_one_line_that_names_them(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserError, match=message) as raised:
        list_objects(bucket.name, "")
    assert "\n" not in str(raised.value)
    assert "Secret" not in str(raised.value)


def test_a_missing_bucket_is_one_line_that_names_it(bucket: Bucket, s3: S3Server) -> None:
    with pytest.raises(UserError, match=f"s3://no-such-bucket at {s3.endpoint}: there is no such bucket"):
        list_objects("no-such-bucket", "")


def test_a_dead_store_is_told_in_seconds(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_ports(1)[0]}")
    started_s = time.monotonic()
    with pytest.raises(UserError, match=f"s3://{bucket.name} at http://127.0.0.1:.*: the store does not answer"):
        list_objects(bucket.name, "")
    assert time.monotonic() - started_s < MOST_SECONDS_FOR_A_DEAD_STORE


def test_a_proxy_that_does_not_answer_is_named(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = f"127.0.0.1:{free_ports(1)[0]}"
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://me:secret@{proxy}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    with pytest.raises(UserError, match="the proxy does not answer; add the store's host to no_proxy") as raised:
        list_objects(bucket.name, "")
    assert f"(asked through the proxy http://{proxy}, because no_proxy does not name 127.0.0.1)" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_proxy_that_answers_in_the_place_of_the_store_is_named(
    bucket: Bucket, faults: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.refusal = b"<html>access denied</html>"
    monkeypatch.setenv("http_proxy", faults.endpoint)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://store.fab.local:9000")
    with pytest.raises(UserError, match="HTTP status 403 is no object store; correct AWS_ENDPOINT_URL_S3") as raised:
        list_objects(bucket.name, "")
    said = str(raised.value)
    assert f"(asked through the proxy {faults.endpoint}, because no_proxy does not name store.fab.local)" in said


@pytest.mark.parametrize("url", ["s3://", "s3:///lots", "bucket/lots"])
def test_addresses_without_a_bucket_are_refused(url: str) -> None:
    with pytest.raises(UserError, match="expected s3://bucket/prefix"):
        split_url(url)


@pytest.mark.parametrize("url", ["s3://key:Secret@fab/lots", "s3://key:Secret/+@fab/lots", "s3://Secret@fab"])
def test_an_address_with_keys_is_refused_without_saying_them(url: str) -> None:
    with pytest.raises(UserError, match="holds keys") as raised:
        split_url(url)
    assert "Secret" not in str(raised.value)


def test_prefixes_end_with_a_slash() -> None:
    assert split_url("s3://fab") == split_url("s3://fab/") == ("fab", "")
    assert split_url("s3://fab/lots/2026") == split_url("s3://fab/lots/2026/") == ("fab", "lots/2026/")
