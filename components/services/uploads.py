"""Uploads to a bucket that were broken off. Their parts take room, and no listing shows them."""

from contextlib import suppress
from functools import partial

from ..core.leftovers import Leftover, age, before
from .storage import SCHEME, client, explained


def old_uploads(bucket: str, older_than_days: float) -> list[Leftover]:
    """Return the unfinished uploads of a bucket that were begun longer ago. Raises UserError if the store fails."""
    found, until_s = [], before(older_than_days)
    with explained(bucket):
        for page in client().get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
            for item in page.get("Uploads", []):
                begun_s = item["Initiated"].timestamp()
                upload = {"Bucket": bucket, "Key": item["Key"], "UploadId": item["UploadId"]}
                if begun_s <= until_s and (size_bytes := _size_bytes(upload)) is not None:
                    why = f"begun {age(begun_s)}, never completed"
                    what = f"upload of {SCHEME}{bucket}/{item['Key']}"
                    found.append(Leftover(what, size_bytes, why, partial(_abort, upload)))
    return found


def _size_bytes(upload: dict[str, str]) -> int | None:
    """Return the size of the parts of an unfinished upload, or None if it has come to its end meanwhile."""
    with suppress(client().exceptions.NoSuchUpload):
        pages = client().get_paginator("list_parts").paginate(**upload)
        return int(sum(part["Size"] for page in pages for part in page.get("Parts", [])))
    return None


def _abort(upload: dict[str, str]) -> None:
    """Remove an unfinished upload with its parts, unless it has come to its end meanwhile."""
    with explained(upload["Bucket"], upload["Key"]), suppress(client().exceptions.NoSuchUpload):
        client().abort_multipart_upload(**upload)
