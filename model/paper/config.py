"""Shapes of the paper's networks, and its grid of regions. Without torch, so that parameters are checked quickly."""

from dataclasses import dataclass

GRID = 2
REGIONS = GRID * GRID
MIN_SIZE_PX = 16


@dataclass(frozen=True)
class PaperConfig:
    """Shapes of the three networks. Shapes and weights suffice to rebuild them."""

    image_size_px: int
    channels: int
    latent_size: int
    embedding_size: int
    generator_width: int
    """Channels of G's last hidden layer. They double with each layer towards the 4 x 4 one."""
    discriminator_width: int
    """Channels of D's first layer. They double with each layer towards the 4 x 4 one."""
    full_discriminator_width: int
    """The same for FD. It should be small, because only FD works at full resolution."""

    def __post_init__(self) -> None:
        """Refuse a size whose regions cannot be halved down to 4 x 4, and other channels than grey or colour."""
        size_px = self.image_size_px
        if size_px < MIN_SIZE_PX or size_px & (size_px - 1):
            raise ValueError(f"image_size_px: expected a power of two from {MIN_SIZE_PX}, got {size_px}")
        if self.channels not in (1, 3):
            raise ValueError(f"channels: expected 1 (grey) or 3 (colour), got {self.channels}")

    @property
    def region_size_px(self) -> int:
        """Side of a region in pixels."""
        return self.image_size_px // GRID
