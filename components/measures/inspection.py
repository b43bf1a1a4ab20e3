"""An inspection model: frozen features of a trained network, and a small head that finds defects pixel by pixel.

It judges images by what they add to its training. It never trained what made them.

Dimensions: C channels, H W pixels, F features, Y X places of the features in an image, P places of all images.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d, binary_cross_entropy_with_logits, interpolate

from fabgan.model.streams import random_stream

from ..artifacts.parallel import in_parallel
from ..core.images import Pixels
from .extractors import float32_arithmetic, lite1_input, lite1_network

STRIDES = (4, 8, 16)
PLACES_STRIDE = 8
KEPT_PLACES = 1024
"""So many places without a defect are kept of a larger image, at random."""
STEPS = 300
BATCH = 2048
DEFECT_SHARE = 0.25
"""Share of the places in a batch that are defects."""
LEARNING_RATE = 1e-2
WEIGHT_DECAY = 1e-2
HIDDEN = 32
HEADS = 4
MAX_CONTRAST, MAX_BRIGHTNESS = 0.2, 20.0

Image = tuple[Pixels, Pixels]
"""Pixels, H x W x C, and the mask of the defects, H x W, which is 0 where there is none."""


@dataclass(frozen=True)
class Places:
    """The features of places of images, and which of them a defect touches."""

    features_PF: Tensor
    """float16."""
    defect_P: Tensor


def joined(parts: Sequence[Places]) -> Places:
    """Return the places of several groups as one group."""
    return Places(torch.cat([part.features_PF for part in parts]), torch.cat([part.defect_P for part in parts]))


class DenseFeatures:
    """Turns images into features at every eighth pixel, from three depths of EfficientNet-Lite1."""

    def __init__(self) -> None:
        self._network = lite1_network()

    @torch.inference_mode()
    def features(self, pixels_HWC: Pixels) -> Tensor:
        """Return the features of an image, F x Y x X float16."""
        x_1CHW = torch.from_numpy(np.ascontiguousarray(pixels_HWC)).permute(2, 0, 1)[None]
        with float32_arithmetic():
            found = self._maps(lite1_input(x_1CHW))
        size = found[PLACES_STRIDE].shape[-2:]
        fine = adaptive_max_pool2d(found[STRIDES[0]], size)
        coarse = interpolate(found[STRIDES[2]], size=size, mode="bilinear")
        return torch.cat([fine, found[PLACES_STRIDE], coarse], dim=1)[0].half().cpu()

    def _maps(self, x_1CHW: Tensor) -> dict[int, Tensor]:
        """Return the last feature map of each stride up to the largest of `STRIDES`."""
        network, width_px, found = self._network, x_1CHW.shape[-1], dict[int, Tensor]()
        x = network._swish(network._bn0(network._conv_stem(x_1CHW)))
        for block in network._blocks:
            if width_px // x.shape[-1] > max(STRIDES):
                break
            found[width_px // x.shape[-1]] = x
            x = block(x)
        return found

    def places(self, images: Iterable[Image], random: np.random.Generator) -> Places:
        """Return places of images: all that a defect touches, and at most `KEPT_PLACES` others of each image."""
        # Images may be drawn from `random` too, and several of them before the places of the first are.
        (drawing,) = random.spawn(1)
        return joined([_kept(*seen, drawing) for seen in self.seen(images)])

    def seen(self, images: Iterable[Image]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the features of images, F x Y x X, and which of their places a defect touches, Y x X."""
        return in_parallel(self._seen, images, lambda image: image[1].size, gpu=True)

    def _seen(self, image: Image) -> tuple[Tensor, Tensor]:
        pixels_HWC, mask_HW = image
        features_FYX = self.features(pixels_HWC)
        return features_FYX, touched(mask_HW, features_FYX)


def _kept(features_FYX: Tensor, touched_YX: Tensor, random: np.random.Generator) -> Places:
    defect_P = touched_YX.flatten()
    good = np.flatnonzero(~defect_P.numpy())
    chosen = torch.from_numpy(random.permutation(good)[:KEPT_PLACES])
    kept = torch.cat([defect_P.nonzero()[:, 0], chosen])
    return Places(features_FYX.flatten(1).T[kept], defect_P[kept])


