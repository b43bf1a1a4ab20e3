"""By how many quarters each crop has to be turned, so that the packages of one product lie alike.

A crop is straight, but which of its sides is up depends on how the package lay. The crops of a product are registered
against each other by what changes under quarter turns: markings, pin 1, traces. What does not change, such as a full
array of balls, says nothing and is left out.

The first turns are those of the synchronisation of all pairs: the leading eigenvector of a Hermitian matrix (Singer,
"Angular synchronization by eigenvectors and semidefinite programming", 2011). Then each crop is compared with the mean
of the others until no turn changes.

Dimensions: N images, S side of a look, T four turns.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .duplicates import connected, unpacked

TURNS = 4
SMOOTH_PX = 1.0
"""Blur of the looks, because crops are some pixels off each other."""
MOST_PAIRED = 400
"""Images of which all pairs are compared."""
MOST_SHIFT_PX = 2
ROUNDS = 10
ONE_PRODUCT = 0.4
"""Correlation from which two crops of unknown products show the same one."""
FEW = 4
MIN_MARGIN, MIN_MARGIN_OF_FEW = 0.005, 0.03
"""Minimum lead of a turn over the best other one, as a correlation. Below it, the turn is doubtful."""
MIN_SPREADS, MIN_SHARE = 2.0, 0.3
"""A turn is doubtful too if its lead is less than so many standard deviations of the product's leads, or than this
share of their median. Packages of a symmetric product lead by chance, some this way and some that."""
MAD_TO_SIGMA = 1.4826
FLAT = 1e-6
"""Product of the lengths of two looks, of values around their means, below which one of them shows nothing."""

Squares = NDArray[np.float32]


@dataclass(frozen=True)
class Turn:
    """The turn of one crop."""

    quarters: int
    """Clockwise, 0 to 3; 0 if it is doubtful."""
    margin: float
    """Lead of this turn over the best other one, in correlation with the mean of the product's other crops."""
    is_doubtful: bool
    """Whether another turn agrees nearly as well, as with a symmetric package."""


def turns_of(looks: Sequence[str], products: Sequence[str], square: Sequence[bool]) -> list[Turn]:
    """Return the turn of each crop. Crops that are not `square` already lie lengthwise: they turn by 0 or 2 quarters.

    `products` are their names, "" where they are unknown. Those are divided by how much they resemble each other.
    """
    found: dict[int, Turn] = {}
    for numbers in _of_one_product(looks, products):
        squares = np.stack([_smooth(one) for one in unpacked([looks[number] for number in numbers])])
        allowed = range(TURNS) if all(square[number] for number in numbers) else range(0, TURNS, 2)
        found |= dict(zip(numbers, _resolve(squares, list(allowed)), strict=True))
    return [found[number] for number in range(len(looks))]


def _of_one_product(looks: Sequence[str], products: Sequence[str]) -> list[list[int]]:
    named: defaultdict[str, list[int]] = defaultdict(list)
    unknown: list[int] = []
    for number, product in enumerate(products):
        (named[product] if product else unknown).append(number)
    groups = connected([looks[number] for number in unknown], ONE_PRODUCT) if unknown else []
    return [*named.values(), *([unknown[at] for at in group] for group in groups)]


def _smooth(look: Squares) -> Squares:
    return np.asarray(cv2.GaussianBlur(look, (0, 0), SMOOTH_PX), np.float32)


def _resolve(squares_NSS: Squares, allowed: list[int]) -> list[Turn]:
    count = len(squares_NSS)
    if count < 2:
        return [Turn(0, 0.0, True)] * count
    turned_TNP = _changing(_centred(squares_NSS, allowed), allowed)
    turns_N = _synchronised(turned_TNP)
    for _ in range(ROUNDS):
        scores_NT = _scores(turned_TNP, turns_N)
        best_N = scores_NT.argmax(axis=1)
        if (best_N == turns_N).all():
            break
        turns_N = best_N
    # Turning all of them changes nothing: as few as possible turn.
    shift = int(np.bincount(turns_N, minlength=len(allowed)).argmax())
    margins = _margins(squares_NSS, turns_N, allowed)
    quarters = [allowed[(int(turn) - shift) % len(allowed)] for turn in turns_N]
    least = _least_margin(margins)
    return [
        Turn(0 if margin < least else turn, round(float(margin), 4), bool(margin < least))
        for turn, margin in zip(quarters, margins, strict=True)
    ]


def _least_margin(margins: NDArray[np.float64]) -> float:
    """Return the lead that a turn needs, given the leads of all packages of the product."""
    if len(margins) < FEW:
        return MIN_MARGIN_OF_FEW
    median = float(np.median(margins))
    spread = MAD_TO_SIGMA * float(np.median(np.abs(margins - median)))
    return max(MIN_MARGIN, MIN_SPREADS * spread, MIN_SHARE * median)


