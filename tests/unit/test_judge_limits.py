"""The limits of the verdict stand on what real lots keep from each other."""

from dataclasses import replace

import pytest
import torch

from fabgan.components.measures.comparison import MEASURES
from fabgan.components.measures.judge import judge
from fabgan.components.measures.outliers import Distances
from tests.unit.test_features import extracted
from tests.unit.test_judge import FRESH, PARAMS, fresh, real


def test_limits_stand_on_the_floors_of_groups_of_the_same_size() -> None:
    generated = extracted(fresh())
    for size in (12, FRESH):
        checks = judge(generated.chosen(torch.arange(size)), real(), PARAMS).checks
        floors = real().floors(min(size, real().group_size))
        found = {check.name: check for check in checks if check.name in MEASURES}
        for name, check in found.items():
            shares = torch.tensor([0.05, 0.45, 0.55, 0.95]).to(floors[name])
            low, below_median, above_median, high = floors[name].quantile(shares).tolist()
            assert below_median <= (check.floor or 0) <= above_median
            if check.at_most is not None:
                reached = max(high, 0)
                assert check.at_most == pytest.approx(reached + PARAMS.max_distance * (reached - low))
            if check.at_least is not None:
                assert check.at_least == pytest.approx(PARAMS.min_share * low)


def test_lots_that_have_some_of_everything_leave_room_for_images_drawn_at_random() -> None:
    """Such lots are more alike than chance, so their distances, which are unbiased, are below 0."""
    size, drawn = min(FRESH, real().group_size), replace(real())
    drawn._floors[size] = {name: torch.linspace(-2, -1, len(floor)) for name, floor in real().floors(size).items()}
    checks = {check.name: check for check in judge(extracted(fresh()), drawn, PARAMS).checks}
    assert all((checks[name].at_most or 0) > 2 for name in MEASURES if name.startswith("kernel_distance"))


def test_limits_of_seams_are_those_asked_for_unless_lots_differ_by_more() -> None:
    narrow, wide = (
        {check.name: check for check in judge(extracted(fresh()), real(), params).checks}
        for params in (replace(PARAMS, min_ser=0.999, max_ser=1.001), replace(PARAMS, min_ser=0.5, max_ser=2.0))
    )
    for at, name in enumerate(("ser1", "ser2")):
        floor = real().seams(FRESH)[:, at]
        low, high = floor.quantile(torch.tensor([0.05, 0.95])).tolist()
        assert narrow[name].at_least == pytest.approx(low - PARAMS.max_distance * (high - low))
        assert narrow[name].at_most == pytest.approx(high + PARAMS.max_distance * (high - low))
        assert (wide[name].at_least, wide[name].at_most) == (0.5, 2.0)
        assert low < (narrow[name].floor or 0) < high


def test_limits_of_seams_are_as_wide_as_so_few_real_images_differ() -> None:
    """Products differ in their seams, and three images show them in other shares than all images do."""
    widths = [float((floor.amax(dim=0) - floor.amin(dim=0)).min()) for floor in map(real().seams, (3, FRESH, 10**6))]
    assert widths[0] > 1.5 * widths[1] >= 1.5 * widths[2]
    strict = replace(PARAMS, min_ser=0.999, max_ser=1.001)
    rooms = []
    for count in (3, FRESH):
        checks = {check.name: check for check in judge(extracted(fresh()[:count]), real(), strict).checks}
        rooms.append((checks["ser1"].at_most or 0) - (checks["ser1"].at_least or 0))
    assert rooms[0] > 1.5 * rooms[1]


class OfLotsThatDiffer(Distances):
    def floor(self, splits: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
        return torch.tensor([0.0, 0.5])


def test_lots_that_differ_raise_the_limit_of_outliers_at_most_to_twice() -> None:
    differing = replace(real())
    vars(differing)["distances"] = OfLotsThatDiffer(differing.every, differing.lots_N, differing.products_N)
    for asked, limit in ((0.001, 0.002), (0.9, 0.9)):
        (check,) = (
            check
            for check in judge(extracted(fresh()), differing, replace(PARAMS, max_outliers=asked)).checks
            if check.name == "outlier_share"
        )
        assert check.at_most == pytest.approx(limit)
