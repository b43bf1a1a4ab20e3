"""Rendered packages with masks of their defects, and commands that use them."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
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


def fabgan(command: str, packages: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a command that makes or judges defects."""
    arguments = [sys.executable, "-m", "fabgan", command, f"--packages={packages}", f"--size={SIZE_PX}", *options]
    return subprocess.run(arguments, capture_output=True, text=True, check=False)


def recommending(
    model: Path, folder: Path, methods: Mapping[str, str], needs: Mapping[str, float] | None = None
) -> Path:
    """Return a copy of a model that helps by these methods, and knows none for the other kinds; `needs` change, too."""
    shutil.copytree(model, folder)
    card = json.loads((folder / "defects.json").read_text())
    card["confirmed"] = {name: {"mean": 0.02, "low": 0.01, "high": 0.03} for name in ("auc", "places", "recall")}
    for kind in card["judged"]:
        kind["method"] = methods.get(kind["kind"], "none")
        kind["need"] = (needs or {}).get(kind["kind"], kind["need"])
    (folder / "defects.json").write_text(json.dumps(card))
    return folder
