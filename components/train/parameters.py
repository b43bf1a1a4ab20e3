"""The `train` section of params.yaml: the training run, and the settings of each variant of the model."""

import math
from dataclasses import asdict
from typing import Any, ClassVar, Literal, Protocol, get_args

from fabgan.model.paper.config import PaperConfig
from fabgan.model.seamless.config import SeamlessConfig

from ..core.errors import UserError
from ..core.parameters import Address, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Share, parameters

VariantName = Literal["paper", "seamless"]
Precision = Literal["auto", "float32", "bfloat16"]
MIN_IMAGE_SIZE_PX = 64
"""A region is half of it, and must hold the pixels that the seam measure compares."""


class VariantSettings(Protocol):
    """What the training run needs to know of a variant's settings."""

    several_processes: ClassVar[bool]
    """Whether several processes, or GPUs, can train the variant together."""
    min_batch_size: ClassVar[int]

    @property
    def labels(self) -> bool:
        """Whether the class labels of the manifest condition the networks."""

    @property
    def max_kinds(self) -> int:
        """Maximum number of clusters of the training images."""

    @property
    def min_images_per_kind(self) -> int:
        """Minimum number of images per cluster, on average."""

    def config(self, image_size_px: int, channels: int, kinds: int = 1, classes: int = 0) -> object:
        """Return the shapes of the networks. Raises ValueError for impossible shapes."""


@parameters
class PaperSettings:
    """The source paper's model: its networks and its objective."""

    several_processes: ClassVar[bool] = False
    min_batch_size: ClassVar[int] = 1
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
        """Return the shapes of the networks. `kinds` and `classes` have no effect."""
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
    min_batch_size: ClassVar[int] = 2
    """The trunk normalises over the batch."""

    labels: bool = False
    """Whether the class labels of the manifest condition the networks."""
    precision: Precision = "auto"
    latent_size: PositiveInt = 64
    generator_width: PositiveInt = 32
    discriminator_width: PositiveInt = 32
    full_discriminator_width: PositiveInt = 32
    feature_cap: PositiveInt = 64
    max_kinds: PositiveInt = 32
    """Maximum number of clusters of the training images. Each class has its share of them, and at least one."""
    min_images_per_kind: PositiveInt = 10
    """Minimum number of images per cluster, on average."""
    learning_rate: PositiveFloat = 3e-3
    discriminator_learning_rate: PositiveFloat = 5e-4
    lr_decay_fraction: Share = 0.4
    """Learning rate decay: the learning rates fall over this last fraction of the training."""
    final_lr_fraction: Share = 0.02
    """They fall to this fraction of their initial values."""
    energy_weight: NonNegativeFloat = 50.0
    """Weight of the energy score in G's loss."""
    r1_gamma: NonNegativeFloat = 0.1
    """Weight of the R1 penalty on the gradients of the discriminators."""
    ema_decay: Share = 0.995

    def config(self, image_size_px: int, channels: int, kinds: int = 1, classes: int = 0) -> SeamlessConfig:
        """Return the shapes of the networks."""
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
    """Number of real images shown in all. Training ends when it is reached."""
    checkpoint_images: PositiveInt = 4000
    """A checkpoint and a grid of samples are written each time this many images were shown."""
    batch_size: PositiveInt = 8
    variant: VariantName = "seamless"
    """Which model is trained. Its settings are in the section of the same name."""
    seed: NonNegativeInt = 1
    start_from: Address = ""
    """Weights to start from: `models:/NAME/NUMBER`, or a folder with a generator or a checkpoint. Empty: random ones.

    A generator must not lie where this training writes its own.
    Discriminators are part of checkpoints only. The whole training follows, with learning rates from their beginning.
    """
    paper: PaperSettings = PaperSettings()
    seamless: SeamlessSettings = SeamlessSettings()

    def __post_init__(self) -> None:
        """Refuse a batch that is too small to normalise, and impossible shapes."""
        self.settings.config(self.image_size_px, channels=3)
        if self.image_size_px < MIN_IMAGE_SIZE_PX:
            raise ValueError(f"image_size_px: expected {MIN_IMAGE_SIZE_PX} px or more, got {self.image_size_px}")
        if self.batch_size < (minimum := self.settings.min_batch_size):
            raise ValueError(f"batch_size: {self.variant} normalises over a batch and needs at least {minimum}")

    @property
    def settings(self) -> VariantSettings:
        """The settings of the chosen variant."""
        settings: VariantSettings = getattr(self, self.variant)
        return settings

    @property
    def total_steps(self) -> int:
        """Number of training steps; the last one may show more than `total_images`."""
        return math.ceil(self.total_images / self.batch_size)

    def relevant(self) -> dict[str, Any]:
        """Return the parameters that decide the result, JSON-like: all except the settings of other variants."""
        others = set(get_args(VariantName)) - {self.variant}
        return {name: value for name, value in asdict(self).items() if name not in others}


def check_processes(params: TrainParameters, count: int) -> None:
    """Raise UserError if `count` processes, or GPUs, cannot train together with these parameters."""
    if count == 1:
        return
    if not params.settings.several_processes:
        raise UserError(f"train.variant: {params.variant} trains in one process, on one GPU; got {count} processes")
    if params.batch_size % count:
        raise UserError(f"train.batch_size: {params.batch_size} images cannot be divided evenly by {count} processes")
