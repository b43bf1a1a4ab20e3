"""How much an image is like the training image that is most like it, wherever and however that was copied.

Detail is compared, not brightness: images are shrunk, windowed and whitened by the mean spectrum of the training
images, so that what all of them share hardly counts. Two spectra are compared at all shifts at once (phase correlation,
Kuglin and Hines 1975), for all eight flips and rotations. Whitening and the unit length make the result independent of
brightness, contrast and slopes, and nearly so of gamma.

An image may also be turned by a few degrees, magnified or moved far. In which pose it is, a few training images tell
that are like it: of one product, all show the same. It is looked at closely as it lies or in that pose, whichever is
roughly more like a training image.

Dimensions: N B images, M images that are searched, C channels, H W pixels, R pixels a side, K nearest, D shifts, J
frequencies, P poses.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .poses import UNMOVED_23, followed, pose, posed, shared_windows

SIDE_PX = 64
"""Images are compared at this size."""
BAND = (0.02, 0.25)
"""Frequencies that are compared, in cycles per pixel: neither light nor noise."""
SOFTNESS = 0.05
"""Power that is added before whitening, relative to the mean: what is nearly absent is not amplified."""
SMALLEST = 1e-6
FAINT = 1e-2
"""Length of a whitened spectrum below which an image is flat but for rounding errors. Of training images, it is 30."""
POSES_P23 = torch.stack([pose(5 * turn, 1.1**scale) for turn in range(-2, 3) for scale in range(-4, 5)])
"""Poses that are tried on alike images: turned by up to 10 degrees, and magnified by 0.68 to 1.46."""
FARTHEST = 0.35
"""Largest shift of alike images, relative to the side."""
FINE_POSES_P23, FINEST_POSES_P23 = (
    torch.stack([pose(turn, scale) for turn in (0, -turn_deg, turn_deg) for scale in (1, 1 / growth, growth)])
    for turn_deg, growth in ((5 / 3, 1.05), (5 / 6, 1.025))
)
"""Poses that are tried around the best of them, and around the best of those."""
MAX_SHIFT = 0.15
"""Largest shift, relative to the side."""
ROUGH_STEP_PX = 2
"""Distance of the shifts at which all training images are compared: half a cycle of the highest frequency."""
SHORT_LIST = 8
"""Training images that are looked at closely, per image."""
CLOSE_LOOKS = 6
"""Pairs of a training image and a scale that are compared between pixels, per image."""
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
    part_place_N: Tensor
    """Number of the image that has the most similar part."""
    part_symmetry_N: Tensor
    """Which of its `symmetries` has it."""

    def of(self, number: int, by_part: bool) -> "Match":
        """Return what one of the images is most like, as a whole or in a part."""
        if by_part:
            found = (self.part_N, self.part_place_N, self.part_symmetry_N)
        else:
            found = (self.similarity_N, self.place_N, self.symmetry_N)
        similarity, place, symmetry = (values_N[number].item() for values_N in found)
        return Match(similarity, int(place), int(symmetry), by_part)


@dataclass(frozen=True)
class Match:
    """The searched image that one image is most like."""

    similarity: float
    place: int
    symmetry: int
    by_part: bool
    """Whether the most similar part is meant, and not the whole image."""


def symmetries(x: Tensor) -> Tensor:
    """Return the eight flips and rotations of square images, ... x R x R, along a new axis: ... x 8 x R x R."""
    return torch.stack([turned(x, number) for number in range(8)], dim=-3)


def turned(x: Tensor, number: int) -> Tensor:
    """Return one of the eight flips and rotations of square images; 0 leaves them as they are."""
    return torch.rot90(x.flip(-1) if number >= 4 else x, number % 4, (-2, -1))


def shrunk_to_compare(grey_NHW: Tensor) -> Tensor:
    """Return the brightness of images, as `model.pixels.brightness` gives it, at `SIDE_PX` a side: N x R x R."""
    size_px = (SIDE_PX, SIDE_PX)
    return functional.interpolate(grey_NHW[:, None], size=size_px, mode="bicubic", antialias=True)[:, 0]


class CopySearch:
    """Training images, prepared to be searched for."""

    def __init__(self, training_MRR: Tensor) -> None:
        side_px = training_MRR.shape[-1]
        hann_R = torch.hann_window(side_px + 2, periodic=False)[1:-1]
        self._window_RR = hann_R[:, None] * hann_R
        down_R1, across = torch.fft.fftfreq(side_px)[:, None], torch.fft.rfftfreq(side_px)
        self._down_R1, self._across = down_R1, across
        turned = symmetries(training_MRR).flatten(0, 1)
        power = _windowed(turned, self._window_RR).abs().square().mean(dim=0)
        radius = (down_R1.square() + across.square()).sqrt()
        in_band = (radius > BAND[0]) & (radius < BAND[1])
        self._in_band = in_band
        self._whitening = in_band / (power + SOFTNESS * power.mean()).clamp(min=SMALLEST).sqrt()
        # Of the frequencies of a real signal, `rfft2` keeps each pair once but for the first and last column.
        self._weight = torch.full((len(across),), 2.0)
        self._weight[0] = self._weight[-1] = 1.0
        self._training = self._signatures(turned)
        self._coarse = _low(self._training).conj().resolve_conj()
        self._small_MRR = training_MRR
        self._overlap, self._reachable = _overlaps(hann_R)
        near_R = torch.fft.fftfreq(side_px // 2).abs() <= FARTHEST
        self._nearby = (near_R[:, None] & near_R) / self._overlap[::2, ::2]
        self._part_whitenings = self._whitenings_of(turned)
        self._parts = self._parts_of(turned)
        farthest = int(MAX_SHIFT * side_px) // ROUGH_STEP_PX * ROUGH_STEP_PX
        steps = torch.arange(-farthest, farthest + 1, ROUGH_STEP_PX)
        self._rough_shifts_D2 = torch.cartesian_prod(steps, steps)
        self._rough_training = torch.view_as_real((self._training * self._weight)[:, in_band]).flatten(1)

    def __len__(self) -> int:
        return len(self._training) // 8

    def likeness(self, x_NRR: Tensor, alike_NK: Tensor) -> Likeness:
        """Return how some images are like the ones that are searched. The memory that this needs grows with N.

        `alike_NK` are the numbers of some training images that show the same, by any measure.
        """
        similarities, places = zip(*self._whole(x_NRR, alike_NK), strict=True)
        pairs = zip(self._parts_of(x_NRR), self._parts, strict=True)
        parts = [(ours @ theirs.T).max(dim=1) for ours, theirs in pairs]
        part_N, best_N = torch.stack([part.values for part in parts]).clamp(max=1).max(dim=0)
        part_place_N = torch.stack([part.indices for part in parts]).gather(0, best_N[None])[0]
        place_N = torch.tensor(places)
        numbers = (number for place in (place_N, part_place_N) for number in (place // 8, place % 8))
        return Likeness(torch.tensor(similarities), part_N, *numbers)

    def _whole(self, x_BRR: Tensor, alike_BK: Tensor) -> list[tuple[float, int]]:
        """Return the similarity of each image, and the place of the turned training image that is most similar."""
        moved_B23 = torch.stack([self._pose(x, alike) for x, alike in zip(x_BRR, alike_BK, strict=True)])
        poses_2B23 = torch.stack([UNMOVED_23.expand_as(moved_B23), moved_B23])
        rough_2BM = torch.stack([self._roughly(self._signatures(posed(x_BRR, poses))) for poses in poses_2B23])
        better_B = rough_2BM.amax(dim=2).argmax(dim=0)
        looks = zip(x_BRR, better_B.tolist(), poses_2B23.unbind(dim=1), rough_2BM.unbind(dim=1), strict=True)
        return [self._nearest(x_RR, poses_223[better], rough_2M[better]) for x_RR, better, poses_223, rough_2M in looks]

    def _pose(self, x_RR: Tensor, alike_K: Tensor) -> Tensor:
        """Return the pose in which an image is most like one of some training images, at half of the size."""
        half_px = x_RR.shape[-1] // 2
        training = self._coarse.view(len(self), 8, *self._coarse.shape[1:])[alike_K].flatten(0, 1)
        spectra = _low(_windowed(posed(x_RR.expand(len(POSES_P23), -1, -1), POSES_P23), self._window_RR))
        query = _unit(spectra * _low(self._whitening), self._weight[: spectra.shape[-1]])
        shifted = torch.fft.irfft2(training * query[:, None], s=(half_px, half_px)) * self._nearby
        best = int(shifted.argmax())
        shifts = torch.fft.fftfreq(half_px)
        down, across = (float(2 * shifts[step]) for step in divmod(best % half_px**2, half_px))
        return followed(POSES_P23[best // (half_px**2 * len(training))], pose(down=down, across=across))

    def _roughly(self, query: Tensor) -> Tensor:
        """Return the correlation with every training image at the best of some shifts: B x (M x 8).

        A shift turns each frequency, so the correlations at all of them are one matrix product.
        """
        down_D, across_D = self._rough_shifts_D2.unbind(dim=1)
        cycles_DJ = (down_D[:, None, None] * self._down_R1 + across_D[:, None, None] * self._across)[:, self._in_band]
        shifted_BDJ = query[:, self._in_band][:, None] * torch.exp(2j * torch.pi * cycles_DJ)
        correlations = torch.view_as_real(shifted_BDJ).flatten(2) @ self._rough_training.T
        return (correlations / self._overlap[down_D, across_D][:, None]).amax(dim=1)

    def _nearest(self, x_RR: Tensor, start_23: Tensor, rough: Tensor) -> tuple[float, int]:
        """Look closely at the roughly most similar training images, in poses near the one at the start."""
        places_K = rough.topk(min(SHORT_LIST, len(rough))).indices
        poses_P23 = followed(start_23, FINE_POSES_P23)
        queries = self._signatures(posed(x_RR.expand(len(poses_P23), -1, -1), poses_P23))
        found = self._at_whole_pixels(queries[:, None], self._training[places_K]).max(dim=-1)
        closest = found.values.flatten().topk(min(CLOSE_LOOKS, found.values.numel())).indices
        numbers, places = closest // len(places_K), places_K[closest % len(places_K)]
        cross = self._training[places].conj() * queries[numbers]
        first, steps = self._between_pixels(cross, found.indices.flatten()[closest])
        looked_at_P23 = followed(poses_P23[numbers], steps)
        second = self._overlaid(x_RR, looked_at_P23, places)
        best = int(torch.maximum(first, second).argmax())
        finest_P23 = followed(looked_at_P23[best], FINEST_POSES_P23)
        third = self._overlaid(x_RR, finest_P23, places[best].expand(len(finest_P23)))
        return min(float(torch.cat([first, second, third]).max()), 1.0), int(places[best])

    def _overlaid(self, x_RR: Tensor, poses_P23: Tensor, places_P: Tensor) -> Tensor:
        """Return the correlations of what an image in some poses shares with training images."""
        windows_PRR = shared_windows(poses_P23, x_RR.shape[-1])
        training = torch.stack([turned(self._small_MRR[place // 8], place % 8) for place in places_P.tolist()])
        theirs = self._signatures(training, windows_PRR)
        ours = self._signatures(posed(x_RR.expand_as(training), poses_P23), windows_PRR)
        return self._between_pixels(theirs.conj() * ours, torch.zeros_like(places_P))[0]

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

    def _between_pixels(self, cross: Tensor, shifts_P: Tensor) -> tuple[Tensor, Tensor]:
        """Return the best correlations near shifts in whole pixels, and the poses of the best shifts.

        Between pixels it is the sum of the cross spectrum, each frequency turned by its share of the shift.
        """
        side_px, fractions_F = len(self._overlap), torch.tensor(FRACTIONS)
        whole_2P = torch.stack([shifts_P // side_px, shifts_P % side_px])
        down_PF, across_PF = ((whole_2P + side_px // 2) % side_px - side_px // 2)[..., None] + fractions_F
        turned_down = torch.exp(2j * torch.pi * down_PF[..., None] * self._down_R1[:, 0])
        turned_across = torch.exp(2j * torch.pi * across_PF[..., None] * self._across)
        fine_PFF = (turned_down @ (cross * self._weight) @ turned_across.mT).real
        value_P, best_P = fine_PFF.flatten(1).max(dim=1)
        down_P1 = down_PF.gather(1, best_P[:, None] // len(fractions_F))
        across_P1 = across_PF.gather(1, best_P[:, None] % len(fractions_F))
        steps_P21 = 2 / side_px * torch.stack([across_P1, down_P1], dim=1)
        poses_P23 = torch.cat([torch.eye(2).expand(len(cross), 2, 2), steps_P21], dim=2)
        return value_P / self._overlap.flatten()[shifts_P], poses_P23

    def _at_whole_pixels(self, query: Tensor, training: Tensor) -> Tensor:
        side_px = len(self._overlap)
        shifted = torch.fft.irfft2(training.conj() * query, s=(side_px, side_px)) * side_px**2 / self._overlap
        reached: Tensor = shifted.masked_fill(~self._reachable, -1.0)
        return reached.flatten(-2)

    def _signatures(self, x_NRR: Tensor, windows_NRR: Tensor | None = None) -> Tensor:
        """Return whitened spectra of unit length. Flat images have none, and are like nothing."""
        windows_NRR = self._window_RR if windows_NRR is None else windows_NRR
        return _unit(_windowed(x_NRR, windows_NRR) * self._whitening, self._weight)


def _unit(spectra: Tensor, weight: Tensor) -> Tensor:
    """Return spectra of unit length. Those of flat images stay shorter."""
    length = (spectra.abs().square() * weight).sum(dim=(-2, -1), keepdim=True).sqrt()
    return spectra / length.clamp(min=FAINT)


def _low(spectra: Tensor) -> Tensor:
    """Return the low frequencies of spectra, in which the band lies: the spectra of images of half the size."""
    count = spectra.shape[-2] // 4
    return torch.cat([spectra[..., :count, : count + 1], spectra[..., -count:, : count + 1]], dim=-2)


def _windowed(x_NRR: Tensor, windows_NRR: Tensor) -> Tensor:
    """Return the spectra of images, without their windowed mean, in windows."""
    mean_N11 = (x_NRR * windows_NRR).sum(dim=(1, 2), keepdim=True) / windows_NRR.sum(dim=(-2, -1), keepdim=True)
    spectra: Tensor = torch.fft.rfft2((x_NRR - mean_N11) * windows_NRR)
    return spectra


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
