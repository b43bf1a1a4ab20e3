"""Made defects as a data set of torch, for training programs that want them one by one and not as files.

Dimensions: C channels, H W pixels.
"""

from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..core.errors import UserError
from ..core.parameters import parse
from ..services.tracking.registry import model_folder
from .card import NOT_RECOMMENDED, methods_of
from .parameters import DEFECTS_PER_IMAGE, DatasetParameters
from .pool import read_pool
from .shares import by_need


class DefectItem(NamedTuple):
    """A package with made defects. The default collation of torch makes batches of it."""

    image_CHW: Tensor
    """uint8."""
    mask_HW: Tensor
    """uint8: k where a defect of the k-th kind is, 0 elsewhere."""
    kind: int
    """From 1."""


class DefectDataset(Dataset[DefectItem]):
    """Images with made defects, each made when it is asked for.

    Image i depends on the packages, the model, the drawn pictures, the seed and i alone. So workers need no seeds of
    their own, and the same index gives the same image in every epoch; another epoch may use another seed.
    """

    def __init__(
        self,
        packages: Path | str,
        size_px: int,
        length: int,
        model: Path | str | None = None,
        kinds: Sequence[str] = (),
        defects_per_image: int = DEFECTS_PER_IMAGE,
        seed: int = 0,
        where: Path | str | None = None,
        shapes: Path | str | None = None,
    ) -> None:
        """Read the annotated defects of the training packages in a folder that `crop_resize` filled.

        `model` is a folder that `train_defects` filled, or models:/NAME@ALIAS or models:/NAME/NUMBER in MLflow. Without
        it, defects are pasted. `kinds` are made in turn. By default, those that the model recommends are made, more of
        those that an inspection model finds worse, or all in turn. `where` is a picture of a package that is white
        where the middle of a defect may lie. `shapes` is such a picture, or a folder of them, whose white parts are the
        places and shapes of defects. Raises UserError for impossible numbers, for a kind without annotated defects, if
        the model recommends none, and for what `read_pool`, `model_folder` and `methods_of` refuse.
        """
        asked = _parsed(kinds, size_px=size_px, length=length, seed=seed, defects_per_image=defects_per_image)
        self._pool = read_pool(
            Path(packages), asked.size_px, *(Path(drawn) if drawn else None for drawn in (where, shapes))
        )
        self._names = list(self._pool.cutouts)
        with model_folder(str(model or "")) as folder:
            self._methods = methods_of(folder, self._names)
        present = self._pool.present
        self.kinds = list(kinds) or [kind for kind in present if self._methods[kind].recommended]
        if not self.kinds:
            raise UserError(f"{model}: {NOT_RECOMMENDED}; name `kinds` to make them anyway")
        if set(self.kinds) - set(present):
            raise UserError(f"{packages}: no defects of {', '.join(kinds)} (annotated: {', '.join(present)})")
        needs = {kind: self._methods[kind].need for kind in self.kinds}
        self._order = list(islice(cycle(kinds), asked.length)) if kinds else by_need(needs, asked.length)
        self._number, self._seed = asked.defects_per_image, asked.seed

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int) -> DefectItem:
        if not 0 <= index < len(self):
            raise IndexError(index)
        kind = self._order[index]
        random = np.random.default_rng([self._seed, index])
        made = self._pool.make(kind, self._number, random, self._methods[kind].paint)
        value = self._names.index(kind) + 1
        image_CHW = torch.from_numpy(made.pixels_HWC).permute(2, 0, 1).contiguous()
        return DefectItem(image_CHW, torch.from_numpy(made.mask_HW * np.uint8(value)), value)


def _parsed(kinds: Sequence[str], **numbers: object) -> DatasetParameters:
    """Return the numbers, which may be numpy's. Raises UserError for impossible ones, and for a text as `kinds`."""
    where = "fabgan.DefectDataset"
    if isinstance(kinds, str):
        raise UserError(f"{where}: kinds: expected a list of names, such as [{kinds!r}], got {kinds!r}")
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in numbers.items()}
    return parse(DatasetParameters, plain, where)
