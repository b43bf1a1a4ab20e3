"""Shapes of the seamless model's networks. No torch: parameters are checked without it."""

from dataclasses import dataclass

SIZES_PX = (64, 4096)
LEAST = {"latent_size": 2, "generator_width": 1, "discriminator_width": 1, "full_discriminator_width": 1}
"""Of a latent, the first value chooses the kind, and the others what is made of it, noise included."""
MOST_TRUNK_CELLS = 64
MOST_WINDOW_PX = 128


@dataclass(frozen=True)
class SeamlessConfig:
    """Shapes of the three networks; enough, with the weights, to build them again."""

    image_size_px: int
    channels: int
    latent_size: int
    generator_width: int
    """Features of G at full resolution, were there any; they double towards the trunk, up to `feature_cap`."""
    discriminator_width: int
    """Features of D's first layer; they double towards its last, up to `feature_cap`."""
    full_discriminator_width: int
    """The same for FD. It must be lean: it alone sees full-resolution images."""
    feature_cap: int
    kinds: int = 1
    """Into how many the training images are divided."""
    classes: int = 0
    """How many class labels condition the judges, and G by its kinds, each of which is of one class; 0 for none."""

    def __post_init__(self) -> None:
        """Refuse sizes that no trunk can be doubled to, and widths that build nothing."""
        size_px, (least, most) = self.image_size_px, SIZES_PX
        if not least <= size_px <= most or size_px & (size_px - 1):
            raise ValueError(f"image_size_px: expected a power of two from {least} to {most}, got {size_px}")
        if self.channels not in (1, 3):
            raise ValueError(f"channels: expected 1 (grey) or 3 (colour), got {self.channels}")
        for name, fewest in LEAST.items():
            if getattr(self, name) < fewest:
                raise ValueError(f"{name}: expected {fewest} or more, got {getattr(self, name)}")
        if self.feature_cap < max(self.generator_width, self.discriminator_width, self.full_discriminator_width):
            raise ValueError(f"feature_cap: expected at least the widths, got {self.feature_cap}")
        if self.classes < 0 or self.classes == 1:
            raise ValueError(f"classes: expected none or at least two, got {self.classes}")
        if self.kinds < max(self.classes, 1):
            raise ValueError(f"kinds: expected one at least, and one a class, got {self.kinds}")

    @property
    def trunk_cells(self) -> int:
        """Side of the trunk's feature map."""
        return min(MOST_TRUNK_CELLS, self.image_size_px // 2)

    @property
    def coarse_px(self) -> int:
        """Side of the coarse image."""
        return 2 * self.trunk_cells

    @property
    def window_px(self) -> int:
        """Side of the windows in which images are judged at their own resolution."""
        return min(self.image_size_px // 2, MOST_WINDOW_PX)

    def generator_features(self, cells: int) -> int:
        """Return G's features at a resolution of `cells` a side."""
        return min(self.generator_width * self.image_size_px // cells, self.feature_cap)
