import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fabgan.model.regions import phi, psi


@given(
    grid=st.integers(1, 8),
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    batch=st.integers(1, 3),
    channels=st.sampled_from([1, 3]),
)
def test_phi_of_all_regions_is_the_image(grid: int, height: int, width: int, batch: int, channels: int) -> None:
    x = torch.randn(batch, channels, grid * height, grid * width)
    assert torch.equal(phi([psi(x, region, grid) for region in range(grid * grid)], grid), x)


@given(grid=st.integers(1, 8), height=st.integers(1, 5), width=st.integers(1, 5))
def test_psi_gives_back_what_phi_merged(grid: int, height: int, width: int) -> None:
    regions = [torch.randn(2, 3, height, width) for _ in range(grid * grid)]
    merged = phi(regions, grid)
    for region, expected in enumerate(regions):
        assert torch.equal(psi(merged, region, grid), expected)


def test_regions_are_numbered_row_by_row_from_the_top_left() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert [float(psi(x, region, 2)[0, 0, 0, 0]) for region in range(4)] == [0, 2, 8, 10]


def test_what_cannot_be_divided_is_refused() -> None:
    x = torch.zeros(1, 1, 6, 6)
    with pytest.raises(ValueError, match="cannot be divided into 4 x 4"):
        psi(x, 0, 4)
    with pytest.raises(ValueError, match="region 4 of a 2 x 2 grid"):
        psi(x, 4, 2)
    with pytest.raises(ValueError, match="3 regions for a 2 x 2 grid"):
        phi([x, x, x], 2)
