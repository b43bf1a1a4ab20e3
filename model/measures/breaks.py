"""How visible the most visible straight break of an image is, wherever it lies.

Where two pictures were joined, or rows of a sensor are stuck, neighbouring pixels differ along a whole line, and more
than beside it. `seams` asks the same of known lines, the borders of regions.

Dimensions: N images, C channels, H W pixels, A places along a line.
"""

import torch
from torch import Tensor
from torch.nn import functional

RUN = 8
"""A break is at least one side divided by this long."""
OVERLAP = 4
"""Each place along a line is looked at so many times."""
NEAR_PX, FAR_PX = 3, 16
"""A line is compared with those that are at least and at most so far from it."""
FAINT = 3.0
"""Grey levels that are added to both, so that the noise of a dark, smooth ground is no break."""
RARE = 0.05
"""Share of real images whose break is called visible."""


def straight_breaks(grey_NHW: Tensor) -> Tensor:
    """Return, for each image, how many times a line of it differs more from the next than the lines around it do.

    Absolute second differences of brightness are compared, so that a slope does not count. A line is one eighth of the
    side long, upright or level. `grey_NHW` is float, in grey levels, as `model.pixels.brightness` gives it. 1 is no
    break.
    """
    # One by one, what is computed on the way uses the same memory again.
    each = [torch.maximum(_most_visible(x_1HW), _most_visible(x_1HW.mT)) for x_1HW in torch.split(grey_NHW, 1)]
    return torch.cat(each)


def broken_share(generated_N: Tensor, real_M: Tensor) -> float:
    """Return the share of images whose break is more visible than in all but `RARE` of real ones.

    Both are results of `straight_breaks`. It is not a number if one of them is none.
    """
    if generated_N.isnan().any() or real_M.isnan().any():
        return torch.nan
    return float((generated_N > real_M.quantile(1 - RARE)).double().mean())


def _most_visible(x_NHW: Tensor) -> Tensor:
    """Return how visible the most visible upright break is."""
    first = x_NHW.diff(dim=-1)
    second = torch.add(first[..., 1:-1], first[..., :-2] + first[..., 2:], alpha=-0.5).abs_()
    runs_NAW = _runs(second)
    return ((runs_NAW + FAINT) / (_around(runs_NAW) + FAINT)).flatten(1).amax(dim=1)


def _runs(x_NHW: Tensor) -> Tensor:
    """Return the means of upright runs, each of `OVERLAP` short ones, so that every pixel is added once."""
    short_px = max(x_NHW.shape[-2] // (RUN * OVERLAP), 1)
    count = x_NHW.shape[-2] // short_px
    short_NAHW = x_NHW[:, : count * short_px].reshape(len(x_NHW), count, short_px, -1)
    return short_NAHW.mean(dim=2).unfold(1, OVERLAP, 1).mean(dim=-1)


def _around(runs_NAW: Tensor) -> Tensor:
    """Return the mean of the lines from `NEAR_PX` to `FAR_PX` on both sides of each line."""
    weights = torch.ones(1, 1, 2 * FAR_PX + 1)
    weights[..., FAR_PX - NEAR_PX + 1 : FAR_PX + NEAR_PX] = 0
    padded = functional.pad(runs_NAW.flatten(0, 1)[:, None], (FAR_PX, FAR_PX), mode="reflect")
    return (functional.conv1d(padded, weights) / weights.sum()).view_as(runs_NAW)
