"""The images of a report: what a person looks at beside the measures.

Dimensions: C channels, H W pixels.
"""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Suspect:
    """A generated image beside the training image that is most like it."""

    generated_CHW: Tensor
    training_CHW: Tensor
    """Turned and mirrored like the generated one."""
    similarity: float
    """Correlation of their detail, at most 1."""
    by_part: bool
    """Whether that of a part is meant, and not that of the whole image."""


@dataclass(frozen=True)
class Gallery:
    """Images, C x H x W uint8."""

    generated: list[Tensor]
    real: list[Tensor]
    """Held-out images."""
    suspects: list[Suspect] = field(default_factory=list)
    """The generated images nearest to what counts as a copy, or farthest beyond, the most suspect first."""
    worst: list[Tensor] = field(default_factory=list)
    """The generated images that the classifier tells from real ones most surely, the worst first."""
    seams_HW: Tensor | None = None
    """Largest absolute difference between neighbouring pixels in each cell, as the mean over generated images, relative
    to held-out ones: 1 is as real. At most 128 cells a side."""
