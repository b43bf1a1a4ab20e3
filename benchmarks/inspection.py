"""An inspection model: frozen features of a trained network, and a small head that finds defects pixel by pixel.

It judges images by what they add to its training. It never trained what made them.

Dimensions: N images, C channels, H W pixels, F features, Y X places of the features, P all places of all images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d, binary_cross_entropy_with_logits, interpolate

from fabgan.components.core.images import Pixels
from fabgan.components.measures.extractors import efficientnet_lite1
from fabgan.model.streams import random_stream

STRIDES = (4, 8, 16)
PLACES_STRIDE = 8
STEPS = 300
BATCH = 4096
DEFECT_SHARE = 0.25
"""Share of the places in a batch that are defects."""
LEARNING_RATE = 1e-2
WEIGHT_DECAY = 1e-2
HIDDEN = 32
VARIANTS = 4
MAX_CONTRAST, MAX_BRIGHTNESS = 0.2, 20.0


@dataclass(frozen=True)
class Examples:
    """The features of images, and where their defects are."""

    features_NFYX: Tensor
    """float16."""
    defect_NYX: Tensor
    """Whether a defect touches the place."""

    def places(self) -> tuple[Tensor, Tensor]:
        """Return the features of all places, P x F, and whether each is a defect, P."""
        return self.features_NFYX.permute(0, 2, 3, 1).flatten(0, 2), self.defect_NYX.flatten()

    def chosen(self, places_N: Tensor) -> "Examples":
        """Return some of the images."""
        return Examples(self.features_NFYX[places_N], self.defect_NYX[places_N])


class Eye:
    """Turns images into features at every eighth pixel, from three depths of EfficientNet-Lite1."""

    def __init__(self) -> None:
        network: Any = efficientnet_lite1().network
        self._network = network.args[0]

    @torch.inference_mode()
    def examples(self, images: Sequence[tuple[Pixels, Pixels]]) -> Examples:
        """Return the features of pairs of an image, H x W x C, and its mask, H x W."""
        seen = [self._features(pixels_HWC) for pixels_HWC, _ in images]
        masks = [torch.from_numpy((mask_HW > 0).astype(np.float32))[None] for _, mask_HW in images]
        touched = [adaptive_max_pool2d(mask_1HW, seen[0].shape[-2:])[0] > 0 for mask_1HW in masks]
        return Examples(torch.stack(seen), torch.stack(touched))

    def _features(self, pixels_HWC: Pixels) -> Tensor:
        x_1CHW = torch.from_numpy(np.ascontiguousarray(pixels_HWC)).permute(2, 0, 1)[None]
        x = (x_1CHW.expand(-1, 3, -1, -1).float() - 127) / 128
        network, width_px, found = self._network, pixels_HWC.shape[1], dict[int, Tensor]()
        x = network._swish(network._bn0(network._conv_stem(x.contiguous(memory_format=torch.channels_last))))
        for block in network._blocks:
            if width_px // x.shape[-1] > max(STRIDES):
                break
            found[width_px // x.shape[-1]] = x
            x = block(x)
        size = found[PLACES_STRIDE].shape[-2:]
        fine = adaptive_max_pool2d(found[STRIDES[0]], size)
        coarse = interpolate(found[STRIDES[2]], size=size, mode="bilinear")
        return torch.cat([fine, found[PLACES_STRIDE], coarse], dim=1)[0].half()


def classical(images: Sequence[tuple[Pixels, Pixels]], random: np.random.Generator) -> list[tuple[Pixels, Pixels]]:
    """Return images and masks that are turned, mirrored, and changed in contrast and brightness."""
    return [_changed(*image, random) for image in images for _ in range(VARIANTS)]


def _changed(pixels_HWC: Pixels, mask_HW: Pixels, random: np.random.Generator) -> tuple[Pixels, Pixels]:
    turns, mirror = int(random.integers(4)), int(random.choice([1, -1]))
    contrast = 1 + MAX_CONTRAST * random.uniform(-1, 1)
    shifted_HWC = pixels_HWC * contrast + MAX_BRIGHTNESS * random.uniform(-1, 1)
    lit_HWC = np.rint(shifted_HWC).clip(0, 255).astype(np.uint8)
    return np.rot90(lit_HWC, turns)[:, ::mirror], np.ascontiguousarray(np.rot90(mask_HW, turns)[:, ::mirror])


class InspectionModel:
    """The head, trained on groups of examples, of which each gives the same share of every batch."""

    def __init__(self, groups: Sequence[Examples], seed: int) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            features = groups[0].features_NFYX.shape[1]
            self._head = nn.Sequential(
                nn.BatchNorm1d(features, affine=False), nn.Linear(features, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1)
            )
        stream = random_stream(seed, "inspection")
        optimizer = torch.optim.AdamW(self._head.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
        sides = [_sides(group) for group in groups]
        for _ in range(STEPS):
            drawn = [_drawn(side, BATCH // len(groups), stream) for side in sides]
            x_PF, defect_P = (torch.cat(part) for part in zip(*drawn, strict=True))
            loss = binary_cross_entropy_with_logits(self._head(x_PF.float())[:, 0], defect_P.float())
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        self._head.eval()

    @torch.inference_mode()
    def scores(self, examples: Examples) -> Tensor:
        """Return a score of each place of each image, higher for defects: N x Y x X."""
        parts = [self._head(part.float()) for part in torch.split(examples.places()[0], 1 << 16)]
        return torch.cat(parts).view(examples.defect_NYX.shape)


def _sides(group: Examples) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x_PF, defect_P = group.places()
    return x_PF, defect_P, defect_P.nonzero()[:, 0], (~defect_P).nonzero()[:, 0]


def _drawn(side: tuple[Tensor, Tensor, Tensor, Tensor], count: int, stream: torch.Generator) -> tuple[Tensor, Tensor]:
    x_PF, defect_P, bad, good = side
    of_bad = round(DEFECT_SHARE * count)
    picked = [
        places[torch.randint(len(places), (number,), generator=stream)]
        for places, number in ((bad, of_bad), (good, count - of_bad))
    ]
    return x_PF[torch.cat(picked)], defect_P[torch.cat(picked)]
