"""Masks of defects: an image per photograph, 0 where there is no defect.

The folders within the folder that `ingest.annotations` names are kinds, as in the layout of MVTec, apart from those of
the photograph. If a file of the source names classes, the values of masks are kinds instead: 1 is the first class.
Other masks have one kind, `defect`.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import dropwhile
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ...core.errors import UserError
from ...core.images import Pixels
from ...core.masks import values_of
from ...core.orientation import upright
from ..sources.listing import SourceFile
from ..spelling import kind_of
from .classes import ClassNames
from .kinds import is_marked
from .pairing import Pairing, common_folders
from .shapes import Patch, Shape, check_size, trimmed

SUFFIXES = (".png", ".tif", ".tiff", ".bmp")
FORMATS = ("PNG", "TIFF", "BMP")
"""Those that keep values exactly."""
ENDINGS = ("_mask", "_gt", "_label", "-mask", ".mask")
"""What the name of a mask may have beside that of its photograph. MVTec has the first."""
ONLY_KIND = "defect"
ONLY_VALUES = (1, 255)


@dataclass(frozen=True)
class MaskFile:
    """The mask of a photograph."""

    kind: str
    """Empty if the values are kinds."""
    where: str = field(repr=False)
    file: SourceFile
    kinds: Sequence[str]
    """With values that are kinds: the kind of the values 1, 2, ..."""
    values: tuple[int, ...] = ()
    """The values of which one may occur; empty for any."""

    def patches(self, width_px: int, height_px: int) -> Iterator[Patch]:
        """Yield a patch per value."""
        mask = self._read()
        check_size((mask.shape[1], mask.shape[0]), width_px, height_px, self.where)
        values = values_of(mask)
        self._check(values)
        for value in values:
            yield trimmed(self.kind or self.kinds[value - 1], mask == value)

    def _check(self, values: Sequence[int]) -> None:
        """Refuse values without a meaning, or of another one than the folder of the mask has."""
        of_others = set(values) - set(self.values or values)
        if self.kind and (len(values) > 1 or of_others):
            raise UserError(
                f"{self.where}: it has the values {', '.join(map(str, values[:5]))}; a mask of one kind has 0 and "
                f"{' or '.join(map(str, self.values)) or 'one other'}. Name the kinds of values in classes.txt"
            )
        if not self.kind and max(values, default=0) > len(self.kinds):
            raise UserError(f"{self.where}: the value {max(values)} has no name; there are {len(self.kinds)} classes")
        if of_others:
            raise UserError(
                f"{self.where}: it has the value {min(of_others)}, {self.kinds[min(of_others) - 1]}, but its folder is "
                f"the class {self.kinds[self.values[0] - 1]}, {self.values[0]}. Correct one of them"
            )

    def _read(self) -> Pixels:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "mask"
            try:
                self.file.fetch(copy)
                # From an open file, as photographs are, so that TIFF tags turn it.
                with copy.open("rb") as opened, Image.open(opened, formats=FORMATS) as image:
                    several, values = getattr(image, "is_animated", False), upright(self._values(image), image)
            except (UserError, MemoryError):
                raise
            except UnidentifiedImageError as error:
                raise UserError(
                    f"{self.where}: cannot be read as a mask: not an image in {', '.join(FORMATS)}"
                ) from error
            except Exception as error:  # Pillow raises nearly anything for files that were damaged
                reason = str(error).replace(str(copy), self.file.path)
                raise UserError(f"{self.where}: cannot be read as a mask: {reason}") from error
        if several:
            raise UserError(f"{self.where}: it holds several images; expected one")
        if values.ndim == 3 and (values[:, :, :3] == values[:, :, :1]).all():
            values = values[:, :, 0]
        if values.ndim != 2 or values.dtype not in (np.bool_, np.uint8):
            raise UserError(f"{self.where}: expected a mask of one channel with 8 bits")
        return values.astype(np.uint8)

    def _values(self, image: Image.Image) -> NDArray[Any]:
        """Return the values of a mask. Those of a palette are its greys, or else the numbers of its colours."""
        if image.mode in ("LA", "RGBA"):
            return self._without_alpha(np.asarray(image))
        if image.mode != "P":
            return np.asarray(image)
        palette = np.reshape(image.getpalette("RGB") or [], (-1, 3))
        starts_black = not palette[:1].any()
        if (palette == palette[:, :1]).all() and (self.kind or not starts_black):
            return np.asarray(image.convert("L"))
        if not starts_black:
            raise UserError(
                f"{self.where}: the first colour of its palette is not black, so it does not say where no defect is; "
                "save it in black and white"
            )
        return np.asarray(image)

    def _without_alpha(self, values: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the colours, or where the mask is not transparent if only that tells anything apart."""
        colours, alpha = values[:, :, :-1], values[:, :, -1]
        if (alpha == alpha[0, 0]).all():
            return colours
        if (colours == colours[:1, :1]).all():
            return alpha > 0
        if not (colours.any(axis=2) & (alpha == 0)).any():
            return colours
        raise UserError(
            f"{self.where}: its colours and its transparency mark different pixels; save it without transparency"
        )


def read(
    file: SourceFile, where: str, asked: str, pairing: Pairing, names: ClassNames
) -> Iterator[tuple[str, list[Shape]]]:
    """Yield the photograph of a mask, and the mask. `asked` is where masks were asked for."""
    path = pairing.whole(file.path)
    photograph = pairing.beside(path, where, ENDINGS)
    pairing.check_folder(path, photograph, where)
    folder = kind_of(_kind_folder(path, photograph, asked, pairing))
    if names.files:
        kinds = _of_values(names.all(where))
        named = (value for value, kind in enumerate(kinds, start=1) if kind.casefold() == folder.casefold())
        mask = MaskFile("", where, file, kinds, tuple(named))
    elif folder:
        mask = MaskFile(folder, where, file, [folder])
    else:
        mask = MaskFile(ONLY_KIND, where, file, [ONLY_KIND], ONLY_VALUES)
    form = f"mask {mask.kind}" if path == file.path else f"mask {file.path}"
    yield pairing.only(photograph, form, file.path, where), [mask]


def _of_values(names: list[str]) -> list[str]:
    """Return the kinds of the values 1, 2, ... by the names of classes.

    Before them may be the background, the value 0. In labelme's list of labels, what is to be ignored is before it.
    """
    return list(dropwhile(lambda name: not is_marked(name), names))


def _kind_folder(path: str, photograph: str, asked: str, pairing: Pairing) -> str:
    """Return the folder of a mask that is its kind, or an empty text. It lies within the folder that was asked for."""
    parent, outside = PurePosixPath(path).parent, PurePosixPath(asked)
    if outside not in parent.parents:
        return ""
    within, common = parent.relative_to(outside).parts, common_folders(path, photograph)
    others = within[: max(len(within) - common, 0)]
    return pairing.kind_folder(photograph, min(common, len(within)), others)
