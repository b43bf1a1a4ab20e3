"""Annotations find their photographs however a name is written."""

from pathlib import Path

import numpy as np

from tests.unit.test_annotations import HEIGHT_PX, WIDTH_PX, annotated, expected, png


def test_a_name_with_an_umlaut_is_found_however_it_is_written(tmp_path: Path) -> None:
    files = {
        "lot-0/fu\u0308r.png": png(np.zeros((HEIGHT_PX, WIDTH_PX))),
        "lot-0/f\u00fcr_mask.png": png(expected() // 2),
    }
    found, _ = annotated(tmp_path, files, "*_mask.png")
    assert list(found.shapes) == ["lot-0/fu\u0308r.png"]
