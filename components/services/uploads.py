"""Uploads to a bucket that were broken off. Their parts take room, and no listing shows them."""

from functools import partial

from ..core.leftovers import Leftover, age, before
from .storage import SCHEME, abort, unfinished_uploads


def old_uploads(bucket: str, older_than_days: float) -> list[Leftover]:
    """Return the unfinished uploads of a bucket that were begun longer ago. Raises UserError if the store fails."""
    return [
        Leftover(
            f"upload of {SCHEME}{bucket}/{upload.key}",
            upload.size_bytes,
            f"begun {age(upload.begun_s)}, never completed",
            partial(abort, upload),
        )
        for upload in unfinished_uploads(bucket, before(older_than_days))
    ]
