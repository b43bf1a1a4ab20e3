"""The parameters of the renderer: frame size, products, array sizes, pose, defects."""

import math

from ...core.parameters import NonNegativeFloat, PositiveInt, Share, parameters

MARGIN_SHARE = 0.02
"""Free margin on each side of the package, as a share of the frame's shorter side."""
MIN_PITCH_PX = 6.0
"""Minimum distance between ball centres. Below it, a ball has too few pixels for its highlight."""
MIN_BALLS_PER_SIDE = 4
"""Depopulation patterns need a rim and a centre."""


@parameters
class RendererParameters:
    """The frames to render. Impossible combinations are refused."""

    frame_width_px: PositiveInt
    frame_height_px: PositiveInt
    products: PositiveInt
    """Number of package products. Each lot shows one of them."""
    frames_per_lot: PositiveInt
    """Lot n starts at frame `n * frames_per_lot`. It has one product and one setting of the light."""
    min_balls_per_side: PositiveInt
    max_balls_per_side: PositiveInt
    max_angle_deg: NonNegativeFloat
    """Maximum angle of the package, 180 at most. The angle is uniform between minus and plus this value."""
    min_body_share: Share
    """Minimum length of a package's longer side, as a share of the frame's shorter side."""
    max_body_share: Share
    """Maximum length of a package's longer side, as a share of the frame's shorter side."""
    defect_share: Share
    """Share of frames that show one defect."""
    grey: bool
    """Render H x W instead of H x W x 3."""

    def __post_init__(self) -> None:
        """Refuse combinations that cannot be rendered. The message of the ValueError starts with the field's name."""
        self._check_balls()
        self._check_pose()
        self._check_pitch()

    def _check_balls(self) -> None:
        if self.min_balls_per_side < MIN_BALLS_PER_SIDE:
            raise ValueError(f"min_balls_per_side must be {MIN_BALLS_PER_SIDE} or more, got {self.min_balls_per_side}")
        if self.max_balls_per_side < self.min_balls_per_side:
            raise ValueError(f"max_balls_per_side must be min_balls_per_side = {self.min_balls_per_side} or more")

    def _check_pose(self) -> None:
        if self.max_angle_deg > 180:
            raise ValueError(f"max_angle_deg must be 180 or less, got {self.max_angle_deg:g}")
        if self.min_body_share <= 0:
            raise ValueError(f"min_body_share must be more than 0, got {self.min_body_share:g}")
        if self.max_body_share < self.min_body_share:
            raise ValueError(f"max_body_share must be min_body_share = {self.min_body_share:g} or more")
        # A square of side 1 turned by an angle a up to 45 degrees is cos(a) + sin(a) wide.
        steepest = math.radians(min(self.max_angle_deg, 45.0))
        limit = (1 - 2 * MARGIN_SHARE) / (math.cos(steepest) + math.sin(steepest))
        if self.max_body_share > limit:
            raise ValueError(
                f"max_body_share must be {limit:.3f} or less: a larger package, turned by "
                f"max_angle_deg = {self.max_angle_deg:g}, would leave the frame"
            )

    def _check_pitch(self) -> None:
        side_px = self.min_body_share * min(self.frame_width_px, self.frame_height_px)
        limit = int(side_px / MIN_PITCH_PX) - 1
        if self.max_balls_per_side > limit:
            raise ValueError(
                f"max_balls_per_side must be {limit} or less: the smallest package is {side_px:.0f} px long, "
                f"and a ball needs {MIN_PITCH_PX:g} px"
            )
