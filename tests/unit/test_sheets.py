"""Sheets show images at a size to look at, and of large ones a part as it is."""

import torch

from fabgan.components.artifacts.sheets import GAP_PX, SHOWN_PX, image_grid, of_full_rows, with_corners


def test_small_images_are_enlarged_and_large_ones_shrunk() -> None:
    for side_px, shown_px in ((64, 128), (128, 128), (200, 200), (1024, 256)):
        grid = image_grid(torch.full((3, 3, side_px, side_px), 90, dtype=torch.uint8))
        assert grid.shape == (2 * shown_px + 3 * GAP_PX, 2 * shown_px + 3 * GAP_PX, 3)
        assert (grid[GAP_PX : GAP_PX + shown_px, GAP_PX : GAP_PX + shown_px] == 90).all()


def test_grey_images_make_a_grey_grid() -> None:
    assert image_grid(torch.zeros(1, 1, 128, 128, dtype=torch.uint8)).shape == (128 + 2 * GAP_PX, 128 + 2 * GAP_PX)


def test_corners_of_large_images_follow_as_they_are() -> None:
    x = torch.arange(4, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 512, 512)
    shown = list(with_corners(x, 2))
    assert [tuple(image.shape) for image in shown] == 4 * [(3, 512, 512)] + 2 * [(3, SHOWN_PX[1], SHOWN_PX[1])]
    assert [int(image.max()) for image in shown] == [0, 1, 2, 3, 0, 1]
    assert len(list(with_corners(x[..., :256, :256], 2))) == 4


def test_rows_are_full_but_for_a_first_one() -> None:
    assert [of_full_rows(count, 6) for count in (1, 5, 6, 7, 12, 35, 36)] == [1, 5, 6, 6, 12, 30, 36]
