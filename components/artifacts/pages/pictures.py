"""Pictures of a page as data URLs. A size is chosen in which all of them fit into a page.

Dimensions: C channels, H W pixels.
"""

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

from PIL import Image
from torch import Tensor

from ...core.images import Pixels
from ..parallel import in_parallel
from ..sheets import pixels_of

JPEG_QUALITY = 90
ENLARGED_PX = 512
"""Pictures with shorter sides are enlarged by a whole factor, to this side at most."""


@dataclass(frozen=True)
class Form:
    """How pictures are stored."""

    side_px: int
    """Larger ones are shrunk to this side."""
    lossless: bool = False


NATIVE = Form(4096, lossless=True)
SIDES_PX = (4096, 2048, 1024, 768, 512, 384, 256, 192, 128, 96, 64)
"""Sides of pictures that are not lossless, from the best to the smallest."""


@dataclass(frozen=True)
class Picture:
    """A picture of a page."""

    alt: str
    """What it shows, for those who cannot see it."""
    form: str
    content: bytes
    width_px: int
    height_px: int
    native_px: int
    """Width before it was shrunk."""

    @property
    def address(self) -> str:
        """The picture as a data URL."""
        return f"data:image/{self.form};base64,{base64.b64encode(self.content).decode()}"

    @property
    def enlarged_px(self) -> int:
        """Width of the enlarged picture, a multiple of its own, so that every pixel stays a square."""
        return self.width_px * max(ENLARGED_PX // self.width_px, 1)

    @property
    def scale(self) -> str:
        """How the enlarged picture is related to the image."""
        if self.width_px < self.native_px:
            return f"{self.native_px} px wide, shrunk to {self.width_px} px"
        factor = self.enlarged_px // self.width_px
        return f"{self.native_px} px wide, " + ("native resolution" if factor == 1 else f"enlarged {factor} times")


def picture(pixels: Pixels, alt: str, form: Form = NATIVE) -> Picture:
    """Return pixels, H x W or H x W x 3, as a picture in a form."""
    shown, stored = Image.fromarray(pixels), io.BytesIO()
    shown.thumbnail((form.side_px, form.side_px))
    name = "png" if form.lossless else "jpeg"
    shown.save(stored, format=name, quality=JPEG_QUALITY)
    return Picture(alt, name, stored.getvalue(), *shown.size, native_px=pixels.shape[1])


def common_form(images: Iterable[Tensor], max_bytes: int) -> Form:
    """Return the best form in which images fit into `max_bytes` together, or the smallest one if they fit in none."""
    listed = [pixels_of(x_CHW) for x_CHW in images]
    largest_px = max((max(pixels.shape[:2]) for pixels in listed), default=0)
    # Of the sides that shrink no image, the last one stands for all.
    first = max((at for at, side_px in enumerate(SIDES_PX) if side_px >= largest_px), default=0)
    for form in (NATIVE, *(Form(side_px) for side_px in SIDES_PX[first:-1])):
        sizes = in_parallel(partial(_size, form), listed)
        if all(total <= max_bytes for total in accumulate(sizes)):
            return form
    return Form(SIDES_PX[-1])


def _size(form: Form, pixels: Pixels) -> int:
    return len(picture(pixels, "", form).content)
