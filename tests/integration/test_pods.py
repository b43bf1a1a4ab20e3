"""The training component in its pod: its process killed, stopped, or ended by a mistake."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from fabgan.components.core.files import read_json, sha256_of_file
from fabgan.components.core.parameters import parse
from fabgan.components.train import step as train
from fabgan.components.train.parameters import TrainParameters
from fabgan.components.train.torchrun import torchrun
from fabgan.pipeline.pod.supervisor import PROCESS
from tests.conftest import ROOT, section
from tests.integration.test_train import statuses
from tests.pods import Pod

pytestmark = pytest.mark.integration
WEIGHTS = Path("generator/generator.safetensors")
OUTPUTS = ["generator", "report", "metrics"]
END_S = 240
LONG = section("train", variant="seamless", total_images=800, checkpoint_images=80)


def at_work(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Return the processes that train in a pod, without torchrun, which starts several."""
    found = psutil.Process(process.pid).children(recursive=True)
    commands = {one: one.cmdline() for one in found}
    return [one for one, command in commands.items() if PROCESS in command and not {*torchrun(2)} <= {*command}]


def wait_until(ready: Callable[[], Any], process: subprocess.Popen[str]) -> None:
    deadline_s = time.monotonic() + END_S
    while not ready():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.02)


def kept(pod: Pod, count: int = 1) -> bool:
    """Return whether there is a checkpoint with so many sheets of samples."""
    whole = any(pod.folder.glob("checkpoints/*/checkpoint.safetensors"))
    return whole and len(list(pod.folder.glob("checkpoints/*/samples/*.png"))) >= count


def train_undisturbed(gpus: int, packages: Path, folder: Path) -> None:
    """Train in a folder as the pod does, in this process, or in several without a supervisor of theirs."""
    if not gpus:
        paths = (folder / "checkpoints", folder / "generator", folder / "report")
        train.run(parse(TrainParameters, LONG, "tests"), packages, *paths, log=lambda losses, images: None)
        return
    pod = Pod(folder, "train")
    with pod.started({"params": LONG, "gpus": gpus}, {"packages": packages}, OUTPUTS) as process:
        _, told = process.communicate(timeout=END_S)
    assert process.returncode == 0, told
    assert "started again" not in told


@pytest.mark.parametrize("gpus", [0, 2])
def test_a_killed_training_process_is_started_again_and_ends_with_the_same_weights(
    gpus: int, packages: Path, tmp_path: Path
) -> None:
    """Twice, each time after a checkpoint."""
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    killed.mkdir()
    pod = Pod(killed, "train")
    with pod.started({"params": LONG, "gpus": gpus}, {"packages": packages}, OUTPUTS) as process:
        for count in (1, 4):
            wait_until(lambda count=count: kept(pod, count), process)  # type: ignore[misc]
            before = at_work(process)
            assert len(before) == max(gpus, 1)
            before[-1].kill()
            psutil.wait_procs(before, timeout=END_S)
        _, told = process.communicate(timeout=END_S)
    assert process.returncode == 0, told
    assert told.count("train: warning: killed by SIGKILL; started again") == 2
    assert told.count("resuming after step") == 2
    whole.mkdir()
    train_undisturbed(gpus, packages, whole)
    for file in (WEIGHTS, Path("report/losses.csv"), Path("report/samples/000000800.png")):
        assert sha256_of_file(killed / file) == sha256_of_file(whole / file), file
    assert statuses(killed)["train"] == "FINISHED"
    assert read_json(killed / "metrics")["images"] == 800


def test_an_error_of_ours_in_one_of_two_processes_is_not_tried_again(packages: Path, tmp_path: Path) -> None:
    wrong = section("train", variant="seamless", batch_size=1000)
    with Pod(tmp_path, "train").started({"params": wrong, "gpus": 2}, {"packages": packages}, OUTPUTS) as process:
        _, told = process.communicate(timeout=END_S)
    assert process.returncode == 1
    assert "fabgan: error: train.batch_size: 1000 is more than the" in told
    assert "started again" not in told


def test_a_pod_that_is_stopped_ends_its_training_in_good_order(packages: Path, tmp_path: Path) -> None:
    pod = Pod(tmp_path, "train")
    with pod.started({"params": LONG, "gpus": 0}, {"packages": packages}, OUTPUTS) as process:
        wait_until(lambda: kept(pod), process)
        children = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGTERM)
        assert not psutil.wait_procs(children, timeout=END_S)[1]
        _, told = process.communicate()
    assert "started again" not in told
    assert "Traceback" not in told
    assert statuses(tmp_path) == {"pipeline": "RUNNING", "train": "KILLED"}


RENDERED_YAML = str(ROOT / "data" / "rendered.yaml")
HEAVY = {"torch", "cv2", "sklearn", "dvc", "efficientnet_lite_pytorch", "kubernetes", "docker"}


def imported(told: str) -> set[str]:
    """Return the packages in what Python tells of its imports."""
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in told.splitlines() if "import time:" in line}


def test_settings_and_finish_load_no_library_of_a_step(tmp_path: Path) -> None:
    """They have the work of a second, and each library would add seconds to it."""
    status = {"state": "COMPLETE", "pipelineTaskName": "steps", "pipelineJobResourceName": "one"}
    for component in ("settings", "finish"):
        pod = Pod(tmp_path / component, component)
        given = {"status": status} if component == "finish" else pod.form | {"data_source": RENDERED_YAML}
        pod.environment |= {"PYTHONPROFILEIMPORTTIME": "1", "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
        with pod.started(given, {}, []) as process:
            _, told = process.communicate(timeout=END_S)
        assert process.returncode == 0, told
        assert "mlflow" in imported(told)
        assert not HEAVY & imported(told)
    assert statuses(tmp_path) == {"pipeline": "FAILED"}  # no step has recorded an outcome
