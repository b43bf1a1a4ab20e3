"""What tests share: a small rendered data set, real photographs where they are at hand, and quiet services."""

import inspect
import os
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock

from bundle.engine import docker
from fabgan.components.core.errors import UserError
from fabgan.components.core.log import start_logging
from fabgan.components.core.parameters import parse
from fabgan.components.crop_resize import step as crop_resize
from fabgan.components.crop_resize.parameters import CropResizeParameters
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.parameters import IngestParameters
from fabgan.components.services import storage
from fabgan.components.steps import SCHEMA
from tests.servers.bucket import Bucket
from tests.servers.s3 import S3Server, running_s3

ROOT = Path(__file__).resolve().parent.parent
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

RENDERED = {
    "frames": 24,
    "seed": 1,
    "renderer": {
        "frame_width_px": 640,
        "frame_height_px": 480,
        "products": 2,
        "frames_per_lot": 2,
        "min_balls_per_side": 6,
        "max_balls_per_side": 8,
        "max_angle_deg": 20,
        "min_body_share": 0.45,
        "max_body_share": 0.65,
        "defect_share": 0.2,
        "grey": False,
    },
}


PARAMETERS: dict[str, dict[str, Any]] = {
    "ingest": {
        "source": "data/rendered.yaml",
        "revision": "",
        "lot_pattern": "^([^/]+)/",
        "labels_file": "",
        "held_out_share": 0.2,
        "max_quarantined_share": 0.1,
        "min_side_px": 64,
        "seed": 1,
    },
    "crop_resize": {"sizes_px": [64], "margin_share": 0.05, "grey": False, "max_quarantined_share": 0.2},
    "train": {
        "image_size_px": 64,
        "total_images": 64,
        "checkpoint_images": 16,
        "batch_size": 8,
        "variant": "paper",
        "seed": 1,
        "start_from": "",
        "paper": {
            "latent_size": 8,
            "embedding_size": 4,
            "generator_width": 4,
            "discriminator_width": 4,
            "full_discriminator_width": 2,
            "generator_loss": "non_saturating",
            "learning_rate": 2e-4,
        },
        "seamless": {
            "labels": False,
            "precision": "float32",
            "latent_size": 8,
            "generator_width": 4,
            "discriminator_width": 4,
            "full_discriminator_width": 2,
            "feature_cap": 8,
            "learning_rate": 2e-3,
            "discriminator_learning_rate": 2e-3,
            "energy_weight": 10.0,
            "r1_gamma": 0.1,
            "ema_decay": 0.9,
            "final_lr_fraction": 0.1,
        },
    },
    "evaluate": {
        "generated_images": 16,
        "seed": 1,
        "max_distance": 1e9,
        "max_two_sample": 1.0,
        "max_outliers": 1.0,
        "max_far_outliers": 1.0,
        "max_repeated": 1.0,
        "min_share": 0.0,
        "min_ser": 0.001,
        "max_ser": 1000.0,
        "max_copied_share": 1.0,
        "max_membership": 1.0,
        "usefulness": False,
        "inception_file": "",
        "inception_sha256": "",
    },
    "publish": {"model_name": "bga-generator"},
}
"""Every section, as small as it goes, with a verdict that lets anything pass.

So few of `RENDERED` are held out that evaluate does not ask what its limits would see, which takes longest.
"""


def write_params(folder: Path, content: dict[str, Any] = PARAMETERS) -> None:
    """Write a params.yaml into a folder."""
    (folder / "params.yaml").write_text(yaml.safe_dump({"schema": SCHEMA} | content))


def write_rendered(folder: Path) -> None:
    """Write the .yaml source that `PARAMETERS` name into a folder."""
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "rendered.yaml").write_text(yaml.safe_dump(RENDERED))


def section(step: str, **changes: object) -> dict[str, Any]:
    """Return a section of the parameters with some values changed."""
    return PARAMETERS[step] | changes


@pytest.fixture
def rendered_source(tmp_path: Path) -> Path:
    """A .yaml source of a few small frames."""
    path = tmp_path / "rendered.yaml"
    path.write_text(yaml.safe_dump(RENDERED))
    return path


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small packages, as ingest and crop_resize make it from rendered frames. Not to be changed."""
    return rendered_packages(tmp_path_factory.mktemp("packages"))


def rendered_packages(folder: Path, **changes: object) -> Path:
    """Make packages in a folder, with some values of `ingest` changed; return the folder that holds them."""
    source = folder / "rendered.yaml"
    source.write_text(yaml.safe_dump(RENDERED))
    given = section("ingest", source=str(source)) | changes
    ingest.run(parse(IngestParameters, given, "tests"), folder / "frames")
    params = parse(CropResizeParameters, section("crop_resize"), "tests")
    crop_resize.run(params, folder / "frames", folder / "packages")
    return folder / "packages"


@pytest.fixture(scope="session")
def real_photographs() -> Path:
    """The folder of real photographs; tests that need it skip where FABGAN_REAL_DATA does not name one."""
    folder = os.environ.get("FABGAN_REAL_DATA")
    if not folder:
        pytest.skip("FABGAN_REAL_DATA is not set: no folder of real photographs to test with")
    path = Path(folder) / "dip_package"
    assert path.is_dir(), f"FABGAN_REAL_DATA={folder} has no folder dip_package"
    return path


@pytest.fixture(scope="session")
def docker_engine() -> None:
    """A container engine; tests that need one skip where none answers, and fail where FABGAN_REQUIRE_ALL=1."""
    try:
        docker("version")
    except UserError as error:
        if os.environ.get("FABGAN_REQUIRE_ALL") == "1":
            raise
        pytest.skip(f"no container engine to test with (tests/servers/docker_engine.sh starts one): {error}")


def make(target: str) -> str:
    """Make a target of the project, one at a time where several processes share the tests; return what was said."""
    (ROOT / "build").mkdir(exist_ok=True)
    with FileLock(ROOT / "build" / ".lock"):
        done = subprocess.run(["make", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="session")
def image(docker_engine: None) -> str:
    """The name of the container image of this checkout, built by `make image` where it is not up to date."""
    make("image")
    return f"fabgan:{VERSION}"


@pytest.fixture(autouse=True, scope="session")
def short_stacks() -> Iterator[None]:
    """Leave the source out of `inspect.stack`.

    kfp asks it for the name of a caller at each setting of a task. Among the frames of pytest, that takes a second.
    """
    stack = inspect.stack
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspect, "stack", lambda context=0: stack(context))
        yield


LEFT_BY_MLFLOW = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_ID")
"""Variables that a step of one test sets for its own processes, and that would lead those of the next test astray."""


@pytest.fixture(autouse=True)
def no_services(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep a person's own MLflow server and object store out of the tests."""
    for name in (*LEFT_BY_MLFLOW, "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    storage._client_of.cache_clear()
    start_logging()
    yield
    for name in LEFT_BY_MLFLOW:
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real object store, started once."""
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def bucket(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket, with the variables set by which it is found."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return Bucket(s3)
