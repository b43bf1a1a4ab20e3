"""What people draw for made defects is read as it looks to them."""

from pathlib import Path

import numpy as np
from PIL import Image

from fabgan.components.core.images import write_png
from fabgan.components.defects.drawn import drawn_places, drawn_shapes

DRAWN = np.zeros((64, 64), np.uint8)
DRAWN[20:30, 10:40] = 255


def test_what_file_managers_leave_among_drawings_is_no_drawing(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", DRAWN)
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._a.png"):
        (tmp_path / name).write_bytes(b"x")
    ((part,),) = drawn_shapes(tmp_path, 64)
    assert part.box_px == (10, 20, 40, 30)


def test_defects_lie_only_where_white_is_seen(tmp_path: Path) -> None:
    white = np.full((64, 64, 3), 255, np.uint8)
    Image.fromarray(np.dstack([white, DRAWN])).save(tmp_path / "where.png")
    assert np.array_equal(drawn_places(tmp_path / "where.png"), DRAWN > 0)
