"""Defects pasted into packages: where they land, what they change, and what is written beside them.

Dimensions: H W pixels, C channels.
"""

import numpy as np
import pytest

from fabgan.components.core.images import Pixels
from fabgan.components.defects.cutouts import Cutout, cutouts_of, neighbourhood
from fabgan.components.defects.pasting import pasted
from fabgan.components.defects.places import Ground, Place
from fabgan.components.defects.variation import Variation

PITCH_PX, BALL_PX, SIDE_PX = 24, 6, 240
VISIBLE = 24


def lattice(seed: int, phase_px: int, missing: tuple[int, int] | None = None) -> Pixels:
    """Return bright balls on a dark ground, with noise. `missing` is the row and column of a ball that is not there."""
    random = np.random.default_rng(seed)
    y_HW, x_HW = np.mgrid[:SIDE_PX, :SIDE_PX] - phase_px
    cells_HW = np.stack([y_HW // PITCH_PX, x_HW // PITCH_PX])
    distance_HW = np.hypot(y_HW % PITCH_PX - PITCH_PX / 2, x_HW % PITCH_PX - PITCH_PX / 2)
    grey_HW = np.where(distance_HW <= BALL_PX, 200.0, 60.0)
    if missing:
        grey_HW[(cells_HW == np.array(missing)[:, None, None]).all(axis=0)] = 60.0
    noisy_HWC = grey_HW[:, :, None] + random.normal(0, 4, (SIDE_PX, SIDE_PX, 3))
    return np.asarray(noisy_HWC.clip(0, 255), dtype=np.uint8)


def centre_px(row: int, column: int, phase_px: int) -> tuple[float, float]:
    return (row + 0.5) * PITCH_PX + phase_px, (column + 0.5) * PITCH_PX + phase_px


def disc(centre: tuple[float, float]) -> Pixels:
    y_HW, x_HW = np.mgrid[:SIDE_PX, :SIDE_PX]
    return np.asarray(np.hypot(y_HW - centre[0], x_HW - centre[1]) <= BALL_PX + 1, dtype=np.uint8)


def missing_ball() -> Cutout:
    mask_HW = disc(centre_px(4, 5, 7))
    (cutout,) = cutouts_of(lattice(1, 7, missing=(4, 5)), mask_HW, ["missing_ball"], "source")
    return cutout


def test_a_missing_ball_lands_where_a_ball_is_however_it_is_varied() -> None:
    """The middle of the package has no balls, and its ground looks like that between the balls."""
    background_HWC, random = lattice(2, phase_px=13), np.random.default_rng(1)
    middle = slice(13 + 2 * PITCH_PX, 13 + 7 * PITCH_PX)
    background_HWC[middle, middle] = random.normal(60, 4, (5 * PITCH_PX, 5 * PITCH_PX, 3)).clip(0, 255)
    ground = Ground(background_HWC)
    for _ in range(40):
        variation = Variation.drawn(random)
        place = ground.place(missing_ball().surroundings.flipped(variation), random)
        assert place is not None
        _, mask_HW = pasted(missing_ball().varied(variation), background_HWC, place)
        at_px = np.argwhere(mask_HW).mean(axis=0)
        off_px = (at_px - 13) % PITCH_PX - PITCH_PX / 2
        assert np.abs(off_px).max() <= 2, at_px
        assert ((at_px < middle.start) | (at_px > middle.stop)).any(), at_px


def test_only_pixels_beside_the_mask_change_and_all_in_it_do() -> None:
    background_HWC, cutout = lattice(2, phase_px=13), missing_ball()
    place = Ground(background_HWC).place(cutout.surroundings, np.random.default_rng(1))
    assert place is not None
    image_HWC, mask_HW = pasted(cutout, background_HWC, place)
    changed_HW = (image_HWC != background_HWC).any(axis=2)
    assert not changed_HW[~neighbourhood(mask_HW > 0)].any()
    clearly_HW = np.abs(image_HWC.astype(int) - background_HWC).max(axis=2) > 30
    overlap = np.count_nonzero(clearly_HW & (mask_HW > 0)) / np.count_nonzero(clearly_HW)
    assert overlap > 0.9


def test_a_darker_photograph_is_no_seam() -> None:
    """The colours around the defect become those of the place, so a defect from a brighter image shows no edge."""
    dark_HWC = (lattice(2, phase_px=7) * 0.5).astype(np.uint8)
    cutout = missing_ball()
    image_HWC, mask_HW = pasted(cutout, dark_HWC, own_place(cutout))
    inside = float(image_HWC[mask_HW > 0].mean())
    around = float(dark_HWC[dark_HWC.max(axis=2) < 60].mean())
    assert abs(inside - around) < 25
    assert float(cutout.pixels_HWC[cutout.covers_HW].mean()) > around + 25


def own_place(cutout: Cutout) -> Place:
    """Return the place of `missing_ball` in its own package."""
    top_px, left_px = (int(value) for value in centre_px(4, 5, 7))
    height_px, width_px = cutout.covers_HW.shape
    return Place(top_px - height_px // 2, left_px - width_px // 2, difference=0.0)


def test_parts_of_a_mask_are_cut_out_one_by_one() -> None:
    pixels_HWC = lattice(1, 0)
    mask_HW = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    mask_HW[10:14, 20:60] = 2
    mask_HW[16:18, 20:60] = 2  # two pixels away: the same defect
    mask_HW[100:110, 100:110] = 2
    mask_HW[200:210, 0:10] = 1  # at the border
    mask_HW[150, 150] = 1  # a crumb
    found = list(cutouts_of(pixels_HWC, mask_HW, ["pit", "scratch"], "name"))
    assert [(cutout.kind, int(cutout.covers_HW.sum())) for cutout in found] == [
        ("pit", 100),
        ("scratch", 240),
        ("scratch", 100),
    ]
    assert [cutout.covers_HW.shape for cutout in found] == [(36, 23), (49, 91), (36, 36)]
    assert all(cutout.ring.any() for cutout in found)


def test_a_defect_that_fills_the_image_has_no_place() -> None:
    (cutout,) = cutouts_of(lattice(1, 0), np.ones((SIDE_PX, SIDE_PX), np.uint8), ["all"], "name")
    assert Ground(lattice(2, 0)).place(cutout.surroundings, np.random.default_rng(1)) is None


@pytest.mark.parametrize(("side_px", "reach_px"), [(2, 1), (16, 1), (40, 2), (80, 4), (120, 4)])
def test_the_neighbourhood_of_a_thick_defect_reaches_further(side_px: int, reach_px: int) -> None:
    covers_HW = np.zeros((160, 160), np.bool_)
    covers_HW[20 : 20 + side_px, 20 : 20 + side_px] = True
    below_px = 20 + side_px - 1
    reached = [neighbourhood(covers_HW)[below_px + distance_px, 20] for distance_px in range(7)]
    assert reached == [distance_px <= reach_px for distance_px in range(7)]


def test_the_mask_is_what_changed() -> None:
    """Intersection over union of the mask and the pixels that differ visibly from the background."""
    background_HWC, overlaps = lattice(2, phase_px=13), list[float]()
    for seed in range(10):
        random = np.random.default_rng(seed)
        variation = Variation.drawn(random)
        cutout = missing_ball().varied(variation)
        place = Ground(background_HWC).place(missing_ball().surroundings.flipped(variation), random)
        assert place is not None
        image_HWC, mask_HW = pasted(cutout, background_HWC, place)
        changed_HW = np.abs(image_HWC.astype(int) - background_HWC).max(axis=2) > VISIBLE
        inside_HW = (mask_HW > 0) & (background_HWC.max(axis=2) > 130)  # a ball is there
        overlaps.append(float((changed_HW & inside_HW).sum() / (changed_HW | inside_HW).sum()))
    assert np.mean(overlaps) > 0.9


def test_the_difference_is_that_of_the_surroundings_at_the_place() -> None:
    background_HWC, cutout = lattice(2, phase_px=13), missing_ball()
    place = Ground(background_HWC).place(cutout.surroundings, np.random.default_rng(1))
    assert place is not None
    height_px, width_px = cutout.covers_HW.shape
    there = np.s_[place.top_px : place.top_px + height_px, place.left_px : place.left_px + width_px]
    squares_HWC = (background_HWC[there].astype(float) - cutout.pixels_HWC) ** 2
    assert place.difference == pytest.approx(float(squares_HWC[cutout.ring].mean()), rel=1e-3)


def test_places_in_a_large_package_are_searched_in_a_small_one_and_vary_like_the_defect() -> None:
    times = 5  # 1200 px a side
    large = [np.kron(map_, np.ones((times, times, 1), np.uint8)) for map_ in (lattice(1, 7, (4, 5)), lattice(2, 13))]
    mask_HW = np.kron(disc(centre_px(4, 5, 7)), np.ones((times, times), np.uint8))
    (cutout,) = cutouts_of(large[0], mask_HW, ["missing_ball"], "source")
    assert cutout.scale == pytest.approx(256 / (times * SIDE_PX))
    ground, random = Ground(large[1]), np.random.default_rng(1)
    for _ in range(20):
        variation = Variation.drawn(random)
        place = ground.place(cutout.surroundings.flipped(variation), random)
        assert place is not None
        _, made_HW = pasted(cutout.varied(variation), large[1], place)
        at_px = np.argwhere(made_HW).mean(axis=0) / times - 13
        off_px = at_px % PITCH_PX - PITCH_PX / 2
        assert np.abs(off_px).max() <= 2.5, at_px


def test_a_flip_interpolates_nothing() -> None:
    cutout, random = missing_ball(), np.random.default_rng(1)
    flips = [Variation.flip(random) for _ in range(40)]
    assert len({(flip.quarters, flip.mirror) for flip in flips}) == 8
    for flip in flips:
        flipped = cutout.varied(flip)
        assert sorted(flipped.pixels_HWC.ravel().tolist()) == sorted(cutout.pixels_HWC.ravel().tolist())
        assert np.count_nonzero(flipped.covers_HW) == np.count_nonzero(cutout.covers_HW)


@pytest.mark.parametrize("shrinking", [1, 2])
def test_the_middle_of_a_defect_lies_where_it_is_allowed(shrinking: int) -> None:
    background_HWC, cutout, random = lattice(2, phase_px=13), missing_ball(), np.random.default_rng(1)
    allowed_HW = np.zeros((SIDE_PX, SIDE_PX), np.bool_)
    allowed_HW[150:220, 20:80] = True
    allowed_HW = allowed_HW[::shrinking, ::shrinking]
    ground = Ground(background_HWC, allowed_HW)
    for _ in range(20):
        variation = Variation.drawn(random)
        place = ground.place(cutout.surroundings.flipped(variation), random)
        assert place is not None
        _, mask_HW = pasted(cutout.varied(variation), background_HWC, place)
        down, across = np.argwhere(mask_HW).mean(axis=0)
        assert 148 <= down <= 222, down
        assert 18 <= across <= 82, across
    nowhere_HW = np.zeros((SIDE_PX, SIDE_PX), np.bool_)
    nowhere_HW[0, 0] = True  # no defect with its surroundings has its middle there
    assert Ground(background_HWC, nowhere_HW).place(cutout.surroundings, random) is None


def test_the_only_place_that_fits_is_taken() -> None:
    """A share of all places holds many that do not fit, where few do."""
    random, cutout = np.random.default_rng(1), missing_ball()
    background_HWC = random.normal(60, 4, (SIDE_PX, SIDE_PX, 3)).clip(0, 255).astype(np.uint8)
    height_px, width_px = cutout.covers_HW.shape
    background_HWC[100 : 100 + height_px, 60 : 60 + width_px] = cutout.pixels_HWC
    ground = Ground(background_HWC)
    for _ in range(20):
        place = ground.place(cutout.surroundings, random)
        assert place is not None
        assert (place.top_px, place.left_px) == (100, 60)
