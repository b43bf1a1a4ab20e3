"""How much an image is like the training image that is most like it, wherever and however that was copied.

Detail is compared, not brightness: images are shrunk, windowed and whitened by the mean spectrum of the training
images, so that what all of them share hardly counts. Two spectra are compared at all shifts at once (phase correlation,
Kuglin and Hines 1975), for all eight flips and rotations, and at several scales. Whitening and the unit length make the
result independent of brightness, contrast and slopes, and nearly so of gamma.

Dimensions: N B images, M images that are searched, C channels, H W pixels, R pixels a side, S scales, K nearest, D
shifts, J frequencies.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

SIDE_PX = 64
"""Images are compared at this size."""
BAND = (0.02, 0.25)
"""Frequencies that are compared, in cycles per pixel: neither light nor noise."""
SOFTNESS = 0.05
"""Power that is added before whitening, relative to the mean: what is nearly absent is not amplified."""
SMALLEST = 1e-6
FAINT = 1e-2
"""Length of a whitened spectrum below which an image is flat but for rounding errors. Of training images, it is 30."""
SCALES = (1.0, 0.9, 0.925, 0.95, 0.975, 1.025, 1.05, 1.075, 1.1)
MAX_SHIFT = 0.15
"""Largest shift, relative to the side."""
ROUGH_STEP_PX = 2
"""Distance of the shifts at which all training images are compared: half a cycle of the highest frequency."""
SHORT_LIST = 8
"""Training images that are looked at closely, per image."""
CLOSE_LOOKS = 6
"""Pairs of a training image and a scale that are compared between pixels, per image."""
BATCH = 8
"""Images that are compared with all training images at once."""
FRACTIONS = tuple(step / 4 for step in range(-3, 4))
"""Shifts between pixels that are tried around the best shift in whole pixels."""


@dataclass(frozen=True)
class Likeness:
    """How a set of images is like the images that were searched."""

    similarity_N: Tensor
    """Correlation with the most similar image: at most 1, and 1 for a copy."""
    part_N: Tensor
    """The same of the most similar part: a quarter or the middle of an image, which lies where it lay."""
    place_N: Tensor
    """Number of the most similar image."""
    symmetry_N: Tensor
    """Which of its `symmetries` is meant."""


def symmetries(x: Tensor) -> Tensor:
    """Return the eight flips and rotations of square images, ... x R x R, along a new axis: ... x 8 x R x R."""
    return torch.stack([turned(x, number) for number in range(8)], dim=-3)


def turned(x: Tensor, number: int) -> Tensor:
    """Return one of the eight flips and rotations of square images; 0 leaves them as they are."""
    return torch.rot90(x.flip(-1) if number >= 4 else x, number % 4, (-2, -1))


def shrunk_to_compare(x_CHW: Tensor) -> Tensor:
    """Return a uint8 image as brightness at `SIDE_PX` a side: R x R, float."""
    grey_1HW = x_CHW.float().mean(dim=0, keepdim=True)
    return functional.interpolate(grey_1HW[None], size=(SIDE_PX, SIDE_PX), mode="bicubic", antialias=True)[0, 0]


class CopySearch:
    """Training images, prepared to be searched for."""

    def __init__(self, training_MRR: Tensor) -> None:
        side_px = training_MRR.shape[-1]
        hann_R = torch.hann_window(side_px + 2, periodic=False)[1:-1]
        self._window_RR = hann_R[:, None] * hann_R
        down_R1, across = torch.fft.fftfreq(side_px)[:, None], torch.fft.rfftfreq(side_px)
        self._down_R1, self._across = down_R1, across
        turned = symmetries(training_MRR).flatten(0, 1)
        power = self._windowed(turned).abs().square().mean(dim=0)
        radius = (down_R1.square() + across.square()).sqrt()
        in_band = (radius > BAND[0]) & (radius < BAND[1])
        self._in_band = in_band
        self._whitening = in_band / (power + SOFTNESS * power.mean()).clamp(min=SMALLEST).sqrt()
        # Of the frequencies of a real signal, `rfft2` keeps each pair once but for the first and last column.
        self._weight = torch.full((len(across),), 2.0)
        self._weight[0] = self._weight[-1] = 1.0
        self._training = self._signatures(turned)
        self._overlap, self._reachable = _overlaps(hann_R)
        self._part_whitenings = self._whitenings_of(turned)
        self._parts = self._parts_of(turned)
        farthest = int(MAX_SHIFT * side_px) // ROUGH_STEP_PX * ROUGH_STEP_PX
        steps = torch.arange(-farthest, farthest + 1, ROUGH_STEP_PX)
        self._rough_shifts_D2 = torch.cartesian_prod(steps, steps)
        self._rough_training = torch.view_as_real((self._training * self._weight)[:, in_band]).flatten(1)

    def __len__(self) -> int:
        return len(self._training) // 8

    def likeness(self, x_NRR: Tensor) -> Likeness:
        """Return how images are like the ones that are searched."""
        found, parts = [], []
        for x_BRR in torch.split(x_NRR, BATCH):
            query = self._signatures(x_BRR)
            found += [self._nearest(x_RR, rough) for x_RR, rough in zip(x_BRR, self._roughly(query), strict=True)]
            pairs = zip(self._parts_of(x_BRR), self._parts, strict=True)
            parts.append(torch.stack([(ours @ theirs.T).amax(dim=1) for ours, theirs in pairs]).amax(dim=0))
        similarities, places = zip(*found, strict=True)
        place_N = torch.tensor(places)
        return Likeness(torch.tensor(similarities), torch.cat(parts), place_N // 8, place_N % 8)

    def _roughly(self, query: Tensor) -> Tensor:
        """Return the correlation with every training image at the best of some shifts: B x (M x 8).

        A shift turns each frequency, so the correlations at all of them are one matrix product.
        """
        down_D, across_D = self._rough_shifts_D2.unbind(dim=1)
        cycles_DJ = (down_D[:, None, None] * self._down_R1 + across_D[:, None, None] * self._across)[:, self._in_band]
        shifted_BDJ = query[:, self._in_band][:, None] * torch.exp(2j * torch.pi * cycles_DJ)
        correlations = torch.view_as_real(shifted_BDJ).flatten(2) @ self._rough_training.T
        return (correlations / self._overlap[down_D, across_D][:, None]).amax(dim=1)

    def _nearest(self, x_RR: Tensor, rough: Tensor) -> tuple[float, int]:
        places_K = rough.topk(min(SHORT_LIST, len(rough))).indices
        zoomed = self._signatures(torch.stack([_moved(x_RR, scale, 0.0, 0.0) for scale in SCALES]))
        found = self._at_whole_pixels(zoomed[:, None], self._training[places_K]).max(dim=-1)
        closest = found.values.flatten().topk(min(CLOSE_LOOKS, found.values.numel())).indices.tolist()
        looks = zip(closest, found.indices.flatten()[closest].tolist(), strict=True)
        pairs = [(at // len(places_K), int(places_K[at % len(places_K)]), shift) for at, shift in looks]
        similarity, place = max(
            (self._registered(x_RR, SCALES[at], zoomed[at], place, shift), place) for at, place, shift in pairs
        )
        return min(similarity, 1.0), place

    def _parts_of(self, x_NRR: Tensor) -> list[Tensor]:
        """Return the quarters and the middle of images, whitened, each of unit length: five times N x 2 J."""
        found = []
        for spectra, whitening in zip(_part_spectra(x_NRR), self._part_whitenings, strict=True):
            part = torch.view_as_real((spectra * whitening)[:, whitening > 0]).flatten(1)
            found.append(functional.normalize(part, dim=1, eps=FAINT))
        return found

    def _whitenings_of(self, x_NRR: Tensor) -> list[Tensor]:
        """Return what whitens each part, by the mean spectrum of the images. It is zero beyond the band."""
        side_px = x_NRR.shape[-1] // 2
        radius = (torch.fft.fftfreq(side_px)[:, None].square() + torch.fft.rfftfreq(side_px).square()).sqrt()
        in_band = (radius > BAND[0]) & (radius < BAND[1])
        powers = [spectra.abs().square().mean(dim=0) for spectra in _part_spectra(x_NRR)]
        return [in_band / (power + SOFTNESS * power.mean()).clamp(min=SMALLEST).sqrt() for power in powers]

    def _registered(self, x_RR: Tensor, scale: float, query: Tensor, place: int, shift: int) -> float:
        """Return the correlation once the image was moved over the training image, so that one window shows both.

        `query` is the signature of the image at that scale.
        """
        first, down, across = self._between_pixels(query, place, shift)
        moved = self._signatures(_moved(x_RR, scale, down, across)[None])[0]
        return max(first, self._between_pixels(moved, place, 0)[0])

    def _between_pixels(self, query: Tensor, place: int, shift: int) -> tuple[float, float, float]:
        """Return the best correlation near a shift in whole pixels, and that shift in pixels down and across."""
        cross = self._training[place].conj() * query * self._weight
        side_px, fractions_F = len(self._overlap), torch.tensor(FRACTIONS)
        down_F, across_F = (
            (steps + side_px // 2) % side_px - side_px // 2 + fractions_F for steps in divmod(shift, side_px)
        )
        # The correlation between pixels is the sum of the spectrum, each frequency turned by its share of the shift.
        turned_down = torch.exp(2j * torch.pi * down_F[:, None] * self._down_R1[:, 0])
        turned_across = torch.exp(2j * torch.pi * across_F[:, None] * self._across)
        fine_FF = (turned_down @ cross @ turned_across.T).real
        best = int(fine_FF.argmax())
        down, across = down_F[best // len(fractions_F)], across_F[best % len(fractions_F)]
        return float(fine_FF.flatten()[best] / self._overlap.flatten()[shift]), float(down), float(across)

    def _at_whole_pixels(self, query: Tensor, training: Tensor) -> Tensor:
        side_px = len(self._overlap)
        shifted = torch.fft.irfft2(training.conj() * query, s=(side_px, side_px)) * side_px**2 / self._overlap
        reached: Tensor = shifted.masked_fill(~self._reachable, -1.0)
        return reached.flatten(-2)

    def _windowed(self, x_NRR: Tensor) -> Tensor:
        spectra: Tensor = torch.fft.rfft2((x_NRR - x_NRR.mean(dim=(1, 2), keepdim=True)) * self._window_RR)
        return spectra

    def _signatures(self, x_NRR: Tensor) -> Tensor:
        """Return whitened spectra of unit length. Flat images have none, and are like nothing."""
        spectra = self._windowed(x_NRR) * self._whitening
        length = (spectra.abs().square() * self._weight).sum(dim=(-2, -1), keepdim=True).sqrt()
        unit: Tensor = spectra / length.clamp(min=FAINT)
        return unit


def _part_spectra(x_NRR: Tensor) -> Iterator[Tensor]:
    """Yield the spectra of the quarters and the middle. Each is windowed by itself, so that nothing else is in it."""
    half, quarter = x_NRR.shape[-1] // 2, x_NRR.shape[-1] // 4
    hann_R = torch.hann_window(half + 2, periodic=False)[1:-1]
    for top, left in ((0, 0), (0, half), (half, 0), (half, half), (quarter, quarter)):
        part = x_NRR[:, top : top + half, left : left + half]
        yield torch.fft.rfft2((part - part.mean(dim=(1, 2), keepdim=True)) * (hann_R[:, None] * hann_R))


def _overlaps(window_R: Tensor) -> tuple[Tensor, Tensor]:
    """Return how much two windows overlap at each shift, relative to no shift, and which shifts count."""
    side_px = len(window_R)
    shifts = torch.fft.fftfreq(side_px, 1 / side_px).abs().long()
    alone = window_R.square()
    overlap_R = torch.stack([(alone[shift:] * alone[: side_px - shift]).sum() for shift in range(side_px)])
    overlap_R = (overlap_R / overlap_R[0]).sqrt()[shifts]
    near_R = shifts <= MAX_SHIFT * side_px
    return (overlap_R[:, None] * overlap_R).clamp(min=0.5), near_R[:, None] & near_R


def _moved(x_RR: Tensor, scale: float, down: float, across: float) -> Tensor:
    """Return an image magnified about its middle, and then moved up and left by pixels."""
    side_px = x_RR.shape[-1]
    transform = torch.tensor([[[1, 0, 2 * across / side_px], [0, 1, 2 * down / side_px]]]) / scale
    grid = functional.affine_grid(transform, [1, 1, side_px, side_px], align_corners=False)
    options = {"mode": "bicubic", "padding_mode": "reflection", "align_corners": False}
    return functional.grid_sample(x_RR[None, None], grid, **options)[0, 0]  # type: ignore[arg-type]