def _centred(squares_NSS: Squares, allowed: list[int]) -> Squares:
    """Return the looks shifted so that they fit their mean over all turns, which has its centre in the middle.

    Otherwise a lattice of balls that lies off the middle would look as if it had been turned.
    """
    for _ in range(2):
        mean = np.mean([np.rot90(squares_NSS.mean(axis=0), turn) for turn in range(0, TURNS, allowed[1])], axis=0)
        squares_NSS = np.stack([_shifted(square, mean) for square in squares_NSS])
    return squares_NSS


def _shifted(square: Squares, onto: Squares) -> Squares:
    """Return a look, shifted by up to MOST_SHIFT_PX to where it correlates most with another one."""
    spectrum = np.fft.rfft2(onto) * np.fft.rfft2(square).conj()
    around = np.fft.fftshift(np.fft.irfft2(spectrum, square.shape))
    reach = slice(len(square) // 2 - MOST_SHIFT_PX, len(square) // 2 + MOST_SHIFT_PX + 1)
    window = around[reach, reach] - around[reach, reach].min()
    y, x = np.unravel_index(int(window.argmax()), window.shape)
    rows, columns = np.mgrid[: len(window), : len(window)]
    weights = window * ((abs(rows - y) <= 1) & (abs(columns - x) <= 1)) + 1e-9
    down, right = ((weights * at).sum() / weights.sum() - MOST_SHIFT_PX for at in (rows, columns))
    shift = np.array([[1.0, 0.0, right], [0.0, 1.0, down]])
    return np.asarray(cv2.warpAffine(square, shift, square.shape[::-1], borderMode=cv2.BORDER_REPLICATE), np.float32)


def _changing(squares_NSS: Squares, allowed: list[int]) -> Squares:
    """Return each look at each turn, T x N x P, without what all turns have in common, with length 1."""
    turned = np.stack([np.rot90(squares_NSS, -quarters, axes=(1, 2)) for quarters in allowed])
    turned = turned - turned.mean(axis=0)
    flat = turned.reshape(*turned.shape[:2], -1)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=2, keepdims=True), 1e-6), np.float32)


def _synchronised(turned_TNP: Squares) -> NDArray[np.intp]:
    """Return the turns that agree best over all pairs of a sample, and for the others with that sample's mean."""
    turns, count = turned_TNP.shape[:2]
    sample = np.unique(np.linspace(0, count - 1, min(count, MOST_PAIRED)).round().astype(int))
    phases_T = np.exp(2j * np.pi * np.arange(turns) / turns)
    # A pair fits if image j, turned by t more than image i, looks like it.
    pairs = sum(phases_T[t] * (turned_TNP[t, sample] @ turned_TNP[0, sample].T) for t in range(turns))
    _, vectors = np.linalg.eigh((pairs + pairs.conj().T) / 2)
    first = vectors[:, -1]
    angles = np.angle(first / first[np.abs(first).argmax()])  # A flat image has no component.
    of_sample = np.rint(angles / (2 * np.pi / turns)).astype(int) % turns
    mean = np.mean([turned_TNP[turn, number] for number, turn in zip(sample, of_sample, strict=True)], axis=0)
    return np.asarray((turned_TNP @ mean).T.argmax(axis=1))


def _margins(squares_NSS: Squares, turns_N: NDArray[np.intp], allowed: list[int]) -> NDArray[np.float64]:
    """Return the lead of each image's turn over its best other one: in correlation with the mean of the other images.

    Whole looks are compared, each shifted to where it fits best, so that neither noise nor a shift makes a lead.
    """
    turned_TNSS = np.stack([np.rot90(squares_NSS, -quarters, axes=(1, 2)) for quarters in allowed])
    aligned_NSS = turned_TNSS[turns_N, np.arange(len(turns_N))]
    total, margins = aligned_NSS.sum(axis=0), []
    for number, turn in enumerate(turns_N):
        others = total - aligned_NSS[number]
        fits = np.array([_correlation(_shifted(one, others), others) for one in turned_TNSS[:, number]])
        margins.append(fits[turn] - np.delete(fits, turn).max())
    return np.array(margins)


def _correlation(one: Squares, other: Squares) -> float:
    """Return the correlation of two looks: 0 if one of them is flat, as that of an empty image is."""
    ours, theirs = (each.ravel().astype(np.float64) - each.mean() for each in (one, other))
    lengths = float(np.linalg.norm(ours) * np.linalg.norm(theirs))
    return float(ours @ theirs) / lengths if lengths > FLAT else 0.0


def _scores(turned_TNP: Squares, turns_N: NDArray[np.intp]) -> Squares:
    """Return the correlation of each image, at each turn, with the mean of the others; N x T."""
    aligned_NP = turned_TNP[turns_N, np.arange(len(turns_N))]
    others_NP = aligned_NP.sum(axis=0) - aligned_NP
    others_NP /= np.maximum(np.linalg.norm(others_NP, axis=1, keepdims=True), 1e-6)
    return np.asarray(np.einsum("tnp,np->nt", turned_TNP, others_NP), np.float32)
