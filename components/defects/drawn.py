"""What people draw for made defects: where in a package they may lie, or their places and shapes.

Dimensions: H W pixels, C channels, N pixels of a defect.
"""

from dataclasses import replace
from math import log
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt  # type: ignore[import-untyped]
from scipy.spatial import cKDTree  # type: ignore[import-untyped]

from ..core.errors import UnusableImageError, UserError
from ..core.files import LITTER
from ..core.images import Pixels, read_image, to_grey
from ..core.log import logger
from ..core.masks import Part, parts_of
from .cutouts import MIN_AREA_PX, Cutout, context_px
from .places import Place
from .variation import Variation

WHITE = 128
"""From this grey level on, a pixel of a drawn picture counts as white."""
MAX_WHITE_SHARE = 0.5
"""A picture with a larger white share shows no defects. Black may have been drawn on white."""
LOG = logger("defects")


def drawn_places(picture: Path) -> NDArray[np.bool_]:
    """Return where a picture of a package is white.

    Raises UserError if it is missing, unreadable, not square, or black.
    """
    if picture.is_dir():
        raise UserError(f"{picture}: is a folder; name one picture, square, and white where defects may lie")
    if not picture.is_file():
        raise UserError(f"{picture}: no such file; draw a square picture, white where defects lie")
    try:
        grey_HW = to_grey(read_image(picture))
    except (OSError, UnusableImageError) as error:
        raise UserError(
            f"{picture}: cannot be read: {error}; draw a square picture, white where defects lie"
        ) from error
    height_px, width_px = grey_HW.shape
    if height_px != width_px:
        raise UserError(f"{picture}: expected a square, as packages are cut, got {width_px} x {height_px} px")
    if not (white_HW := grey_HW >= WHITE).any():
        raise UserError(f"{picture}: its brightest pixel has {grey_HW.max()} of 255; draw white where defects lie")
    return white_HW


def drawn_shapes(drawn: Path, size_px: int) -> list[list[Part]]:
    """Return the white parts of each of the `pictures`, in packages of a size.

    Raises UserError as `drawn_places` does, for an empty folder, and for a picture whose parts are all too small, or
    that is mostly white.
    """
    found = [_shapes(picture, size_px) for picture in pictures(drawn)]
    if not found:
        raise UserError(f"{drawn}: no picture in this folder; draw square pictures, white where defects lie")
    return found


def pictures(drawn: Path) -> list[Path]:
    """Return the files of a folder, sorted, without hidden ones and those of file managers, or the only file."""
    if not drawn.is_dir():
        return [drawn]
    files = [path for path in drawn.iterdir() if path.is_file() and not LITTER.search(path.name)]
    return sorted(path for path in files if not path.name.startswith("."))


def _shapes(picture: Path, size_px: int) -> list[Part]:
    white_HW = drawn_places(picture)
    if white_HW.mean() > MAX_WHITE_SHARE:
        raise UserError(f"{picture}: {white_HW.mean():.0%} of it is white; draw defects white, and all else black")
    parts = list(parts_of(_resized(white_HW, size_px)))
    found = [part for part in parts if np.count_nonzero(part.covers_HW) >= MIN_AREA_PX]
    if not found:
        raise UserError(f"{picture}: no white part has {MIN_AREA_PX} pixels in images of {size_px} px")
    if len(found) < len(parts):
        small = len(parts) - len(found)
        LOG.warning("%s: %d white part(s) of fewer than %d pixels are left out", picture, small, MIN_AREA_PX)
    return found


def _resized(white_HW: NDArray[np.bool_], size_px: int) -> Pixels:
    """Return a drawing in another size. Lines that get thinner than a pixel stay a pixel thick."""
    shrinks = size_px < len(white_HW)
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST_EXACT
    resized = cv2.resize(white_HW.astype(np.float32), (size_px, size_px), interpolation=interpolation)
    return (resized > 0).astype(np.uint8)


def stretching(cutout: Cutout, part: Part) -> float:
    """Return how much a cutout must be stretched to fill the box of a part: 0 for not at all. It may be turned."""
    ours, theirs = (sorted(cv2.boundingRect(map_.astype(np.uint8))[2:]) for map_ in (cutout.covers_HW, part.covers_HW))
    return sum(abs(log(new / old)) for new, old in zip(theirs, ours, strict=True))


def shaped(cutout: Cutout, part: Part, size_px: int, random: np.random.Generator) -> tuple[Cutout, Place]:
    """Return a cutout in the shape of a part, flipped at random, and its place in a package of a size.

    Every pixel shows what the defect shows at the like place of its box, as deep inside.
    """
    flip = Variation.flip(random)
    if _is_tall(flip.flipped(cutout.covers_HW)) != _is_tall(part.covers_HW):
        flip = replace(flip, quarters=flip.quarters + 1)
    turned, height_px, width_px = cutout.varied(flip), *part.covers_HW.shape
    around = context_px(part.covers_HW.shape, size_px)
    top, left = max(part.top_px - around, 0), max(part.left_px - around, 0)
    covers_HW = np.zeros((size_px, size_px), np.bool_)
    covers_HW[part.top_px : part.top_px + height_px, part.left_px : part.left_px + width_px] = part.covers_HW
    covers_HW = covers_HW[top : part.top_px + height_px + around, left : part.left_px + width_px + around]
    pixels_HWC = np.zeros((*covers_HW.shape, cutout.pixels_HWC.shape[2]), np.uint8)
    _, alike = cKDTree(_places_in(turned.covers_HW)).query(_places_in(covers_HW))
    pixels_HWC[covers_HW] = turned.pixels_HWC[turned.covers_HW][alike]
    nearest = distance_transform_edt(~covers_HW, return_distances=False, return_indices=True)
    found = replace(cutout, pixels_HWC=pixels_HWC[tuple(nearest)], covers_HW=covers_HW)
    if cutout.ring.any():  # the colours of a made defect are shifted by those of its ring
        found.pixels_HWC[found.ring] = cutout.pixels_HWC[cutout.ring].mean(axis=0)
    return found, Place(top, left, 0.0)


def _is_tall(covers_HW: NDArray[np.bool_]) -> bool:
    width_px, height_px = cv2.boundingRect(covers_HW.astype(np.uint8))[2:]
    return bool(height_px > width_px)


def _places_in(covers_HW: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return where in its box each pixel of a defect lies, and how deep inside the defect: N x 3, each in [0, 2]."""
    places_N2 = np.argwhere(covers_HW)
    in_box_N2 = (places_N2 - places_N2.min(axis=0)) * 2 / np.maximum(np.ptp(places_N2, axis=0), 1)
    depth_N = cv2.distanceTransform(covers_HW.astype(np.uint8), cv2.DIST_L2, 3)[covers_HW]
    return np.column_stack([in_box_N2, depth_N / depth_N.max() * 2])
