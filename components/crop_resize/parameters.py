"""The `crop_resize` section of params.yaml."""

from typing import Literal

from ..core.parameters import PositiveInt, Share, parameters

Find = Literal["outline", "whole", "box"]
"""How the package is found in a frame."""


@parameters
class CropResizeParameters:
    """The `crop_resize` section of params.yaml."""

    sizes_px: tuple[PositiveInt, ...]
    """Sides of the square images to make, one folder per size."""
    find: Find = "outline"
    """`outline` finds the package in each frame. `whole` takes frames as they are, because they were cut out already.
    `box` takes the box of the package that `ingest.boxes` names. The shorter side of these two is filled up to a square
    by repeating the border."""
    margin_share: Share = 0.04
    """Margin on each side of the package, as a share of its longer side; none for `whole` and `box`."""
    grey: bool = False
    """Make grey images (one channel) instead of colour images (three)."""
    orient: bool = False
    """Turn crops by quarters, so that the packages of one product lie alike. Where that is doubtful, as with symmetric
    packages, the crop stays as it is, and the manifest says so."""
    join_near_duplicates: bool = False
    """Join lots that hold near-duplicates of each other to one lot, so that they are in one split."""
    max_quarantined_share: Share = 0.2
    """Maximum share of frames without a usable package; above it, the step fails."""

    def __post_init__(self) -> None:
        """Refuse an empty list of sizes, or a repeated size."""
        if not self.sizes_px or len(set(self.sizes_px)) < len(self.sizes_px):
            raise ValueError(f"sizes_px: expected one or more different sizes, got {list(self.sizes_px)}")
