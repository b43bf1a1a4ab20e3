"""The files of a generated set: one PNG for each image, or tar files of many images in the WebDataset layout.

A tar file holds `000123.png` for image 123, in the order of the images, and nothing of the time or the computer. So
equal images give equal bytes. Programs that read WebDataset take it as it is.
"""

import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from io import BytesIO
from itertools import islice, pairwise
from pathlib import Path

from ..artifacts.manifest import GeneratedImage, GeneratedManifest
from ..core.files import atomic_file, sha256_of_bytes
from ..core.images import Pixels, png_bytes
from ..core.progress import Progress

SHORT_GAP = 16
"""Up to so many images between two missing files are made as well: their batch is under way. More are jumped over."""


def blocks(manifest: GeneratedManifest) -> list[range]:
    """Return the images of each file. Every file but the first and the last begins at a multiple of images_per_file."""
    end, size = manifest.first + manifest.count, manifest.images_per_file
    bounds = [manifest.first, *range((manifest.first // size + 1) * size, end, size), end]
    return [range(first, last) for first, last in pairwise(bounds)]


def file_name(block: range, images_per_file: int) -> str:
    """Return the name of the file of some images."""
    return png_name(block.start) if images_per_file == 1 else f"{block.start:06d}-{len(block)}.tar"


def png_name(index: int) -> str:
    """Return the name of an image: of its file, or inside its tar file."""
    return f"{index:06d}.png"


def write_file(path: Path, block: range, images: Iterator[Pixels], images_per_file: int) -> list[str]:
    """Write the file of a block, atomically, from the next images; return the SHA-256 of each PNG."""
    digests = []
    with atomic_file(path) as partial:
        if images_per_file == 1:
            content = png_bytes(next(images))
            partial.write_bytes(content)
            return [sha256_of_bytes(content)]
        with tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as tar:
            for index in block:
                content = png_bytes(next(images))
                member = tarfile.TarInfo(png_name(index))
                member.size = len(content)
                tar.addfile(member, BytesIO(content))
                digests.append(sha256_of_bytes(content))
    return digests


def digests_of(path: Path, images_per_file: int) -> list[str]:
    """Return the SHA-256 of each PNG in a file that `write_file` made."""
    if images_per_file == 1:
        return [sha256_of_bytes(path.read_bytes())]
    with tarfile.open(path) as tar:
        return [sha256_of_bytes(file.read()) for member in tar if (file := tar.extractfile(member))]


def holds(path: Path, digests: list[str], images_per_file: int) -> bool:
    """Return whether a file is there and holds images with these SHA-256."""
    try:
        return path.is_file() and digests_of(path, images_per_file) == digests
    except tarfile.TarError:
        return False


def digests_by_file(manifest: GeneratedManifest) -> dict[str, list[str]]:
    """Return the SHA-256 of each PNG in the files that a manifest lists, by the file's name."""
    found: dict[str, list[str]] = {}
    for image in manifest.images:
        found.setdefault(image.file, []).append(image.sha256)
    return found


def completed(
    manifest: GeneratedManifest,
    present: Mapping[range, list[str]],
    images_from: Callable[[int], Iterator[Pixels]],
    put: Callable[[range, Iterator[Pixels]], list[str]],
) -> GeneratedManifest:
    """Return a manifest with its images, after the files that are not `present` were made.

    `present` has the SHA-256 of each PNG in a file, by the images of the file. `images_from(i)` yields the images from
    image i on, and `put` makes the file of some images from the next ones, and returns their SHA-256.
    """
    progress = Progress("augment", manifest.count, "images", done=sum(map(len, present)))
    digests, at, images = dict(present), -SHORT_GAP - 1, iter(list[Pixels]())
    for block in blocks(manifest):
        if block in present:
            continue
        if block.start - at > SHORT_GAP:
            images = images_from(block.start)
        else:
            list(islice(images, block.start - at))
        digests[block], at = put(block, images), block.stop
        progress.advance(len(block))
    size = manifest.images_per_file
    return replace(
        manifest, images=[image for block in blocks(manifest) for image in _listed(block, digests[block], size)]
    )


def _listed(block: range, digests: list[str], images_per_file: int) -> list[GeneratedImage]:
    """Return the entries of a file's images in the manifest."""
    name = file_name(block, images_per_file)
    return [GeneratedImage(name, index, digest) for index, digest in zip(block, digests, strict=True)]
