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
from itertools import islice, pairwise
from pathlib import Path

from ..artifacts.manifest import FILE_NAME, GeneratedImage, GeneratedManifest
from ..core.errors import UserError
from ..core.files import read_json, sha256_of_bytes
from ..core.images import Pixels
from ..core.parameters import digest, parse
from ..core.progress import Progress
from ..services.storage import StoredObject, download, list_objects, metadata_of, split_url, upload
from .packing import blocks, digests_of, file_name, listed, write_file

SHARDS = "shards/"


def put_shard(url: str, shard: GeneratedManifest, images_from: Callable[[int], Iterator[Pixels]]) -> None:
    """Upload the missing files of a shard below `url`, and then its manifest.

    `images_from(i)` generates the images from image i on. Raises UserError if other images lie there.
    """
    bucket, prefix = split_url(url)
    digests = _uploaded(url, shard)
    missing = [block for block in blocks(shard) if block not in digests]
    if missing:
        digests |= _put_files(url, shard, missing, images_from(missing[0].start))
    images = [image for block in blocks(shard) for image in listed(block, digests[block], shard.images_per_file)]
    _put_manifest(replace(shard, images=images), bucket, f"{prefix}{SHARDS}{shard.first:06d}-{shard.count}.json")


def _put_files(
    url: str, shard: GeneratedManifest, missing: list[range], images: Iterator[Pixels]
) -> dict[range, list[str]]:
    """Upload the missing files and return the digests of their images. `images` begins with the first missing one."""
    bucket, prefix = split_url(url)
    count = sum(map(len, missing))
    progress = Progress("augment", shard.count, "images", done=shard.count - count)
    origin, at, digests = _origin(shard), missing[0].start, {}
    for block in missing:
        list(islice(images, block.start - at))  # those that are there
        at = block.stop
        name = file_name(block, shard.images_per_file)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            digests[block] = write_file(path, block, images, shard.images_per_file)
            content = path.read_bytes()
            upload(content, bucket, f"{prefix}{name}", {"sha256": sha256_of_bytes(content), "origin": origin})
        progress.advance(len(block))
    return digests


def _origin(shard: GeneratedManifest) -> str:
    """Return the digest of what the images of a set are made from. It is the same for every shard."""
    return digest(asdict(replace(shard, first=0, count=0, images=[])))


def _uploaded(url: str, shard: GeneratedManifest) -> dict[range, list[str]]:
    """Return the digests of the images in the files of a shard that an earlier run has uploaded."""
    bucket, prefix = split_url(url)
    wanted = {f"{prefix}{file_name(block, shard.images_per_file)}": block for block in blocks(shard)}
    origin, found = _origin(shard), {}
    for item in list_objects(bucket, prefix):
        if item.key in wanted:
            metadata = metadata_of(item)
            if metadata.get("origin") != origin:
                raise UserError(f"{url}: holds other images already; nothing was changed, choose another prefix")
            found[wanted[item.key]] = _digests(item, metadata, shard.images_per_file)
    return found


def _digests(item: StoredObject, metadata: dict[str, str], images_per_file: int) -> list[str]:
    """Return the digests of the images in a file. That of a PNG is in its metadata; a tar file is fetched."""
    if images_per_file == 1:
        return [metadata["sha256"]]
    with tempfile.TemporaryDirectory() as folder:
        download(item, Path(folder) / "file.tar")
        return digests_of(Path(folder) / "file.tar", images_per_file)


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
