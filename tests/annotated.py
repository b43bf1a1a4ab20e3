"""Rendered packages with masks of their defects."""

from pathlib import Path
from typing import Any

import yaml

from fabgan.components.core.parameters import parse
from fabgan.components.crop_resize import step as crop_resize
from fabgan.components.crop_resize.parameters import CropResizeParameters
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.parameters import IngestParameters
from tests.conftest import RENDERED, section

SIZE_PX = 128


def annotated_packages(folder: Path, defect_share: float, **changes: object) -> Path:
    """Return a folder of 48 packages, of which a share has a defect. `changes` are parameters of ingest."""
    source: dict[str, Any] = {**RENDERED, "frames": 48, "masks": True}
    source["renderer"] = {**source["renderer"], "defect_share": defect_share}
    (folder / "rendered.yaml").write_text(yaml.safe_dump(source))
    asked = section("ingest", source=str(folder / "rendered.yaml"), **changes)
    ingest.run(parse(IngestParameters, asked, "tests"), folder / "frames")
    params = parse(CropResizeParameters, section("crop_resize", sizes_px=[SIZE_PX]), "tests")
    crop_resize.run(params, folder / "frames", folder / "packages")
    return folder / "packages"
