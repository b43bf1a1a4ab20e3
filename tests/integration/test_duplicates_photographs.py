"""Successive stills of a film are near-duplicates, whatever lots they are divided into."""

import shutil
from pathlib import Path

import pytest

from fabgan.components.artifacts.manifest import PackageManifest, read_manifest
from fabgan.components.core.parameters import parse
from fabgan.components.crop_resize import step as crop_resize
from fabgan.components.crop_resize.parameters import CropResizeParameters
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.parameters import IngestParameters
from tests.conftest import section

pytestmark = pytest.mark.integration
BY_TENS = r"frame_(\d{3})\d_"


def test_stills_of_a_film_that_lie_in_different_lots_are_found(real_photographs: Path, tmp_path: Path) -> None:
    (tmp_path / "stills").mkdir()
    for path in (real_photographs / "images").glob("frame_00[56]?_*.jpg"):
        shutil.copyfile(path, tmp_path / "stills" / path.name)
    given = section("ingest", source=str(tmp_path / "stills"), lot_pattern=BY_TENS)
    ingest.run(parse(IngestParameters, given, "tests"), tmp_path / "frames")
    params = parse(CropResizeParameters, section("crop_resize", max_quarantined_share=0.5), "tests")
    crop_resize.run(params, tmp_path / "frames", tmp_path / "packages")
    manifest = read_manifest(tmp_path / "packages", PackageManifest)
    source_of = {image.name: image.source for image in manifest.images}
    groups = [{source_of[name][:10] for name in group} for group in manifest.near_duplicates]
    assert any({"frame_0059", "frame_0060"} <= group for group in groups)
