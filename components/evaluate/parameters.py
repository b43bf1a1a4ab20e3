"""The `evaluate` section of params.yaml."""

from ..core.parameters import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, parameters


@parameters
class EvaluateParameters:
    """The `evaluate` section of params.yaml."""

    generated_images: PositiveInt = 1000
    """Number of images that are generated and measured."""
    seed: NonNegativeInt = 1
    max_share_of_untrained: PositiveFloat = 0.2
    """Maximum frechet_random for the verdict, relative to the generator before training."""
    min_diversity: NonNegativeFloat = 0.7
    """Minimum diversity, diversity_nearest and novelty for the verdict, relative to real images (1 = as real)."""
    min_ser: PositiveFloat = 0.95
    """Minimum seam excess ratios for the verdict (1 = as real)."""
    max_ser: PositiveFloat = 1.05
    """Maximum seam excess ratios for the verdict."""

    def __post_init__(self) -> None:
        """Refuse an empty range of seam excess ratios, and too few images for a covariance."""
        if self.min_ser > self.max_ser:
            raise ValueError(f"min_ser: {self.min_ser} is above max_ser = {self.max_ser}")
        if self.generated_images < 2:
            raise ValueError("generated_images: a distance between distributions needs at least 2")