def touched(mask_HW: Pixels, features_FYX: Tensor) -> Tensor:
    """Return which places of an image's features a defect touches: Y x X."""
    mask_1HW = torch.from_numpy((mask_HW > 0).astype(np.float32))[None]
    return adaptive_max_pool2d(mask_1HW, features_FYX.shape[-2:])[0] > 0


def classical(images: Iterable[Image], variants: int, random: np.random.Generator) -> Iterator[Image]:
    """Yield images and masks that are turned, mirrored, and changed in contrast and brightness."""
    return (_changed(*image, random) for image in images for _ in range(variants))


def _changed(pixels_HWC: Pixels, mask_HW: Pixels, random: np.random.Generator) -> Image:
    turns, mirror = int(random.integers(4)), int(random.choice([1, -1]))
    contrast = 1 + MAX_CONTRAST * random.uniform(-1, 1)
    shifted_HWC = pixels_HWC * contrast + MAX_BRIGHTNESS * random.uniform(-1, 1)
    lit_HWC = np.rint(shifted_HWC).clip(0, 255).astype(np.uint8)
    return np.rot90(lit_HWC, turns)[:, ::mirror], np.ascontiguousarray(np.rot90(mask_HW, turns)[:, ::mirror])


class InspectionModel:
    """Heads, trained on groups of places, of which each gives the same share of every batch.

    The score is the mean of `HEADS` heads that differ in their first weights, because that of one depends on chance.
    """

    def __init__(self, features: int, seed: int) -> None:
        self._stream = random_stream(seed, "inspection")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._stream.initial_seed())
            self._heads = _Heads(features)

    def train(self, groups: Sequence[Places]) -> None:
        """Train with places. Random numbers are the model's own, so several models may be trained at a time."""
        sides = [_Sides(group) for group in groups]
        optimizer = torch.optim.AdamW(self._heads.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=STEPS)
        for _ in range(STEPS):
            drawn = [side.drawn(BATCH // len(groups), self._stream) for side in sides]
            x_PF, defect_P = (torch.cat(part) for part in zip(*drawn, strict=True))
            scores_PN = self._heads(x_PF.float())
            target_PN = defect_P.float()[:, None].expand_as(scores_PN)
            loss = HEADS * binary_cross_entropy_with_logits(scores_PN, target_PN)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        self._heads.eval()

    @torch.inference_mode()
    def scores(self, features_FYX: Tensor) -> Tensor:
        """Return a score of each place of an image, higher for defects: Y x X."""
        scores_PN: Tensor = self._heads(features_FYX.flatten(1).T.float())
        return scores_PN.mean(dim=1).view(features_FYX.shape[1:])


class _Heads(nn.Module):
    """`HEADS` networks with one hidden layer each, side by side."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.BatchNorm1d(features, affine=False), nn.Linear(features, HEADS * HIDDEN))
        self.outputs = nn.ModuleList(nn.Linear(HIDDEN, 1) for _ in range(HEADS))

    def forward(self, x_PF: Tensor) -> Tensor:
        """Return the score that each head gives to each place: P x N."""
        hidden = self.hidden(x_PF).relu().split(HIDDEN, dim=1)
        return torch.cat([output(x_PH) for output, x_PH in zip(self.outputs, hidden, strict=True)], dim=1)


class _Sides:
    """The places of a group, told apart by whether they are defects."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._bad, self._good = places.defect_P.nonzero()[:, 0], (~places.defect_P).nonzero()[:, 0]

    def drawn(self, count: int, stream: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return the features of random places, and which are defects."""
        of_bad = round(DEFECT_SHARE * count)
        picked = torch.cat(
            [
                side[torch.randint(len(side), (number,), generator=stream)]
                for side, number in ((self._bad, of_bad), (self._good, count - of_bad))
            ]
        )
        return self._places.features_PF[picked], self._places.defect_P[picked]
