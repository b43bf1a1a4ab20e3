"""Near-duplicates: crops of different lots that show the same package in nearly the same way.

They are compared by their detail: reduced, and normalised by the mean and the contrast around each pixel, so that light
and scale do not matter. A package that comes out turned by quarters is found too.

Dimensions: N images, P pixels.
"""

import base64
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array  # type: ignore[import-untyped]
from scipy.sparse.csgraph import connected_components  # type: ignore[import-untyped]

from ..artifacts.manifest import Package
from ..core.images import Pixels

SIDE_PX = 64
AROUND_PX = 2.0
"""Standard deviation of the Gaussian that says what is around a pixel."""
NOISE = 4.0
"""Contrast, of 255, that counts as noise."""
HIGHEST = 4.0
"""Largest value that is kept, in contrasts."""
ALIKE = 0.98
"""Correlation from which two crops are near-duplicates. `python -m benchmarks.duplicates` shows where others lie."""
BLOCK = 512
"""Images that are compared with all others at once."""

Looks = NDArray[np.float32]


def look_of(crop: Pixels) -> str:
    """Return the detail of a crop as text: 64 x 64 values of 8 bits, base64. They are 0 beside an oblong crop."""
    grey = crop if crop.ndim == 2 else cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    height, width = (2 * max(1, round(SIDE_PX / 2 * length / max(grey.shape))) for length in grey.shape)
    small = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    detail = small - cv2.GaussianBlur(small, (0, 0), AROUND_PX)
    contrast = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), AROUND_PX)) + NOISE
    values = np.rint(np.clip(detail / contrast / HIGHEST, -1, 1) * 127).astype(np.int8)
    beside = [((SIDE_PX - side) // 2,) * 2 for side in values.shape]
    return base64.b64encode(np.pad(values, beside).tobytes()).decode()


def similarities(looks: Sequence[str], others: Sequence[str]) -> NDArray[np.float32]:
    """Return the correlations of crops, N x N', at most 1, each at the best of four quarter turns."""
    return _similarities(unpacked(looks), _flat(unpacked(others)))


def _similarities(squares_N: Looks, others_NP: Looks) -> NDArray[np.float32]:
    turned = (_flat(np.rot90(squares_N, turns, axes=(1, 2))) for turns in range(4))
    best: NDArray[np.float32] = np.max([one_NP @ others_NP.T for one_NP in turned], axis=0)
    return best


def unpacked(looks: Sequence[str]) -> Looks:
    """Return the detail of crops, N x 64 x 64."""
    values = np.frombuffer(b"".join(base64.b64decode(look) for look in looks), dtype=np.int8)
    return values.reshape(-1, SIDE_PX, SIDE_PX).astype(np.float32)


def _flat(squares: Looks) -> Looks:
    """Return vectors of mean 0 and length 1, N x P. A crop without detail becomes 0."""
    flat_NP = squares.reshape(len(squares), SIDE_PX * SIDE_PX)
    flat_NP = flat_NP - flat_NP.mean(axis=1, keepdims=True)
    scaled: Looks = flat_NP / np.maximum(np.linalg.norm(flat_NP, axis=1, keepdims=True), 1e-6)
    return scaled


def near_duplicates(looks: Sequence[str], lots: Sequence[str]) -> list[list[int]]:
    """Return groups of images of more than one lot: each is a near-duplicate of another one of its group."""
    return [group for group in connected(looks, ALIKE, lots) if len(group) > 1]


def connected(looks: Sequence[str], least: float, lots: Sequence[str] | None = None) -> list[list[int]]:
    """Return groups of images that a chain of pairs connects: those of at least this correlation, of different `lots`.

    Without lots, any two images may be a pair.
    """
    lot_N = np.unique(lots, return_inverse=True)[1] if lots else np.arange(len(looks))
    group_N = np.arange(len(looks))
    squares_N = unpacked(looks)
    flat_NP = _flat(squares_N)
    for start in range(0, len(looks), BLOCK):
        # Each pair once: with those of the block and those behind it.
        alike = _similarities(squares_N[start : start + BLOCK], flat_NP[start:]) >= least
        ones, others = np.nonzero(alike & (lot_N[start : start + BLOCK, None] != lot_N[start:]))
        # Groups of the blocks before are joined, so that only the pairs of one block are kept.
        ends = group_N[start + ones], group_N[start + others]
        pairs = coo_array((np.ones(len(ones), dtype=np.bool_), ends), (len(looks), len(looks)))
        group_N = connected_components(pairs, directed=False)[1][group_N]
    members = defaultdict(list)
    for number, group in enumerate(group_N.tolist()):
        members[group].append(number)
    return list(members.values())


def joined(packages: Sequence[Package], groups: Sequence[Sequence[int]]) -> list[Package]:
    """Return packages of which each group is in one lot, together with the lots that its members were in.

    The joined lot has the name of the first of them. It goes to the split that most of its images were in.
    """
    lot_of = {package.lot: package.lot for package in packages}
    for group in groups:
        ends = {lot_of[packages[number].lot] for number in group}
        lot_of = {lot: min(ends) if end in ends else end for lot, end in lot_of.items()}
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for package in packages:
        counts[lot_of[package.lot]][package.split] += 1
    return [
        replace(package, lot=lot, split="held_out" if counts[lot]["held_out"] > counts[lot]["train"] else "train")
        for package, lot in ((package, lot_of[package.lot]) for package in packages)
    ]
