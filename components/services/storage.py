"""Objects of an S3-compatible store: list, download and upload them.

The usual environment variables name the store and its keys: AWS_ENDPOINT_URL_S3, AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_DEFAULT_REGION, AWS_CA_BUNDLE. Every failure is a UserError that names endpoint and bucket.
"""

import base64
import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..core.errors import UserError
from ..core.files import digest_of_file, etag_of_parts, sha256_of_file
from ..core.network import check_address, check_sent, from_environment, holds_secret, through_proxy, usual_proxy
from .storage_errors import check_answer, what_to_fix

SCHEME = "s3://"
SIGNED_WITH = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"
"""Variables that boto3 reads itself. What cannot be part of them is refused, because it says nothing about that."""
CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 30
RETRIES = 4
LEAST_BYTES_PER_S = 50_000
"""Slower downloads are given up."""
LEAST_TIME_S = 60
"""Time that every download may take, however small it is."""
RETRY_PAUSE_S = 1
CHUNK_BYTES = 1 << 20
PART_BYTES = 8 << 20
"""Files of this size and more are uploaded in parts of this size."""
PAGE_SIZE = 1000


@dataclass(frozen=True)
class StoredObject:
    """One object, as listed by its bucket."""

    bucket: str
    key: str
    size_bytes: int
    etag: str


