"""The `evaluate` section of params.yaml."""

from ..core.parameters import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, parameters


@parameters
class EvaluateParameters:
    """The `evaluate` section of params.yaml."""

    generated_images: PositiveInt = 1000
    """How many images are generated and measured."""
    seed: NonNegativeInt = 1
    max_share_of_untrained: PositiveFloat = 0.2
    """The verdict asks frechet_random to be at most this share of the untrained generator's."""
    min_diversity: NonNegativeFloat = 0.7
    """The verdict asks diversity, diversity_nearest and novelty not to be below this (1 is as in real images)."""
    min_ser: PositiveFloat = 0.95
    """The verdict asks for seam excess ratios not below this (1 is as in real images) ..."""
    max_ser: PositiveFloat = 1.05
    """... and not above this."""

    def __post_init__(self) -> None:
        """Refuse an empty range of seam excess ratios, or too few images for a covariance."""
        if self.min_ser > self.max_ser:
            raise ValueError(f"min_ser: {self.min_ser} is above max_ser = {self.max_ser}")
        if self.generated_images < 2:
            raise ValueError("generated_images: a distance between distributions needs at least 2")
