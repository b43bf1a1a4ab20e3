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
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Turn:
    """The turn of one crop."""

    quarters: int
    """Clockwise, 0 to 3; 0 if it is doubtful."""
    margin: float
    """Lead of this turn over the best other one, in correlation with the mean of the product's other crops."""
    is_doubtful: bool
    """Whether another turn agrees nearly as well, as with a symmetric package."""


def turns_of(looks: Sequence[str], products: Sequence[str], any_quarter: Sequence[bool]) -> list[Turn]:
    """Return the turn of each crop. Those that may not turn by `any_quarter` lie lengthwise: they turn by 0 or 2.

    A product may have crops of both sorts, because sides are measured, and one may be mistaken.

    `products` are their names, "" where they are unknown. Those are divided by how much they resemble each other.
    """
    found: dict[int, Turn] = {}
    for numbers in _of_one_product(looks, products):
        squares = np.stack([_smooth(one) for one in unpacked([looks[number] for number in numbers])])
        oblong = np.array([not any_quarter[number] for number in numbers])
        found |= dict(zip(numbers, _resolve(squares, oblong), strict=True))
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


def _resolve(squares_NSS: Squares, oblong_N: Flags) -> list[Turn]:
    count = len(squares_NSS)
    if count < 2:
        return [Turn(0, 0.0, True)] * count
    turned_TNP = _changing(_centred(squares_NSS, oblong_N), oblong_N)
    turns_N = _synchronised(turned_TNP, oblong_N)
    for _ in range(ROUNDS):
        best_N = _best(_scores(turned_TNP, turns_N), oblong_N)
        if (best_N == turns_N).all():
            break
        turns_N = best_N
    margins = _margins(squares_NSS, turns_N, oblong_N)
    doubtful_N = margins < _least_margin(margins)
    quarters_N = np.where(doubtful_N, 0, (turns_N - _usual(turns_N, oblong_N & ~doubtful_N)) % TURNS)
    return [
        Turn(int(turn), round(float(margin), 4), bool(doubtful))
        for turn, margin, doubtful in zip(quarters_N, margins, doubtful_N, strict=True)
    ]


def _usual(turns_N: NDArray[np.intp], oblong_N: Flags) -> int:
    """Return the turn that most images have. If all turn back by it, they still lie alike, and fewer of them turn.

    It is one by which oblong images may turn.
    """
    counts = np.bincount(turns_N, minlength=TURNS)
    step = 2 if oblong_N.any() else 1
    return int(counts[::step].argmax()) * step


def _best(scores_NT: Squares, oblong_N: Flags) -> NDArray[np.intp]:
    """Return the turn of the highest score that each image may have: the first or third if it is oblong."""
    barred_NT = oblong_N[:, None] & (np.arange(TURNS) % 2 == 1)
    return np.asarray(np.where(barred_NT, -np.inf, scores_NT).argmax(axis=1))


def _least_margin(margins: NDArray[np.float64]) -> float:
    """Return the lead that a turn needs, given the leads of all packages of the product."""
    if len(margins) < FEW:
        return MIN_MARGIN_OF_FEW
    median = float(np.median(margins))
    spread = MAD_TO_SIGMA * float(np.median(np.abs(margins - median)))
    return max(MIN_MARGIN, MIN_SPREADS * spread, MIN_SHARE * median)


def _centred(squares_NSS: Squares, oblong_N: Flags) -> Squares:
    """Return the looks shifted so that they fit their mean over all turns, which has its centre in the middle.

    Otherwise a lattice of balls that lies off the middle would look as if it had been turned.
    """
    centred_NSS = squares_NSS.copy()
    for alike_N, step in ((~oblong_N, 1), (oblong_N, 2)):
        for _ in range(2 if alike_N.any() else 0):
            mean = centred_NSS[alike_N].mean(axis=0)
            onto = np.mean([np.rot90(mean, turn) for turn in range(0, TURNS, step)], axis=0)
            centred_NSS[alike_N] = [_shifted(square, onto) for square in centred_NSS[alike_N]]
    return centred_NSS


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


def _all_turns(squares_NSS: Squares) -> Squares:
    """Return each look at each turn, T x N x S x S."""
    return np.stack([np.rot90(squares_NSS, -turn, axes=(1, 2)) for turn in range(TURNS)])


def _changing(squares_NSS: Squares, oblong_N: Flags) -> Squares:
    """Return each look at each turn, T x N x P, without what all turns that it may have share, with length 1."""
    turned_TNSS = _all_turns(squares_NSS)
    of_all = turned_TNSS.mean(axis=0)
    for turn in (0, 1):
        of_both = (turned_TNSS[turn] + turned_TNSS[turn + 2]) / 2
        turned_TNSS[turn::2] -= np.where(oblong_N[:, None, None], of_both, of_all)
    flat_TNP = turned_TNSS.reshape(TURNS, len(squares_NSS), -1)
    flat_TNP /= np.maximum(np.linalg.norm(flat_TNP, axis=2, keepdims=True), 1e-6)
    return flat_TNP


def _synchronised(turned_TNP: Squares, oblong_N: Flags) -> NDArray[np.intp]:
    """Return the turns that agree best over all pairs of a sample, and for the others with that sample's mean."""
    count = len(oblong_N)
    sample = np.unique(np.linspace(0, count - 1, min(count, MOST_PAIRED)).round().astype(int))
    oblong = oblong_N[sample]
    phases_T = np.exp(2j * np.pi * np.arange(TURNS) / TURNS)
    pairs = np.zeros((len(sample), len(sample)), np.complex128)
    for turn in range(TURNS):
        # A pair fits if image j, turned by this more than image i, looks like it.
        fits = turned_TNP[turn, sample] @ turned_TNP[0, sample].T
        pairs += phases_T[turn] * (np.where(np.outer(oblong, oblong), 0, fits) if turn % 2 else fits)
    _, vectors = np.linalg.eigh((pairs + pairs.conj().T) / 2)
    first = vectors[:, -1]
    angles = np.angle(first / first[np.abs(first).argmax()])  # A flat image has no component.
    of_sample = np.rint(angles / (2 * np.pi / TURNS)).astype(int) % TURNS
    # The squares turn to the oblong ones, which must lie lengthwise.
    of_sample = (of_sample - np.bincount(of_sample[oblong] % 2, minlength=2).argmax()) % TURNS
    mean = np.mean([turned_TNP[turn, number] for number, turn in zip(sample, of_sample, strict=True)], axis=0)
    return _best((turned_TNP @ mean).T, oblong_N)


def _margins(squares_NSS: Squares, turns_N: NDArray[np.intp], oblong_N: Flags) -> NDArray[np.float64]:
    """Return the lead of each image's turn over its best other one: in correlation with the mean of the other images.

    Whole looks are compared, each shifted to where it fits best, so that neither noise nor a shift makes a lead.
    """
    turned_TNSS = _all_turns(squares_NSS)
    aligned_NSS = turned_TNSS[turns_N, np.arange(len(turns_N))]
    total, margins = aligned_NSS.sum(axis=0), []
    for number, turn in enumerate(turns_N):
        others = total - aligned_NSS[number]
        may_have = range(0, TURNS, 2 if oblong_N[number] else 1)
        fits = {may: _correlation(_shifted(turned_TNSS[may, number], others), others) for may in may_have}
        margins.append(fits.pop(int(turn)) - max(fits.values()))
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
