"""Masks of rendered defects, and frames without their defect."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image

from fabgan.components.artifacts.manifest import FrameManifest, read_manifest
from fabgan.components.core.errors import UserError
from fabgan.components.core.files import read_json
from fabgan.components.core.parameters import parse
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.parameters import IngestParameters
from fabgan.components.ingest.renderer import DEFECT_KINDS, RenderedFrame, kind_of_frame, render_frame
from tests.conftest import RENDERED, section
from tests.frames import small

SEED = 7
NOTICED = 16
"""Change of a pixel, of 255, that can be seen."""
ROUND = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))


@pytest.fixture(scope="module")
def pairs() -> dict[str, tuple[RenderedFrame, RenderedFrame]]:
    """For each kind of defect a frame that shows it, with its mask, and the same frame without it."""
    spoiling = small(defect_share=1.0)
    first = {kind_of_frame(spoiling, SEED, index): index for index in reversed(range(60))}
    return {
        kind: (render_frame(spoiling, SEED, first[kind], with_mask=True), render_frame(small(), SEED, first[kind]))
        for kind in DEFECT_KINDS
    }


def difference(pair: tuple[RenderedFrame, RenderedFrame]) -> NDArray[np.int64]:
    spoiled, good = pair
    apart: NDArray[np.int64] = np.abs(spoiled.image.astype(np.int64) - good.image).max(axis=2)
    return apart


@pytest.mark.parametrize("kind", DEFECT_KINDS)
def test_a_mask_covers_what_the_defect_changes_and_no_more(
    pairs: dict[str, tuple[RenderedFrame, RenderedFrame]], kind: str
) -> None:
    mask, apart = pairs[kind][0].mask, difference(pairs[kind])
    assert mask is not None
    assert pairs[kind][0].truth.label == kind
    assert set(np.unique(mask)) == {0, 1}
    assert not (apart[cv2.dilate(mask, ROUND) == 0] >= NOTICED).any()
    seen = cv2.morphologyEx((apart >= NOTICED).astype(np.uint8), cv2.MORPH_CLOSE, ROUND)
    contours, _ = cv2.findContours(seen, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(filled, contours, -1, (1.0,), cv2.FILLED)
    assert not ((cv2.erode(mask, ROUND) > 0) & (cv2.dilate(filled, ROUND) == 0)).any()
    assert (mask & filled).sum() > 0.7 * (mask | filled).sum()


def test_masks_change_no_frame_and_good_frames_have_empty_ones() -> None:
    spoiling = small(defect_share=1.0)
    for index in range(3):
        with_mask, without = render_frame(spoiling, SEED, index, with_mask=True), render_frame(spoiling, SEED, index)
        np.testing.assert_array_equal(with_mask.image, without.image)
        assert without.mask is None
    mask = render_frame(small(), SEED, 0, with_mask=True).mask
    assert mask is not None
    assert not mask.any()


def ingested(folder: Path, **changes: object) -> tuple[Path, FrameManifest]:
    source = folder / "rendered.yaml"
    renderer = RENDERED["renderer"] | {"defect_share": 0.6}  # type: ignore[operator]
    source.write_text(yaml.safe_dump(RENDERED | {"frames": 8, "renderer": renderer} | changes))
    ingest.run(parse(IngestParameters, section("ingest", source=str(source)), "tests"), folder / "frames")
    return folder / "frames", read_manifest(folder / "frames", FrameManifest)


def test_a_source_can_ask_for_masks_and_for_pairs(tmp_path: Path) -> None:
    folder, manifest = ingested(tmp_path, masks=True, pairs=True)
    frames = {frame.name: frame for frame in manifest.images}
    defective = [frame for frame in manifest.images if frame.label != "good"]
    assert manifest.kinds == sorted(DEFECT_KINDS)
    assert len(frames) == 8 + len(defective) > 8
    for frame in manifest.images:
        with Image.open(folder / frame.mask) as mask:
            values = set(np.unique(np.asarray(mask))) - {0}
        assert values == ({manifest.kinds.index(frame.label) + 1} if frame.label in manifest.kinds else set())
    for frame in defective:
        good = frames[f"{frame.name}-good"]
        assert (good.label, good.lot, good.split, good.source) == (
            *("good", frame.lot, frame.split),
            f"{frame.source}/good",
        )
        truths = [read_json(folder / "truth" / f"{name}.json") for name in (frame.name, good.name)]
        assert truths[0]["outline_px"] == truths[1]["outline_px"]


def test_without_asking_there_are_neither_masks_nor_pairs(tmp_path: Path) -> None:
    folder, manifest = ingested(tmp_path)
    assert len(manifest.images) == 8
    assert not manifest.kinds
    assert sorted(path.name for path in folder.iterdir()) == ["contact_sheet.html", "frames", "manifest.json", "truth"]


def test_annotations_of_rendered_frames_are_refused(tmp_path: Path, rendered_source: Path) -> None:
    params = parse(IngestParameters, section("ingest", source=str(rendered_source), annotations="x"), "tests")
    with pytest.raises(UserError, match=r"ingest.annotations: rendered frames have none; write `masks: true` into"):
        ingest.run(params, tmp_path / "frames")