def split_url(url: str) -> tuple[str, str]:
    """Return the bucket and the prefix (empty, or ending with a slash) of `s3://bucket/prefix`."""
    bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
    if holds_secret(url):
        raise UserError(
            "an address s3://...@... holds keys, which would appear in manifests and logs; write s3://bucket/prefix, "
            "and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if not url.startswith(SCHEME) or not bucket:
        raise UserError(f"{url}: expected s3://bucket/prefix")
    prefix = prefix.strip("/")
    return bucket, f"{prefix}/" if prefix else ""


def list_objects(bucket: str, prefix: str) -> list[StoredObject]:
    """Return every object whose key begins with `prefix`, sorted by key."""
    with explained(bucket):
        paginator = client().get_paginator("list_objects_v2")
        pages = paginator.paginate(Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": PAGE_SIZE})
        found = [item for page in pages for item in page.get("Contents", [])]
    objects = [StoredObject(bucket, item["Key"], item["Size"], item["ETag"].strip('"')) for item in found]
    return sorted(objects, key=lambda item: item.key)


def download(wanted: StoredObject, to: Path) -> None:
    """Write the bytes of an object to the file `to`. Raises UserError if they differ from the listed object.

    The ETag of an object that was uploaded in parts is verified part by part, if the store tells how large the parts
    are. The SHA-256 of the whole object is compared, if the store has it. Otherwise, and for objects that are encrypted
    by SSE-KMS or SSE-C, only ETag and size are compared. Raises UserError as well if the download is much too slow.
    """
    with explained(wanted.bucket, wanted.key):
        _fetch(wanted, to)
        if digest_of_file(to, "md5") == wanted.etag:
            return
        head = client().head_object(Bucket=wanted.bucket, Key=wanted.key, ChecksumMode="ENABLED")
    _check_unchanged(wanted, head)
    if _differs(to, wanted, head):
        where = f"{SCHEME}{wanted.bucket}/{wanted.key}"
        raise UserError(f"{where}: the downloaded bytes differ from the stored ones; upload it again")


def _check_unchanged(wanted: StoredObject, answer: dict[str, Any]) -> None:
    if answer["ETag"].strip('"') != wanted.etag:
        where = f"{SCHEME}{wanted.bucket}/{wanted.key}"
        raise UserError(f"{where}: changed since the bucket was listed; run the same command again")


def _fetch(wanted: StoredObject, to: Path) -> None:
    """Download an object, again if the connection breaks. Raises UserError after a time that follows from its size."""
    from urllib3.exceptions import HTTPError

    limit_s = LEAST_TIME_S + wanted.size_bytes / LEAST_BYTES_PER_S
    ends_s, came = time.monotonic() + limit_s, 0
    while time.monotonic() < ends_s:
        found = client().get_object(Bucket=wanted.bucket, Key=wanted.key)
        with closing(found["Body"]) as body, suppress(HTTPError):
            _check_unchanged(wanted, found)
            came = _write(body, to, ends_s)
            if came == wanted.size_bytes:
                return
        time.sleep(RETRY_PAUSE_S)
    raise UserError(
        f"{SCHEME}{wanted.bucket}/{wanted.key} at {_endpoint()}: {came} of {wanted.size_bytes} bytes came in "
        f"{limit_s:.0f} s; the store or the network is too slow, or breaks off; run the same command again"
    )


def _write(body: Any, to: Path, ends_s: float) -> int:
    """Write what comes until the end of the body, or of the time; return the number of bytes.

    `read1` returns what is there. `read` would wait for a whole chunk, also from a store that sends a byte a minute.
    """
    with to.open("wb") as file:
        while time.monotonic() < ends_s and (chunk := body._raw_stream.read1(CHUNK_BYTES)):
            file.write(chunk)
        return file.tell()


def _differs(file: Path, wanted: StoredObject, head: dict[str, Any]) -> bool:
    """Return whether a file is known to differ from the object, by a checksum of the store or by an ETag that tells."""
    stored = head.get("ChecksumSHA256", "")
    if stored and "-" not in stored:  # one with a hyphen is that of the parts' checksums
        return sha256_of_file(file) != base64.b64decode(stored).hex()
    if head.get("ServerSideEncryption", "AES256") != "AES256" or "SSECustomerAlgorithm" in head:
        return False
    if re.fullmatch(r"[0-9a-f]{32}", wanted.etag):
        return digest_of_file(file, "md5") != wanted.etag
    part_bytes = _part_bytes(wanted) if re.fullmatch(r"[0-9a-f]{32}-[0-9]+", wanted.etag) else None
    return part_bytes is not None and etag_of_parts(file, part_bytes) != wanted.etag


def _part_bytes(wanted: StoredObject) -> int | None:
    """Return the size of the first part of an object that was uploaded in parts, or None if the store does not tell."""
    from botocore.exceptions import ClientError

    try:
        first = client().head_object(Bucket=wanted.bucket, Key=wanted.key, PartNumber=1)
    except ClientError:
        return None
    return first.get("ContentLength") if "PartsCount" in first else None


def upload(content: bytes, bucket: str, key: str, metadata: dict[str, str]) -> None:
    """Upload an object. The store refuses bytes that were damaged on the way."""
    md5 = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
    with explained(bucket, key):
        client().put_object(Bucket=bucket, Key=key, Body=content, ContentMD5=md5, Metadata=metadata)


def upload_file(path: Path, bucket: str, key: str, metadata: dict[str, str]) -> None:
    """Upload a file of any size, in parts if it is large."""
    from boto3.s3.transfer import TransferConfig

    config = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES)
    with explained(bucket, key):
        client().upload_file(str(path), bucket, key, ExtraArgs={"Metadata": metadata}, Config=config)


def uploaded_etag(path: Path) -> str:
    """Return the ETag that `upload_file` gives a file."""
    return digest_of_file(path, "md5") if path.stat().st_size < PART_BYTES else etag_of_parts(path, PART_BYTES)


def metadata_of(wanted: StoredObject) -> dict[str, str]:
    """Return the metadata that was uploaded with an object."""
    with explained(wanted.bucket, wanted.key):
        return dict(client().head_object(Bucket=wanted.bucket, Key=wanted.key)["Metadata"])


def client() -> Any:
    """Return the client of boto3 for the store."""
    return _client_of(os.getpid())


@lru_cache(maxsize=1)
def _client_of(_process: int) -> Any:
    """Make the client of a process. A forked process must not use the connections of its parent.

    The retries survive three consecutive errors of a store; boto3's default may give up after two.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    for name in SIGNED_WITH:
        check_sent(name)
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")  # no EC2 metadata credentials in a fab
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "legacy", "max_attempts": RETRIES},
        request_checksum_calculation="when_required",  # older stores know only MD5
    )
    endpoint = _endpoint()
    try:
        made = boto3.Session().client("s3", endpoint_url=endpoint, config=config)
    except BotoCoreError:  # of a region, which is a ValueError too
        raise
    except ValueError as error:
        raise UserError(f"AWS_ENDPOINT_URL_S3: {endpoint!r} is not an address ({error}); correct it") from error
    made.meta.events.register("before-call.s3.HeadBucket", _ask_once)
    made.meta.events.register("after-call.s3", check_answer)
    return made


def _ask_once(context: dict[str, Any], **_: Any) -> None:
    """Let botocore not ask for the region of a bucket because of a redirect of that same question, without an end."""
    context["s3_redirect"]["redirected"] = True


def _endpoint() -> str:
    """Return the store's address, which has no default here, because boto3's default is on the internet."""
    endpoint = from_environment("AWS_ENDPOINT_URL_S3")
    check_address(endpoint, "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if not re.match(r"https?://.", endpoint):
        raise UserError(f"AWS_ENDPOINT_URL_S3: expected the object store's address (https://...), got {endpoint!r}")
    return endpoint


@contextmanager
def explained(bucket: str, key: str = "") -> Iterator[None]:
    """Turn the errors of boto3 into a UserError of one line that says what to fix."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (Boto3Error, BotoCoreError, ClientError) as error:
        what = f"{bucket}/{key}" if key else bucket
        address = _endpoint()
        proxy = through_proxy(address, usual_proxy(address))
        raise UserError(f"{SCHEME}{what} at {address}: {what_to_fix(error)}{proxy}") from error
