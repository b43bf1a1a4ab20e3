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


def checked(form: Mapping[str, Any]) -> AugmentParameters:
    """Return the parameters of the images of all shards.

    Raises UserError for a wrong value, a destination outside a bucket, or fewer than one shard.
    """
    from fabgan.components.services.storage import split_url

    split_url(form["destination"])
    if form["shards"] < 1:
        raise UserError(f"{FORM}: shards: expected a positive int, got {form['shards']}")
    asked = {name: form[name] for name in ("model", "count", "seed", "label", "images_per_file")}
    return parse(AugmentParameters, asked | {"first": 0}, FORM)


@report_errors
def plan(form: Mapping[str, Any]) -> list[str]:
    """Return the request of each shard as JSON, with the model pinned to its version. Empty shards are left out.

    Refuses what `checked` does, and a model that is not registered.
    """
    from fabgan.components.services.tracking.registry import Registry

    whole, shards, destination = checked(form), form["shards"], form["destination"]
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
