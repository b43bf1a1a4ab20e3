"""What a recurring run does: nothing new on unchanged photographs, and all of it when photographs were added."""

import io
import re
from pathlib import Path

import pytest
from PIL import Image

from fabgan.components.artifacts.manifest import FrameManifest, read_manifest
from fabgan.components.core.files import read_json
from fabgan.components.core.images import read_image
from tests.projects import Project
from tests.servers.bucket import Bucket

pytestmark = [pytest.mark.integration, pytest.mark.timeout(2400)]


def run(project: Project, source: str) -> tuple[list[str], dict[str, float]]:
    """Run the training pipeline as a schedule does; return the tasks that ran, and what `publish` measured."""
    root = project.folder / "out"
    asked = f"--root {root} --set data_source={source} --set data_version="
    said = project.run(f"fabgan pipeline run training --runner subprocess --image fabgan:0 {asked}")
    published: dict[str, float] = read_json(max(root.glob("fabgan-training-*")) / "publish" / "metrics")
    return re.findall(r"Executing task \S*'([\w-]+)'", said), published


def put_lot(project: Project, bucket: Bucket, lot: str, name: str, mirrored: bool = False) -> None:
    """Put the rendered frames of a lot into the bucket, as photographs of a lot of another name."""
    frames = project.folder / "data" / "frames"
    for frame in read_manifest(frames, FrameManifest).images:
        if frame.lot == lot:
            pixels = read_image(frames / frame.file)
            with io.BytesIO() as photograph:
                Image.fromarray(pixels[:, ::-1] if mirrored else pixels).save(photograph, "png")
                bucket.put(f"photographs/{name}/{Path(frame.file).name}", photograph.getvalue())


def test_unchanged_photographs_train_nothing_and_new_ones_train_again(project: Project, bucket: Bucket) -> None:
    lots = sorted({frame.lot for frame in read_manifest(project.folder / "data" / "frames", FrameManifest).images})
    for lot in lots:
        put_lot(project, bucket, lot, lot)
    project.environment |= bucket.server.environment
    all_steps = ["settings", "ingest", "crop-resize", "train", "evaluate", "publish", "finish"]
    ran, published = run(project, bucket.url("photographs"))
    assert (ran, published["version"], published["is_new"]) == (all_steps, 1, 1)
    ran, published = run(project, bucket.url("photographs"))
    assert (ran, published["version"], published["is_new"]) == (["settings", "evaluate", "publish", "finish"], 1, 0)
    for lot in lots:  # not all of them are held out
        put_lot(project, bucket, lot, f"new-{lot}", mirrored=True)
    ran, published = run(project, bucket.url("photographs"))
    assert (ran, published["version"], published["is_new"]) == (all_steps, 2, 1)
