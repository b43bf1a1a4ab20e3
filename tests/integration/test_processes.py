"""Training by several processes under torchrun: as one process does, killed, resumed, refused."""

import csv
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from safetensors.torch import load_file

from fabgan.components.core.errors import UserError
from fabgan.components.core.files import sha256_of_file
from fabgan.components.core.parameters import parse
from fabgan.components.train import step as train
from fabgan.components.train.parameters import TrainParameters
from fabgan.components.train.torchrun import torchrun
from tests.conftest import PARAMETERS, ROOT, section, write_params

pytestmark = pytest.mark.integration
WEIGHTS = Path("generator/generator.safetensors")
RESULTS = (WEIGHTS, Path("report/losses.csv"), Path("report/samples/000000400.png"))
END_S = 240
TORCHRUN = [sys.executable, *torchrun(2)]
CALM = {"learning_rate": 2e-4, "discriminator_learning_rate": 1e-4}
"""Rates at which a difference of rounding does not grow into another training within 50 steps."""
FURTHEST = 50 * CALM["learning_rate"]
"""About as far as Adam moves a weight in 50 steps: a step is hardly larger than the rate (Kingma, Ba, section 2.1)."""
FIFTY_STEPS = {
    "variant": "seamless",
    "total_images": 400,
    "checkpoint_images": 40,
    "seamless": PARAMETERS["train"]["seamless"] | CALM,
}


def arguments(packages: Path, folder: Path, **changes: object) -> list[str]:
    """Return the arguments after `python -m` of a training in `folder`, with its parameters written."""
    folder.mkdir()
    write_params(folder, PARAMETERS | {"train": section("train", **changes)})
    paths = {"packages": packages, "checkpoints": "checkpoints", "generator": "generator", "report": "report"}
    return ["fabgan", "train", "--metrics=metrics.json", *(f"--{name}={path}" for name, path in paths.items())]


def losses(folder: Path) -> list[list[float]]:
    with (folder / "report" / "losses.csv").open(encoding="utf-8") as file:
        return [[float(value) for value in row] for row in list(csv.reader(file))[1:]]


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline_s = time.monotonic() + END_S
    while not ready():
        assert process.poll() is None, "the command has ended early"
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.02)


@contextmanager
def started(command: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return [child for child in psutil.Process(process.pid).children() if "fabgan" in child.cmdline()]


@pytest.fixture(scope="module")
def two_processes(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training by two processes that nothing has disturbed."""
    folder = tmp_path_factory.mktemp("processes") / "two"
    command = arguments(packages, folder, **FIFTY_STEPS)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        subprocess.run([*TORCHRUN, "-m", *command], cwd=folder, check=True)
    return folder


def test_steps_of_several_processes_are_those_of_one() -> None:
    """In float64: to nine digits after twelve steps, every weight and statistic alike in all processes."""
    command = [*TORCHRUN, "-m", "tests.integration.shared_steps"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=END_S, check=False)
    assert done.returncode == 0, done.stderr


def test_two_processes_have_the_losses_of_one(packages: Path, two_processes: Path, tmp_path: Path) -> None:
    params = parse(TrainParameters, section("train", **FIFTY_STEPS), "tests")
    paths = (tmp_path / "checkpoints", tmp_path / "generator", tmp_path / "report")
    train.run(params, packages, *paths, log=lambda losses, images: None)
    found, expected = losses(two_processes), losses(tmp_path)
    assert len(expected) == 50
    for row, expected_row in zip(found, expected, strict=True):
        assert row == pytest.approx(expected_row, rel=1e-4), f"after {row[0]:.0f} images"
    weights, expected_weights = load_file(two_processes / WEIGHTS), load_file(tmp_path / WEIGHTS)
    assert weights.keys() == expected_weights.keys()
    for name, weight in expected_weights.items():
        difference = (weights[name] - weight).double().square().mean().sqrt()
        assert difference <= FURTHEST / 100, name


def test_one_process_of_several_writes(two_processes: Path) -> None:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{two_processes}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("fabgan").experiment_id])
    assert sorted(run.info.run_name.partition("-")[0] for run in runs) == ["pipeline", "train"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(list((two_processes / "report" / "samples").iterdir())) == 10
    assert not list(two_processes.rglob("*.partial"))


def test_killed_processes_resume_to_the_uninterrupted_result(
    packages: Path, two_processes: Path, tmp_path: Path
) -> None:
    """Once by torchrun, which may restart them once; then the command ends, and is given again."""
    folder = tmp_path / "killed"
    command = [*TORCHRUN, "--max-restarts=1", "-m", *arguments(packages, folder, **FIFTY_STEPS)]
    with started(command, folder) as process:
        for kept in (1, 4):
            wait_until(lambda kept=kept: len(list(folder.glob("checkpoints/*/samples/*.png"))) >= kept, process)  # type: ignore[misc]
            before = workers(process)
            before[-1].kill()
            assert not psutil.wait_procs(before, timeout=END_S)[1]
        _, told = process.communicate(timeout=END_S)
    assert process.returncode != 0
    assert told.count("resuming after step") == 1
    assert not (folder / WEIGHTS).exists()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=END_S, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("resuming after step") == 1
    assert done.stdout.count("train: ") == 1
    for file in RESULTS:
        assert sha256_of_file(folder / file) == sha256_of_file(two_processes / file), file


def test_processes_end_with_torchrun(packages: Path, tmp_path: Path) -> None:
    folder = tmp_path / "left"
    command = [*TORCHRUN, "-m", *arguments(packages, folder, **FIFTY_STEPS | {"total_images": 40000})]
    with started(command, folder) as process:
        wait_until(lambda: any(folder.glob("checkpoints/*/checkpoint.safetensors")), process)
        left = workers(process)
        process.kill()
        assert len(left) == 2
        assert not psutil.wait_procs(left, timeout=END_S)[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 3}, "train.batch_size: 3 images cannot be divided evenly by 2 processes"),
        ({"variant": "paper"}, "train.variant: paper trains in one process"),
    ],
)
def test_what_several_processes_cannot_do_is_refused(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], message: str
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    params = parse(TrainParameters, section("train") | {"variant": "seamless"} | changes, "tests")
    paths = (tmp_path / "checkpoints", tmp_path / "generator", tmp_path / "report")
    with pytest.raises(UserError, match=message):
        train.run(params, packages, *paths, log=lambda losses, images: None)
