"""Differentiable augmentation of what judges see, for training on few images.

Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training" (arXiv:2006.10738): real and generated
images get the same colour, translation and cutout, whose gradients reach G, so that judges cannot learn the few real
images by heart and G learns none of the changes.

Dimensions: B batch, C channels, H W pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

TRANSLATION = 1 / 8
CUTOUT = 1 / 2


@dataclass(frozen=True)
class Augmentation:
    """One set of parameters an image; every draw is uniform."""

    brightness_B: Tensor
    """Added to the pixels; as published, in [-0.5, 0.5]."""
    saturation_B: Tensor
    """Factor of the distance to a pixel's grey; as published, in [0, 2]."""
    contrast_B: Tensor
    """Factor of the distance to the image's mean; as published, in [0.5, 1.5]."""
    shift_B2: Tensor
    """Translation down and to the right, in pixels, up to an eighth of the side; grey comes in."""
    hole_B2: Tensor
    """Centre (y, x) of a square of half the side that is made grey, in pixels."""

    def __getitem__(self, chosen: slice) -> "Augmentation":
        """Return the parameters of some of the images."""
        return Augmentation(*(value[chosen] for value in vars(self).values()))

    def __call__(self, x_BCHW: Tensor) -> Tensor:
        """Return augmented images, B x C x H x W; float, around [-1, 1]."""
        shifts = self.shift_B2.tolist()
        shifted = [_shifted(image, *shift) for image, shift in zip(self._coloured(x_BCHW), shifts, strict=True)]
        seen_BCHW = shifted[0][None] if len(shifted) == 1 else torch.stack(shifted)
        return seen_BCHW.mul_(self._kept(x_BCHW))  # in place: at 4096 px every copy of an image is 192 MiB

    def _coloured(self, x_BCHW: Tensor) -> Tensor:
        """Return c (S x) + (1 - c) mean(x) + b, with S x = s x + (1 - s) grey(x)."""
        if (self.brightness_B == 0).all() and (self.saturation_B == 1).all() and (self.contrast_B == 1).all():
            return x_BCHW
        brightness, saturation, contrast = (
            value[:, None, None, None].to(x_BCHW) for value in (self.brightness_B, self.saturation_B, self.contrast_B)
        )
        grey_B1HW = x_BCHW.mean(dim=1, keepdim=True)
        mean_B111 = grey_B1HW.mean(dim=(2, 3), keepdim=True)
        rest_B1HW = contrast * (1 - saturation) * grey_B1HW + (1 - contrast) * mean_B111 + brightness
        return torch.addcmul(rest_B1HW, x_BCHW, contrast * saturation)

    def _kept(self, x_BCHW: Tensor) -> Tensor:
        """Return 0 in each image's hole and 1 elsewhere, B x 1 x H x W."""
        places = torch.arange(x_BCHW.shape[-1], device=x_BCHW.device)
        far_B2P = (places - self.hole_B2.to(places)[:, :, None]).abs() > x_BCHW.shape[-1] * CUTOUT / 2
        return (far_B2P[:, 0, :, None] | far_B2P[:, 1, None, :])[:, None].to(x_BCHW)


def draw_augmentation(batch: int, size_px: int, stream: torch.Generator, colour: float = 1.0) -> Augmentation:
    """Return new parameters for a batch of images of `size_px` a side.

    `colour` scales the published ranges of the three colour changes; 0 leaves colours as they are.
    """
    reach_px = int(size_px * TRANSLATION)
    brightness, saturation, contrast = (torch.rand(3, batch, generator=stream) - 0.5) * colour
    return Augmentation(
        brightness_B=brightness,
        saturation_B=1 + 2 * saturation,
        contrast_B=1 + contrast,
        shift_B2=torch.randint(-reach_px, reach_px + 1, (batch, 2), generator=stream),
        hole_B2=torch.randint(size_px + 1, (batch, 2), generator=stream),
    )


def _shifted(x_CHW: Tensor, down_px: int, right_px: int) -> Tensor:
    """Return an image moved down and to the right; a negative pad crops."""
    return functional.pad(x_CHW, (right_px, -right_px, down_px, -down_px))
