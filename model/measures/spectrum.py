"""How much of an image is coarse, fine and repeated: its spectrum.

Dimensions: N images, C channels, H W pixels, O octaves, from the finest, P periods.
"""

import torch
from torch import Tensor

from ..pixels import brightness

OCTAVES = 5
PERIODS_PX = (2, 4, 8)
"""Periods of the lattices that upsampling, tiles and block-wise compression leave."""
SMALLEST = 1e-6


def octave_powers(x_NCHW: Tensor) -> Tensor:
    """Return log2 of the mean power in each of the finest octaves, of square uint8 images: N x O.

    Blur lowers the finest octave, and noise raises it. 1 more is twice the power.
    """
    return _octaves(brightness(x_NCHW))


def colour_powers(x_NCHW: Tensor) -> Tensor:
    """Return the same of red minus green, and of blue minus green: N x 2 O.

    Fading colours lower all of them, and coarse colours the finest. Grey images have none.
    """
    red_NHW, green_NHW, blue_NHW = x_NCHW.float().expand(-1, 3, -1, -1).unbind(dim=1)
    return torch.cat([_octaves(red_NHW - green_NHW), _octaves(blue_NHW - green_NHW)], dim=1)


def _octaves(x_NHW: Tensor) -> Tensor:
    power_NHW = _power(x_NHW)
    radius_HW = _radius(x_NHW.shape[-1])
    bands = [(radius_HW <= 2.0**-octave) & (radius_HW > 2.0 ** -(octave + 1)) for octave in range(1, OCTAVES + 1)]
    powers_NO = torch.stack([power_NHW[:, band].mean(dim=1) for band in bands if band.any()], dim=1)
    return powers_NO.clamp(min=SMALLEST).log2()


def lattice_powers(x_NCHW: Tensor) -> Tensor:
    """Return log2 of the mean power at the frequencies of each lattice, relative to its surroundings: N x P.

    Pixels that repeat every 8 px, as at the borders of tiles, put power at the multiples of 1/8. It is compared with
    the median power of frequencies up to three steps away.
    """
    x_NHW = brightness(x_NCHW)
    profiles_2NL = torch.stack([_line_power(x_NHW), _line_power(x_NHW.transpose(-1, -2))])
    return torch.stack([_excess(profiles_2NL, period) for period in PERIODS_PX], dim=-1).mean(dim=0)


def _excess(profiles_2NL: Tensor, period: int) -> Tensor:
    """Return the excess of a lattice's frequencies, the mean of its odd multiples, so that periods are told apart."""
    length = (profiles_2NL.shape[-1] - 1) * 2
    places = [length * multiple // period for multiple in range(1, period // 2 + 1, 2)]
    return torch.stack([_peak(profiles_2NL, place) for place in places]).mean(dim=0)


def _peak(profiles_2NL: Tensor, place: int) -> Tensor:
    around = [at for at in range(place - 4, place + 5) if abs(at - place) > 1 and 0 < at < profiles_2NL.shape[-1]]
    return profiles_2NL[..., place] - profiles_2NL[..., around].median(dim=-1).values


def _line_power(x_NHW: Tensor) -> Tensor:
    """Return log2 of the power along the rows, averaged over the rows: N x L. The length is even."""
    x_NHW = x_NHW[..., : x_NHW.shape[-1] // 8 * 8].diff(dim=-1, append=x_NHW[..., :1])
    power_NL: Tensor = torch.fft.rfft(x_NHW).abs().square().mean(dim=1)
    return power_NL.clamp(min=SMALLEST).log2()


def _power(grey_NHW: Tensor) -> Tensor:
    """Return the power at each frequency; a window hides the edges of the image."""
    height_px, width_px = grey_NHW.shape[-2:]
    window_HW = torch.hann_window(height_px)[:, None] * torch.hann_window(width_px)
    centred_NHW = grey_NHW - grey_NHW.mean(dim=(1, 2), keepdim=True)
    power_NHW: Tensor = torch.fft.rfft2(centred_NHW * window_HW).abs().square()
    return power_NHW


def _radius(side_px: int) -> Tensor:
    """Return the larger of the two frequencies, in cycles per pixel, at each place of the `rfft2` of a square."""
    down_H, across_W = torch.fft.fftfreq(side_px).abs(), torch.fft.rfftfreq(side_px)
    return torch.maximum(down_H[:, None], across_W[None])
