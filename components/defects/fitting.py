"""The trained defect model as a way of making defects: it fits a cutout into a background.

Dimensions: C channels, H W pixels, B = 1 window.
"""

from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from fabgan.model.defects.networks import STRIDE, DefectGenerator, Scene
from fabgan.model.pixels import to_levels

from ..core.images import Pixels
from .cutouts import Cutout
from .maps import maps_of
from .pasting import shares, spot_of
from .places import Place

MARGIN_PX = 24
"""So far around the mask the model looks at the background."""


class Fitter:
    """Fits cutouts into backgrounds with a trained network."""

    def __init__(self, network: DefectGenerator, kinds: list[str]) -> None:
        self._network = network.eval()
        self._network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a third faster on a CPU
        self._kinds = kinds

    @torch.inference_mode()
    def __call__(self, cutout: Cutout, background_HWC: Pixels, place: Place) -> tuple[Pixels, Pixels]:
        """Return the background with a defect in it, H x W x C, and the mask of the defect, H x W of 0 and 1.

        Pixels outside the `neighbourhood` of the mask are those of the background.
        """
        spot, part = spot_of(cutout, background_HWC, place), _part(cutout)
        core = replace(cutout, pixels_HWC=cutout.pixels_HWC[part], covers_HW=cutout.covers_HW[part])
        new_HWC, share_HW = spot.pixels(), shares(core)
        maps = [torch.from_numpy(map_.copy())[None] for map_ in maps_of(core, new_HWC[part], core.pixels_HWC)]
        height_px, width_px = maps[0].shape[-2:]
        background, reference, shape, share = (_padded(map_) for map_ in maps)
        kind = torch.tensor([self._kinds.index(cutout.kind)])
        scene = Scene(background, shape, share, functional.one_hot(kind, len(self._kinds)).float())
        made_CHW = self._network(scene, reference)[0, :, :height_px, :width_px]
        made_HWC = to_levels(made_CHW).permute(1, 2, 0).numpy()
        new_HWC[part] = np.where(share_HW[:, :, None] > 0, made_HWC, new_HWC[part])
        return spot.filled(new_HWC, cutout)


def _part(cutout: Cutout) -> tuple[slice, slice]:
    """Return the mask's box with a margin, inside the cutout."""
    left, top, width, height = cv2.boundingRect(cutout.covers_HW.astype(np.uint8))
    return np.s_[
        max(top - MARGIN_PX, 0) : top + height + MARGIN_PX, max(left - MARGIN_PX, 0) : left + width + MARGIN_PX
    ]


def _padded(map_1XHW: Tensor) -> Tensor:
    """Return a map whose height and width are multiples of `STRIDE`."""
    height_px, width_px = map_1XHW.shape[-2:]
    return functional.pad(map_1XHW, (0, -width_px % STRIDE, 0, -height_px % STRIDE), mode="replicate")
