"""What augmentation at scale does in its pods: share the images out, make a shard, gather the manifests of all."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any

from fabgan.components.augment.parameters import AugmentParameters
from fabgan.components.core.errors import UserError
from fabgan.components.core.parameters import parse

from . import run


@run.report_user_errors
def plan(asked: Mapping[str, Any], shards: int, destination: str) -> list[dict[str, Any]]:
    """Return what each of at most `shards` shards is asked for, the model pinned to its version.

    Raises UserError for a destination that is no bucket, or a model that is not there.
    """
    from fabgan.components.services.storage import split_url
    from fabgan.components.services.tracking.registry import Registry

    split_url(destination)
    whole = parse(AugmentParameters, dict(asked) | {"first": 0}, run.FORM)
    if shards < 1:
        raise UserError(f"shards: expected a positive int, got {shards}")
    model = Registry().resolve(whole.model).uri
    bounds = [whole.count * place // shards for place in range(shards + 1)]
    return [
        asdict(whole) | {"model": model, "first": first, "count": end - first, "destination": destination}
        for first, end in pairwise(bounds)
        if end > first
    ]


@run.report_user_errors
def make(shard: Mapping[str, Any], metrics: Any) -> None:
    """Make the images of a shard that are not in the bucket yet."""
    from fabgan.components.augment import step as augment

    asked = {name: value for name, value in shard.items() if name != "destination"}
    found = augment.run(parse(AugmentParameters, asked, run.FORM), shard["destination"])
    run.tell(metrics, found)


@run.report_user_errors
def gather(shards: Sequence[Mapping[str, Any]], metrics: Any) -> None:
    """Put one manifest beside the shards, once all of their images are there."""
    from fabgan.components.augment import shards as in_bucket

    count = int(sum(shard["count"] for shard in shards))
    in_bucket.gather(shards[0]["destination"], count)
    run.tell(metrics, {"images": count, "shards": len(shards)})
