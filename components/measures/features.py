"""What is kept of an image to measure it: at most 150 kB, so that images can be streamed.

Dimensions: N B images, C channels, H W pixels, F features, P patches per image, O octaves, K octaves of colour, L
periods of a lattice, D orders of difference (1, 2), R pixels a side.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from itertools import islice

import torch
from torch import Tensor

from fabgan.model.measures.breaks import straight_breaks
from fabgan.model.measures.copies import shrunk_to_compare
from fabgan.model.measures.seams import border_differences
from fabgan.model.measures.spectrum import colour_powers, lattice_powers, octave_powers
from fabgan.model.paper.config import GRID
from fabgan.model.pixels import brightness

from ..artifacts.parallel import in_parallel
from ..core.errors import UserError
from ..core.progress import Progress
from .extractors import Extractor

BATCH = 2
"""Images that a thread measures at a time. More need more memory, and are hardly faster."""
PATCHES = 4
"""One in each quarter of an image, at a random position."""
PATCH_PX = 112
"""Side of the patches."""
TEXTURE_PX = 64
"""Side of what is kept of a patch."""


@dataclass(frozen=True)
class Features:
    """The features of a set of images."""

    whole_NF: Tensor
    patches_NPF: Tensor
    """Features of patches at native resolution, one from each quarter."""
    octaves_NO: Tensor
    """`octave_powers`, averaged over the patches."""
    colours_NK: Tensor
    """`colour_powers`, averaged over the patches."""
    lattices_NL: Tensor
    """`lattice_powers`, averaged over the patches."""
    differences_ND2: Tensor
    """`border_differences`."""
    breaks_N: Tensor
    """`straight_breaks`."""
    small_NRR: Tensor
    """`shrunk_to_compare`."""
    texture_NPCRR: Tensor
    """The middles of the patches, uint8."""

    def __len__(self) -> int:
        return len(self.whole_NF)

    def chosen(self, places_N: Tensor) -> "Features":
        """Return the features of some images. `places_N` is an index tensor or a boolean mask."""
        return Features(*(getattr(self, field.name)[places_N] for field in fields(self)))

    def drawn(self, size: int, stream: torch.Generator) -> "Features":
        """Return the features of so many images, drawn at random."""
        return self.chosen(torch.randperm(len(self), generator=stream)[:size])


def joined(parts: Iterable[Features]) -> Features:
    """Return the features of several sets as one set."""
    columns = zip(*([getattr(part, field.name) for field in fields(part)] for part in parts), strict=True)
    return Features(*(torch.cat(column) for column in columns))


def extract(images: Iterable[Tensor], extractor: Extractor, stream: torch.Generator, progress: Progress) -> Features:
    """Return the features of images, C x H x W uint8, a few at a time. `stream` draws the positions of patches.

    Raises UserError for images that are too small to measure their seams.
    """
    return joined(_extracted(images, extractor, stream, progress))


def _extracted(
    images: Iterable[Tensor], extractor: Extractor, stream: torch.Generator, progress: Progress
) -> Iterator[Features]:
    found = in_parallel(
        lambda batch: _features(*batch, extractor),
        _with_offsets(images, stream),
        _values_of,
        gpu=True,
    )
    for features in found:
        yield features
        progress.advance(len(features))


def _with_offsets(images: Iterable[Tensor], stream: torch.Generator) -> Iterator[tuple[list[Tensor], Tensor]]:
    """Yield batches of images with the offsets of their patches. They are drawn in order, as `stream` has them.

    Everything else is left to the threads. Work of the caller's thread would wait for a core at each operation.
    """
    left = iter(images)
    while batch := list(islice(left, BATCH)):
        yield batch, patch_offsets(len(batch), batch[0].shape[-1], stream)


def _values_of(batch: tuple[list[Tensor], Tensor]) -> int:
    """Return the number of pixels of a batch."""
    images, _ = batch
    return len(images) * images[0][0].numel()


def _features(batch: list[Tensor], offsets_BP2: Tensor, extractor: Extractor) -> Features:
    x_BCHW = torch.stack(batch)
    patches_BPCHW = quarter_patches(x_BCHW, offsets_BP2)
    grey_BHW, flat = brightness(x_BCHW), patches_BPCHW.flatten(0, 1)
    try:
        differences = border_differences(x_BCHW, GRID)
    except ValueError as error:
        raise UserError(f"seams cannot be measured: {error}") from error
    return Features(
        whole_NF=extractor.whole(x_BCHW),
        patches_NPF=extractor.native(flat).view(len(x_BCHW), PATCHES, -1),
        octaves_NO=octave_powers(flat).view(len(x_BCHW), PATCHES, -1).mean(dim=1),
        colours_NK=colour_powers(flat).view(len(x_BCHW), PATCHES, -1).mean(dim=1),
        lattices_NL=lattice_powers(flat).view(len(x_BCHW), PATCHES, -1).mean(dim=1),
        differences_ND2=differences,
        breaks_N=straight_breaks(grey_BHW),
        small_NRR=shrunk_to_compare(grey_BHW),
        texture_NPCRR=middles(patches_BPCHW, TEXTURE_PX),
    )


def patch_offsets(count: int, side_px: int, stream: torch.Generator) -> Tensor:
    """Return random places of patches in their quarters, for `quarter_patches`: N x P x 2 (row, column), in pixels."""
    return torch.randint((side_px - min(PATCH_PX, side_px)) // 2 + 1, (count, PATCHES, 2), generator=stream)


def quarter_patches(x_NCHW: Tensor, offsets_NP2: Tensor) -> Tensor:
    """Return a patch from each quarter of square images, at native resolution: N x P x C x S x S.

    The middle of a patch lies in its quarter. The patch may reach beyond it by up to half of its side.
    """
    side_px = x_NCHW.shape[-1]
    patch_px = min(PATCH_PX, side_px)
    room = side_px - patch_px
    starts_P2 = torch.tensor(
        [(row * (room - room // 2), column * (room - room // 2)) for row in (0, 1) for column in (0, 1)]
    )
    return torch.stack(
        [
            torch.stack([x_CHW[:, top : top + patch_px, left : left + patch_px] for top, left in corners])
            for x_CHW, corners in zip(x_NCHW, (offsets_NP2 + starts_P2).tolist(), strict=True)
        ]
    )


def middles(x_NPCHW: Tensor, side_px: int) -> Tensor:
    """Return the middles of square patches, of `side_px` or less if the patches are smaller: N x P x C x R x R."""
    first = max(x_NPCHW.shape[-1] - side_px, 0) // 2
    return x_NPCHW[..., first : first + side_px, first : first + side_px].clone()
