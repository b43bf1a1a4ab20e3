import pytest
import torch

from fabgan.model.pixels import THUMBNAIL_PX, shrunk, thumbnails, to_levels


def test_large_images_are_averaged_and_small_ones_kept() -> None:
    x = torch.rand(2, 3, 512, 512)
    assert shrunk(x, 128).shape == (2, 3, 128, 128)
    assert shrunk(x, 128)[0, 0, 0, 0] == pytest.approx(float(x[0, 0, :4, :4].mean()))
    assert torch.equal(shrunk(x, 512), x)


def test_thumbnails_are_images_of_few_pixels() -> None:
    x = torch.randint(256, (3, 1, 2 * THUMBNAIL_PX, 2 * THUMBNAIL_PX), dtype=torch.uint8)
    made = thumbnails(x)
    assert made.shape == (3, THUMBNAIL_PX**2)
    assert float(made[2, 0]) == float(x[2, 0, :2, :2].float().mean())


def test_levels_are_neither_rounded_nor_clipped() -> None:
    assert to_levels(torch.tensor([-1.2, 0.0, 1.0])).tolist() == pytest.approx([-25.5, 127.5, 255.0])
