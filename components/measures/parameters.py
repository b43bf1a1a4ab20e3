"""The `evaluate` section of params.yaml. `publish` reads it too, because it measures again."""

from ..core.parameters import Address, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, parameters


@parameters
class EvaluateParameters:
    """The `evaluate` section of params.yaml."""

    generated_images: PositiveInt = 1000
    """Number of images that are generated and measured."""
    seed: NonNegativeInt = 1
    max_distance: NonNegativeFloat = 1.5
    """How far distances may lie above the range of real lots (5% to 95%), in widths of that range."""
    min_share: NonNegativeFloat = 0.5
    """Minimum precision, recall and coverage, relative to what 95% of the divisions of real lots reach."""
    max_two_sample: NonNegativeFloat = 0.5
    """How far two_sample_auc may lie above what a classifier tells real lots apart by, as a share of the way to 1."""
    max_outliers: NonNegativeFloat = 0.05
    """Maximum share of generated images that are unlike every real one; real lots that differ may double it."""
    max_far_outliers: NonNegativeFloat = 0.01
    """Maximum share of generated images that are so unlike every real one that they are garbage."""
    max_repeated: NonNegativeFloat = 0.1
    """How far the share of generated images that are nearly equal to another one may lie above that of real ones."""
    min_ser: PositiveFloat = 0.95
    """Minimum seam excess ratios for the verdict (1 = as real)."""
    max_ser: PositiveFloat = 1.05
    """Maximum seam excess ratios for the verdict."""
    max_copied_share: NonNegativeFloat = 0.02
    """Maximum share of generated images that copy a training image. A generator that is handed on must copy none."""
    max_membership: PositiveFloat = 0.65
    """Maximum membership_auc of a generator that is handed on (0.5 = chance)."""
    usefulness: bool = False
    """Whether to train inspection models with and without generated images. It needs labels. The gain then counts."""
    extractor_file: Address = ""
    """TorchScript file of the network whose features are compared, as below. Empty for EfficientNet-Lite1."""
    extractor_sha256: str = ""
    """Its digest."""
    inception_file: Address = ""
    """TorchScript file of the Inception network, for FID: a path, or s3://bucket/key. Empty for none."""
    inception_sha256: str = ""
    """Its digest."""

    def __post_init__(self) -> None:
        """Refuse an empty range of seam excess ratios, too few images for a covariance, and a file without digest."""
        if self.min_ser > self.max_ser:
            raise ValueError(f"min_ser: {self.min_ser} is above max_ser = {self.max_ser}")
        if self.generated_images < 2:
            raise ValueError("generated_images: a distance between distributions needs at least 2")
        for name in ("extractor", "inception"):
            if getattr(self, f"{name}_file") and not getattr(self, f"{name}_sha256"):
                raise ValueError(f"{name}_sha256: the digest of {name}_file is needed")
