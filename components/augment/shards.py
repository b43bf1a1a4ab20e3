"""Generated images in a bucket: each of several computers uploads a shard, and `gather` makes one manifest.

Below a prefix there are:

- the images, `000000.png` and so on, or tar files of images: each with its sha256 and the digest of what it was made
  from;
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
from ..core.images import Pixels
from ..core.parameters import digest, parse
from ..services.storage import StoredObject, download, list_objects, metadata_of, split_url, upload
from .packing import blocks, completed, digests_by_file, digests_of, file_name, write_file

SHARDS = "shards/"


def put_shard(url: str, shard: GeneratedManifest, images_from: Callable[[int], Iterator[Pixels]]) -> None:
    """Upload the missing files of a shard below `url`, and then its manifest.

    `images_from(i)` generates the images from image i on. Raises UserError if other images lie there.
    """
    bucket, prefix = split_url(url)
    origin = _origin(shard)

    def put(block: range, images: Iterator[Pixels]) -> list[str]:
        name = file_name(block, shard.images_per_file)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            digests = write_file(path, block, images, shard.images_per_file)
            content = path.read_bytes()
        upload(content, bucket, f"{prefix}{name}", {"sha256": sha256_of_bytes(content), "origin": origin})
        return digests

    whole = completed(shard, _uploaded(url, shard), images_from, put)
    _put_manifest(whole, bucket, f"{prefix}{_shard_name(shard)}")


def _origin(shard: GeneratedManifest) -> str:
    """Return the digest of what the images of a set are made from. It is the same for every shard."""
    return digest(asdict(replace(shard, first=0, count=0, images=[])))


def _shard_name(shard: GeneratedManifest) -> str:
    return f"{SHARDS}{shard.first:06d}-{shard.count}.json"


def _uploaded(url: str, shard: GeneratedManifest) -> dict[range, list[str]]:
    """Return the digests of the images in the files of a shard that an earlier run has uploaded.

    A run that ended has left them in the shard's manifest. Otherwise each file is asked for them.
    """
    bucket, prefix = split_url(url)
    objects = {item.key.removeprefix(prefix): item for item in list_objects(bucket, prefix)}
    earlier = _read_shard(objects[_shard_name(shard)]) if _shard_name(shard) in objects else None
    known = digests_by_file(earlier) if earlier and _origin(earlier) == _origin(shard) else {}
    found = {}
    for block in blocks(shard):
        name = file_name(block, shard.images_per_file)
        if name in objects:
            found[block] = known.get(name) or _digests(url, objects[name], shard)
    return found


def _digests(url: str, item: StoredObject, shard: GeneratedManifest) -> list[str]:
    """Return the digests of the images in a file. That of a PNG is in its metadata; a tar file is fetched.

    Raises UserError for a file of other images.
    """
    metadata = metadata_of(item)
    if metadata.get("origin") != _origin(shard):
        raise UserError(f"{url}: holds other images already; nothing was changed, choose another prefix")
    if shard.images_per_file == 1:
        return [metadata["sha256"]]
    with tempfile.TemporaryDirectory() as folder:
        download(item, Path(folder) / "file.tar")
        return digests_of(Path(folder) / "file.tar", shard.images_per_file)


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
                f"{url}: the shards from {shard.first} and from {other.first} differ in model, seed, label or layout: "
                f"{shard.model}, {shard.seed}, {shard.label!r} and {other.model}, {other.seed}, {other.label!r}"
            )
    images = _cover(url, shards, count)
    lost = sorted({image.file for image in images} - {item.key.removeprefix(prefix) for item in objects})
    if lost:
        raise UserError(f"{url}: {len(lost)} files of the shards are missing, such as {lost[0]}; generate them again")
    _put_manifest(replace(shards[0], first=0, count=count, images=images), bucket, f"{prefix}{FILE_NAME}")


def _read_shard(item: StoredObject) -> GeneratedManifest:
    with tempfile.TemporaryDirectory() as folder:
        download(item, Path(folder) / FILE_NAME)
        return parse(GeneratedManifest, read_json(Path(folder) / FILE_NAME), item.key)


def _cover(url: str, shards: list[GeneratedManifest], count: int) -> list[GeneratedImage]:
    """Return images 0 .. count - 1. Shards may overlap if their number was changed; they hold the same images then.

    But an image that is in two tar files would be read twice.
    """
    found: dict[int, GeneratedImage] = {}
    for image in (image for shard in shards for image in shard.images):
        other = found.setdefault(image.index, image)
        if other.file != image.file:
            raise UserError(f"{url}: image {image.index} is in {other.file} and in {image.file}; choose another prefix")
    missing = [index for index in range(count) if index not in found]
    if missing:
        first = missing[0]
        end = next((index for index in range(first, count) if index in found), count)
        command = f"augment --first {first} --count {end - first}"
        raise UserError(f"{url}: images {first} to {end - 1} are in no shard; generate them with {command}")
    if len(found) > count:
        raise UserError(f"{url}: the shards hold images from {count} on, more than the {count} requested")
    return [found[index] for index in range(count)]
