"""Generated images in a bucket: each of several computers uploads a shard, and `gather` makes one manifest.

Below a prefix there are:

- the images, `000000.png` and so on, each with its sha256 and the digest of what it was made from;
- the manifest of each shard, `shards/FIRST-COUNT.json`, uploaded after all images of the shard;
- the manifest of the whole set, `manifest.json`.
"""

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

from ..artifacts.manifest import FILE_NAME, GeneratedImage, GeneratedManifest
from ..core.errors import UserError
from ..core.files import read_json, sha256_of_bytes
from ..core.images import Pixels, png_bytes
from ..core.parameters import digest, parse
from ..core.progress import Progress
from ..services.storage import StoredObject, download, list_objects, metadata_of, split_url, upload

SHARDS = "shards/"


def put_shard(url: str, shard: GeneratedManifest, images_from: Callable[[int], Iterator[Pixels]]) -> None:
    """Upload the missing images of a shard below `url`, and then its manifest.

    `images_from(i)` generates the images from image i on. Raises UserError if other images lie there.
    """
    bucket, prefix = split_url(url)
    digests = _uploaded(url, shard)
    missing = [index for index in _indices(shard) if index not in digests]
    if missing:
        digests |= _put_images(url, shard, missing, images_from(missing[0]))
    images = [GeneratedImage(file_name(index), index, digests[index]) for index in _indices(shard)]
    _put_manifest(replace(shard, images=images), bucket, f"{prefix}{SHARDS}{shard.first:06d}-{shard.count}.json")


def _put_images(url: str, shard: GeneratedManifest, missing: list[int], images: Iterator[Pixels]) -> dict[int, str]:
    """Upload the missing images and return their digests. `images` begins with the first missing one."""
    bucket, prefix = split_url(url)
    progress = Progress("augment", shard.count, "images", done=shard.count - len(missing))
    origin, wanted, digests = _origin(shard), set(missing), {}
    for index, pixels in enumerate(images, missing[0]):
        if index in wanted:
            content = png_bytes(pixels)
            digests[index] = sha256_of_bytes(content)
            upload(content, bucket, f"{prefix}{file_name(index)}", {"sha256": digests[index], "origin": origin})
            progress.advance(1)
    return digests


def _indices(shard: GeneratedManifest) -> range:
    return range(shard.first, shard.first + shard.count)


def file_name(index: int) -> str:
    """Return the file name of image `index`."""
    return f"{index:06d}.png"


def _origin(shard: GeneratedManifest) -> str:
    """Return the digest of what the images of a set are made from. It is the same for every shard."""
    return digest(asdict(replace(shard, first=0, count=0, images=[])))


def _uploaded(url: str, shard: GeneratedManifest) -> dict[int, str]:
    """Return index and sha256 of the images of a shard that an earlier run has uploaded."""
    bucket, prefix = split_url(url)
    wanted = {f"{prefix}{file_name(index)}": index for index in _indices(shard)}
    origin, found = _origin(shard), {}
    for item in list_objects(bucket, prefix):
        if item.key in wanted:
            metadata = metadata_of(item)
            if metadata.get("origin") != origin:
                raise UserError(f"{url}: holds other images already; nothing was changed, choose another prefix")
            found[wanted[item.key]] = metadata["sha256"]
    return found


def _put_manifest(manifest: GeneratedManifest, bucket: str, key: str) -> None:
    content = json.dumps(asdict(manifest), indent=2) + "\n"
    upload(content.encode(), bucket, key, {"sha256": sha256_of_bytes(content.encode())})


def gather(url: str, count: int) -> None:
    """Upload one manifest of images 0 .. count - 1, gathered from the shards below `url`.

    Raises UserError if the shards have different models, seeds or labels, lack images, or hold more images.
    """
    bucket, prefix = split_url(url)
    objects = list_objects(bucket, prefix)
    shards = [_read_shard(item) for item in objects if item.key.startswith(f"{prefix}{SHARDS}")]
    for shard, other in pairwise(shards):
        if _origin(shard) != _origin(other):
            raise UserError(
                f"{url}: the shards from {shard.first} and from {other.first} differ in model, seed or label: "
                f"{shard.model}, {shard.seed}, {shard.label!r} and {other.model}, {other.seed}, {other.label!r}"
            )
    images = _cover(url, shards, count)
    lost = sorted({image.file for image in images} - {item.key.removeprefix(prefix) for item in objects})
    if lost:
        raise UserError(f"{url}: {len(lost)} images of the shards are missing, such as {lost[0]}; generate them again")
    _put_manifest(replace(shards[0], first=0, count=count, images=images), bucket, f"{prefix}{FILE_NAME}")


def _read_shard(item: StoredObject) -> GeneratedManifest:
    with tempfile.TemporaryDirectory() as folder:
        download(item, Path(folder) / FILE_NAME)
        return parse(GeneratedManifest, read_json(Path(folder) / FILE_NAME), item.key)


def _cover(url: str, shards: list[GeneratedManifest], count: int) -> list[GeneratedImage]:
    """Return images 0 .. count - 1. Shards may overlap if their number was changed; they hold the same images then."""
    found = {image.index: image for shard in shards for image in shard.images}
    missing = [index for index in range(count) if index not in found]
    if missing:
        first = missing[0]
        end = next((index for index in range(first, count) if index in found), count)
        command = f"augment --first {first} --count {end - first}"
        raise UserError(f"{url}: images {first} to {end - 1} are in no shard; generate them with {command}")
    if len(found) > count:
        raise UserError(f"{url}: the shards hold images from {count} on, more than the {count} requested")
    return [found[index] for index in range(count)]
