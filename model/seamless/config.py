"""Shapes of the seamless model's networks. Without torch, so that parameters are checked quickly."""

from dataclasses import dataclass

SIZES_PX = (64, 4096)
MIN_VALUES = {"latent_size": 2, "generator_width": 1, "discriminator_width": 1, "full_discriminator_width": 1}
"""A latent needs two values: z[0] has no effect, and z[1:] varies the image within its kind."""
MAX_TRUNK_CELLS = 64
MAX_WINDOW_PX = 128


@dataclass(frozen=True)
class SeamlessConfig:
    """Shapes of the three networks. Shapes and weights suffice to rebuild them."""

    image_size_px: int
    channels: int
    latent_size: int
    generator_width: int
    """Base width of G. It doubles with each halving of the resolution, up to `feature_cap`."""
    discriminator_width: int
    """Features of D's first layer. They double with each layer, up to `feature_cap`."""
    full_discriminator_width: int
    """The same for FD, which works on the coarse image."""
    feature_cap: int
    kinds: int = 1
    """Number of clusters of the training images."""
    classes: int = 0
    """Number of class labels, or 0. They condition the discriminators, and G by its kinds: each kind has one class."""

    def __post_init__(self) -> None:
        """Refuse sizes that no trunk can be doubled to, and values that allow no networks."""
        size_px, (min_px, max_px) = self.image_size_px, SIZES_PX
        if not min_px <= size_px <= max_px or size_px & (size_px - 1):
            raise ValueError(f"image_size_px: expected a power of two from {min_px} to {max_px}, got {size_px}")
        if self.channels not in (1, 3):
            raise ValueError(f"channels: expected 1 (grey) or 3 (colour), got {self.channels}")
        for name, minimum in MIN_VALUES.items():
            if getattr(self, name) < minimum:
                raise ValueError(f"{name}: expected {minimum} or more, got {getattr(self, name)}")
        widest = max(self.generator_width, self.discriminator_width, self.full_discriminator_width)
        if self.feature_cap < widest:
            raise ValueError(f"feature_cap: expected at least the largest width, {widest}, got {self.feature_cap}")
        if self.classes < 0 or self.classes == 1:
            raise ValueError(f"classes: expected 0, or at least 2, got {self.classes}")
        if self.kinds < max(self.classes, 1):
            raise ValueError(f"kinds: expected at least 1, and at least one per class, got {self.kinds}")

    @property
    def trunk_cells(self) -> int:
        """Side of the trunk's feature map in cells."""
        return min(MAX_TRUNK_CELLS, self.image_size_px // 2)

    @property
    def coarse_px(self) -> int:
        """Side of the coarse image in pixels."""
        return 2 * self.trunk_cells

    @property
    def window_px(self) -> int:
        """Side in pixels of D's windows, which have the image's own resolution."""
        return min(self.image_size_px // 2, MAX_WINDOW_PX)

    def generator_features(self, cells: int) -> int:
        """Return the number of G's features at a resolution of `cells` a side."""
        return min(self.generator_width * self.image_size_px // cells, self.feature_cap)
