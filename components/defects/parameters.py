"""The parameters of `defects` and `train_defects`, from their command lines."""

from typing import Literal

from ..core.parameters import NonNegativeInt, PositiveInt, SeveralInt, parameters

Layout = Literal["masks", "coco", "yolo", "mvtec"]
DEFECTS_PER_IMAGE = 3
"""As many as in the images that are judged."""


@parameters
class DefectsParameters:
    """The images to make."""

    size_px: PositiveInt
    """Side of the images: one of crop_resize.sizes_px."""
    counts: dict[str, PositiveInt]
    """How many images of each kind. Empty: `per_kind` images of every kind that is recommended, or `images` in all."""
    per_kind: NonNegativeInt
    images: NonNegativeInt
    """More of them show the kinds that an inspection model finds worse."""
    seed: NonNegativeInt
    layout: Layout
    """How a training program expects images, masks and boxes."""
    defects_per_image: PositiveInt = DEFECTS_PER_IMAGE

    def __post_init__(self) -> None:
        """Refuse to make no image."""
        if not (self.counts or self.per_kind or self.images):
            raise ValueError("give a number of images above 0")


@parameters
class DatasetParameters:
    """The images that a data set of torch makes."""

    size_px: PositiveInt
    length: PositiveInt
    seed: NonNegativeInt
    defects_per_image: PositiveInt


@parameters
class TrainDefectsParameters:
    """How the defect model is trained and judged."""

    size_px: PositiveInt
    """Side of the images: one of crop_resize.sizes_px."""
    steps: PositiveInt
    runs: SeveralInt
    """How often inspection models are trained in each way, to judge what made defects add."""
    seed: NonNegativeInt
