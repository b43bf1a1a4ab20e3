"""Shapes of the paper's networks, and its grid of regions. No torch: parameters are checked without it."""

from dataclasses import dataclass

GRID = 2
REGIONS = GRID * GRID
LEAST_SIZE_PX = 16


@dataclass(frozen=True)
class PaperConfig:
    """Shapes of the three networks; enough, with the weights, to build them again."""

    image_size_px: int
    channels: int
    latent_size: int
    embedding_size: int
    generator_width: int
    """Channels of G's last hidden layer; they double towards its 4 x 4 layer."""
    discriminator_width: int
    """Channels of D's first layer; they double towards its 4 x 4 layer."""
    full_discriminator_width: int
    """The same for FD. It must be lean: it alone sees full-resolution images."""

    def __post_init__(self) -> None:
        """Refuse sizes that do not halve down to 4 x 4 regions."""
        size_px = self.image_size_px
        if size_px < LEAST_SIZE_PX or size_px & (size_px - 1):
            raise ValueError(f"image_size_px: expected a power of two from {LEAST_SIZE_PX}, got {size_px}")
        if self.channels not in (1, 3):
            raise ValueError(f"channels: expected 1 (grey) or 3 (colour), got {self.channels}")

    @property
    def region_size_px(self) -> int:
        """Side of a region."""
        return self.image_size_px // GRID
