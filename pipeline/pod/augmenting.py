"""The pods of the augmentation pipeline: divide the images into shards, make a shard, gather all manifests."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from fabgan.components.augment.parameters import AugmentParameters
from fabgan.components.core.errors import UserError
from fabgan.components.core.parameters import parse

from . import run
from .form import FORM
from .reporting import report_errors
from .supervisor import supervised


@report_errors
def plan(asked: Mapping[str, Any], shards: int, destination: str) -> list[str]:
    """Return the request of each shard as JSON, with the model pinned to its version. Empty shards are left out.

    Refuses a destination outside a bucket, a model that is not registered, or fewer than one shard.
    """
    from fabgan.components.services.storage import split_url
    from fabgan.components.services.tracking.registry import Registry

    split_url(destination)
    whole = parse(AugmentParameters, dict(asked) | {"first": 0}, FORM)
    if shards < 1:
        raise UserError(f"{FORM}: shards: expected a positive int, got {shards}")
    model = Registry().resolve(whole.model).uri
    files = -(-whole.count // whole.images_per_file)  # no file is shared by two shards
    bounds = [min(files * place // shards * whole.images_per_file, whole.count) for place in range(shards + 1)]
    return run.as_items(
        asdict(whole) | {"model": model, "first": first, "count": end - first, "destination": destination}
        for first, end in pairwise(bounds)
        if end > first
    )


@report_errors
def make(item: str, metrics: Any) -> None:
    """Make the images of a shard that the bucket lacks."""
    asked = json.loads(item)
    destination = asked.pop("destination")
    run.log_metrics(metrics, supervised("augment", {"section": asked, "destination": destination}))


@report_errors
def gather(items: Sequence[str], metrics: Any) -> None:
    """Put one manifest over all shards into the bucket; every image must be there."""
    from fabgan.components.augment import shards as in_bucket

    shards = [json.loads(item) for item in items]
    count = int(sum(shard["count"] for shard in shards))
    in_bucket.gather(shards[0]["destination"], count)
    run.log_metrics(metrics, {"images": count, "shards": len(shards)})
