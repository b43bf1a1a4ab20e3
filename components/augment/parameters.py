"""The parameters of `augment`, from its command line."""

from ..core.parameters import Address, NonNegativeInt, PositiveInt, parameters


@parameters
class AugmentParameters:
    """The images to generate."""

    model: Address
    """`models:/NAME@ALIAS` or `models:/NAME/NUMBER`."""
    first: NonNegativeInt
    """Index of the first image. A shard of a larger set begins there."""
    count: PositiveInt
    seed: NonNegativeInt
    label: str
    """Class of the images, if the generator was trained with labels; empty for all classes."""
    images_per_file: PositiveInt = 1
    """1 for PNG files; more for tar files of so many images, in the WebDataset layout."""
