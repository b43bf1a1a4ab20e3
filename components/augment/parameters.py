"""What `augment` is asked for."""

from ..core.parameters import NonNegativeInt, PositiveInt, parameters


@parameters
class AugmentParameters:
    """What is asked for."""

    model: str
    """`models:/NAME@ALIAS` or `models:/NAME/NUMBER`."""
    first: NonNegativeInt
    """Index of the first image: a shard of a larger set begins there."""
    count: PositiveInt
    seed: NonNegativeInt
    label: str
    """Class of the images, of a generator that was trained with labels; empty for all of them."""
