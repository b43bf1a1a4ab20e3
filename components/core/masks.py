"""Masks of defects, H x W uint8: 0 where there is no defect, k where the k-th kind is."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .images import Pixels


@dataclass(frozen=True, eq=False)
class Part:
    """A defect: a connected part of a mask."""

    value: int
    """In the mask."""
    left_px: int
    top_px: int
    covers_HW: NDArray[np.bool_]
    """Which pixels are the defect, in a window that reaches one pixel beyond it."""

    @property
    def box_px(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the defect. Right and bottom are the first column and row beyond it."""
        rows, columns = np.nonzero(self.covers_HW)
        return (
            self.left_px + int(columns.min()),
            self.top_px + int(rows.min()),
            self.left_px + int(columns.max()) + 1,
            self.top_px + int(rows.max()) + 1,
        )


def values_of(mask_HW: Pixels) -> list[int]:
    """Return the values of the kinds that a mask holds, in their order. No copy of the mask is made."""
    counts = cv2.calcHist([mask_HW], [0], None, [256], [0, 256]).ravel()
    return [int(value) for value in np.flatnonzero(counts) if value]


def parts_of(mask_HW: Pixels) -> Iterator[Part]:
    """Yield the defects of a mask by value. Parts of one value with at most two pixels between them are one defect."""
    for value in values_of(mask_HW):
        covered_HW = mask_HW == value
        joined_HW = cv2.dilate(covered_HW.astype(np.uint8), np.ones((3, 3), np.uint8))
        _, numbers_HW, boxes, _ = cv2.connectedComponentsWithStats(joined_HW, connectivity=8)
        for number, (left, top, width, height, _) in enumerate(boxes[1:].tolist(), start=1):
            window = np.s_[top : top + height, left : left + width]
            yield Part(value, left, top, (numbers_HW[window] == number) & covered_HW[window])
