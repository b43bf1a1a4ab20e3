"""The parameters of `defects`, from its command line."""

from typing import Literal

from ..core.parameters import NonNegativeInt, PositiveInt, parameters

Layout = Literal["masks", "coco", "yolo", "mvtec"]


@parameters
class DefectsParameters:
    """The images to make."""

    size_px: PositiveInt
    """Side of the images: one of crop_resize.sizes_px."""
    counts: dict[str, PositiveInt]
    """How many images of each kind. Empty: `per_kind` images of every kind."""
    per_kind: PositiveInt
    defects_per_image: PositiveInt
    seed: NonNegativeInt
    layout: Layout
    """How a training program expects images, masks and boxes."""


@parameters
class TrainDefectsParameters:
    """How the defect model is trained and judged."""

    size_px: PositiveInt
    """Side of the images: one of crop_resize.sizes_px."""
    steps: PositiveInt
    runs: PositiveInt
    """How often inspection models are trained in each way, to judge what made defects add."""
    seed: NonNegativeInt
