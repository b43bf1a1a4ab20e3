"""The `train` section of params.yaml: the training run, and a section of settings for each variant of the model."""

from dataclasses import asdict
from typing import Any, ClassVar, Literal, Protocol, get_args

from fabgan.model.paper.config import PaperConfig
from fabgan.model.seamless.config import SeamlessConfig

from ..core.errors import UserError
from ..core.parameters import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Share, parameters

VariantName = Literal["paper", "seamless"]
Precision = Literal["auto", "float32", "bfloat16"]
LEAST_MEASURED_PX = 64
"""Half of it is a region, which holds the pixels by which seams are measured."""


class VariantSettings(Protocol):
    """What the settings of every variant tell the training run."""

    several_processes: ClassVar[bool]
    """Whether several processes, or GPUs, can train it together."""
    least_batch: ClassVar[int]

    @property
    def labels(self) -> bool:
        """Whether the class labels of the manifest condition it."""

    @property
    def max_kinds(self) -> int:
        """Into how many clusters the training images are divided, at most."""

    @property
    def min_images_per_kind(self) -> int:
        """How many images a cluster has on average, at least."""

    def config(self, image_size_px: int, channels: int, kinds: int = 1, classes: int = 0) -> object:
        """Return the shapes of its networks. Raises ValueError for shapes that it has no networks for."""


@parameters
class PaperSettings:
    """The source paper's model: its networks and its objective."""

    several_processes: ClassVar[bool] = False
    least_batch: ClassVar[int] = 1
    labels: ClassVar[bool] = False
    max_kinds: ClassVar[int] = 1
    min_images_per_kind: ClassVar[int] = 1

    latent_size: PositiveInt = 64
    embedding_size: PositiveInt = 8
    generator_width: PositiveInt = 48
    discriminator_width: PositiveInt = 24
    full_discriminator_width: PositiveInt = 16
    generator_loss: Literal["minimax", "non_saturating"] = "non_saturating"
    learning_rate: PositiveFloat = 2e-4

    def config(self, image_size_px: int, channels: int, kinds: int = 1, classes: int = 0) -> PaperConfig:
        """Return the shapes of its networks, which know no kinds or classes."""
        return PaperConfig(
            image_size_px=image_size_px,
            channels=channels,
            latent_size=self.latent_size,
            embedding_size=self.embedding_size,
            generator_width=self.generator_width,
            discriminator_width=self.discriminator_width,
            full_discriminator_width=self.full_discriminator_width,
        )


@parameters
class SeamlessSettings:
    """The model whose tiles join without a seam, with its recipe for few images."""

    several_processes: ClassVar[bool] = True
    least_batch: ClassVar[int] = 2
    """Its trunk normalises over the batch."""

    labels: bool = False
    """Whether the class labels of the manifest condition the networks."""
    precision: Precision = "auto"
    latent_size: PositiveInt = 64
    generator_width: PositiveInt = 32
    discriminator_width: PositiveInt = 32
    full_discriminator_width: PositiveInt = 32
    feature_cap: PositiveInt = 64
    max_kinds: PositiveInt = 32
    """Most clusters of the training images; each class has its share of them, and at least one."""
    min_images_per_kind: PositiveInt = 10
    """There are no more kinds than leave each this many images, on average."""
    learning_rate: PositiveFloat = 3e-3
    discriminator_learning_rate: PositiveFloat = 5e-4
    lr_decay_fraction: Share = 0.4
    """The learning rates fall over this last part of the training."""
    final_lr_fraction: Share = 0.02
    """They fall to this fraction of themselves."""
    energy_weight: NonNegativeFloat = 50.0
    """Weight of the energy score in G's loss."""
    r1_gamma: NonNegativeFloat = 0.1
    """Weight of the R1 gradient penalty."""
    ema_decay: Share = 0.995

    def config(self, image_size_px: int, channels: int, kinds: int = 1, classes: int = 0) -> SeamlessConfig:
        """Return the shapes of its networks."""
        return SeamlessConfig(
            image_size_px=image_size_px,
            channels=channels,
            latent_size=self.latent_size,
            generator_width=self.generator_width,
            discriminator_width=self.discriminator_width,
            full_discriminator_width=self.full_discriminator_width,
            feature_cap=self.feature_cap,
            kinds=kinds,
            classes=classes,
        )


@parameters
class TrainParameters:
    """The `train` section of params.yaml."""

    image_size_px: PositiveInt
    """Side of the generated images: a power of two, one of crop_resize.sizes_px."""
    total_images: PositiveInt
    """Real images shown in all; training ends there."""
    checkpoint_images: PositiveInt = 4000
    """A checkpoint and a grid of samples every so many images."""
    batch_size: PositiveInt = 8
    variant: VariantName = "seamless"
    """Which model is trained; its settings are in the section of its name."""
    seed: NonNegativeInt = 1
    paper: PaperSettings = PaperSettings()
    seamless: SeamlessSettings = SeamlessSettings()

    def __post_init__(self) -> None:
        """Refuse a batch that the variant cannot normalise, and shapes that no network has."""
        self.settings.config(self.image_size_px, channels=3)
        if self.image_size_px < LEAST_MEASURED_PX:
            raise ValueError(f"image_size_px: expected {LEAST_MEASURED_PX} px or more, got {self.image_size_px}")
        if self.batch_size < (least := self.settings.least_batch):
            raise ValueError(f"batch_size: {self.variant} normalises over a batch and needs at least {least}")

    @property
    def settings(self) -> VariantSettings:
        """The settings of the chosen variant."""
        settings: VariantSettings = getattr(self, self.variant)
        return settings

    def that_count(self) -> dict[str, Any]:
        """Return what decides the result, JSON-like: everything but the settings of the other variants."""
        others = set(get_args(VariantName)) - {self.variant}
        return {name: value for name, value in asdict(self).items() if name not in others}


def check_processes(params: TrainParameters, count: int) -> None:
    """Raise UserError where this many processes, or GPUs, cannot train together with these parameters."""
    if count == 1:
        return
    if not params.settings.several_processes:
        raise UserError(f"train.variant: {params.variant} trains in one process, on one GPU; got {count}")
    if params.batch_size % count:
        raise UserError(f"train.batch_size: {params.batch_size} images cannot be divided evenly by {count} processes")
