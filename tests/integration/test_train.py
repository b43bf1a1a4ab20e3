"""Training as a person runs it: killed, resumed, out of disk space, with parameters that do not fit."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient
from safetensors.torch import load_file

from fabgan.components.artifacts.generator import FORMAT, load_card, load_generator
from fabgan.components.artifacts.tensors import save_tensors
from fabgan.components.core import locks
from fabgan.components.core.errors import OtherVersionError, UserError
from fabgan.components.core.files import sha256_of_file, write_json
from fabgan.components.core.locks import alone
from fabgan.components.core.parameters import parse
from fabgan.components.train import step as train
from fabgan.components.train import variants
from fabgan.components.train.checkpoints import LOCK
from fabgan.components.train.parameters import TrainParameters
from fabgan.model.paper.training import PaperTraining
from tests.conftest import PARAMETERS, section, write_params

pytestmark = pytest.mark.integration
WEIGHTS = Path("generator/generator.safetensors")


def parameters(**changes: object) -> TrainParameters:
    return parse(TrainParameters, section("train", **changes), "params.yaml", "train")


def trained(packages: Path, folder: Path, **changes: object) -> dict[str, float]:
    paths = (folder / "checkpoints", folder / "generator", folder / "report")
    return train.run(parameters(**changes), packages, *paths, log=lambda losses, images: None)


def command(packages: Path, folder: Path, **changes: object) -> list[str]:
    """Return the command of a training run in `folder`, with its parameters written."""
    folder.mkdir(exist_ok=True)
    write_params(folder, PARAMETERS | {"train": section("train", **changes)})
    paths = {"packages": packages, "checkpoints": "checkpoints", "generator": "generator", "report": "report"}
    options = [f"--{name}={path}" for name, path in paths.items()]
    return [sys.executable, "-m", "fabgan", "train", "--metrics=metrics.json", *options]


def kill_after_first_checkpoint(arguments: list[str], folder: Path, signal_number: int = signal.SIGKILL) -> int:
    """Return the exit status of a training that a signal ends."""
    with subprocess.Popen(arguments, cwd=folder, stderr=subprocess.DEVNULL) as process:
        while not list(folder.glob("checkpoints/*/checkpoint.safetensors")):
            assert process.poll() is None, "training ended before its first checkpoint"
            time.sleep(0.05)
        process.send_signal(signal_number)
        return process.wait()


@pytest.mark.parametrize("variant", ["paper", "seamless"])
def test_resumed_run_equals_uninterrupted_run(packages: Path, tmp_path: Path, variant: str) -> None:
    changes = {"variant": variant, "total_images": 800, "checkpoint_images": 80}
    arguments = command(packages, tmp_path / "killed", **changes)
    kill_after_first_checkpoint(arguments, tmp_path / "killed")
    assert not (tmp_path / "killed" / WEIGHTS).exists()
    resumed = subprocess.run(arguments, cwd=tmp_path / "killed", capture_output=True, text=True, check=True)
    assert "resuming after step" in resumed.stderr
    arguments = command(packages, tmp_path / "whole", **changes)
    subprocess.run(arguments, cwd=tmp_path / "whole", capture_output=True, check=True)
    for file in (WEIGHTS, Path("report/losses.csv"), Path("report/samples/000000800.png")):
        assert sha256_of_file(tmp_path / "killed" / file) == sha256_of_file(tmp_path / "whole" / file), file


@pytest.mark.parametrize(
    ("signal_number", "exit_status", "left"), [(signal.SIGTERM, 143, "KILLED"), (signal.SIGKILL, -9, "RUNNING")]
)
def test_a_training_that_a_signal_ended_has_one_run_in_mlflow_when_it_is_done(
    packages: Path, tmp_path: Path, signal_number: int, exit_status: int, left: str
) -> None:
    arguments = command(packages, tmp_path, variant="seamless", total_images=800, checkpoint_images=80)
    assert kill_after_first_checkpoint(arguments, tmp_path, signal_number) == exit_status
    assert statuses(tmp_path) == {"pipeline": left, "train": left}
    subprocess.run(arguments, cwd=tmp_path, capture_output=True, check=True)
    assert statuses(tmp_path) == {"pipeline": "FINISHED", "train": "FINISHED"}


def statuses(folder: Path) -> dict[str, str]:
    """Return the status of every run in the folder's MLflow, each by its own name."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    found = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    names = [str(run.info.run_name).split("-")[0] for run in found]
    assert len(set(names)) == len(names)
    return dict(zip(names, (run.info.status for run in found), strict=True))


def test_training_writes_generator_losses_and_samples(packages: Path, tmp_path: Path) -> None:
    points: list[int] = []
    paths = (tmp_path / "checkpoints", tmp_path / "generator", tmp_path / "report")
    metrics = train.run(parameters(), packages, *paths, log=lambda losses, images: points.append(images))
    assert metrics["images"] == 64
    assert points == [8, 16, 24, 32, 40, 48, 56, 64]
    assert (tmp_path / "report" / "losses.csv").read_text().splitlines()[0] == "images,D,FD,G"
    assert sorted(path.name for path in (tmp_path / "report" / "samples").iterdir())[-1] == "000000064.png"
    assert load_generator(tmp_path / "generator").config.image_size_px == 64


def cut_off(content: bytes) -> bytes:
    return content[:1000]


def with_a_flipped_bit(content: bytes) -> bytes:
    return content[:-100] + bytes([content[-100] ^ 1]) + content[-99:]


@pytest.mark.parametrize("damaged", [cut_off, with_a_flipped_bit])
def test_a_damaged_checkpoint_is_not_used(
    packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], damaged: Callable[[bytes], bytes]
) -> None:
    trained(packages, tmp_path / "first")
    first = sha256_of_file(tmp_path / "first" / WEIGHTS)
    (checkpoint,) = (tmp_path / "first").glob("checkpoints/*/checkpoint.safetensors")
    checkpoint.write_bytes(damaged(checkpoint.read_bytes()))
    trained(packages, tmp_path / "first")
    assert "is damaged" in capsys.readouterr().err
    assert sha256_of_file(tmp_path / "first" / WEIGHTS) == first


def test_two_trainings_do_not_write_the_same_checkpoints(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "WAIT_S", 0.0)
    trained(packages, tmp_path / "first")
    (folder,) = (tmp_path / "first" / "checkpoints").iterdir()
    content = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with alone(folder, "taken", LOCK), pytest.raises(UserError, match="another process trains the same; wait until"):
        trained(packages, tmp_path / "first")
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == content
    trained(packages, tmp_path / "first")


def test_weights_can_be_read_by_others_and_nothing_else_is_left(packages: Path, tmp_path: Path) -> None:
    trained(packages, tmp_path)
    weights = tmp_path / WEIGHTS
    assert weights.stat().st_mode == weights.with_name("generator.json").stat().st_mode
    (folder,) = (tmp_path / "checkpoints").iterdir()
    assert {path.name for path in folder.iterdir()} == {"checkpoint.safetensors", LOCK, "samples"}


def test_a_gpu_without_memory_is_said(packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(*arguments: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(PaperTraining, "step", step)
    with pytest.raises(
        UserError, match=r"train.batch_size: 8 images of 64 px need more memory than .* lower the number"
    ):
        trained(packages, tmp_path)


def test_a_checkpoint_of_other_parameters_is_neither_used_nor_lost(
    packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(packages, tmp_path / "one", seed=1)
    first = sha256_of_file(tmp_path / "one" / WEIGHTS)
    capsys.readouterr()
    trained(packages, tmp_path / "one", seed=2)
    assert "data or code, or to another type of processor: starting from step 0" in capsys.readouterr().err
    trained(packages, tmp_path / "two", seed=2)
    assert sha256_of_file(tmp_path / "one" / WEIGHTS) == sha256_of_file(tmp_path / "two" / WEIGHTS)
    capsys.readouterr()
    trained(packages, tmp_path / "one", seed=1)
    assert "resuming after step 8" in capsys.readouterr().err
    assert sha256_of_file(tmp_path / "one" / WEIGHTS) == first


@pytest.mark.parametrize(
    ("changes", "resumes"),
    [
        ({"paper": PARAMETERS["train"]["paper"] | {"learning_rate": 1e-3}}, True),
        ({"seamless": PARAMETERS["train"]["seamless"] | {"precision": "auto"}}, True),
        ({"seamless": PARAMETERS["train"]["seamless"] | {"ema_decay": 0.8}}, False),
    ],
    ids=["settings of another variant", "auto that comes to the same", "settings of this variant"],
)
def test_only_what_decides_the_result_tells_checkpoints_apart(
    packages: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, object],
    resumes: bool,
) -> None:
    monkeypatch.setattr(variants, "uses_bfloat16", lambda precision: precision == "bfloat16")
    trained(packages, tmp_path, variant="seamless")
    capsys.readouterr()
    trained(packages, tmp_path, **{"variant": "seamless"} | changes)
    assert ("resuming after step 8" in capsys.readouterr().err) == resumes


def test_another_precision_or_other_code_does_not_resume(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`auto` on a node of another type may compute in another precision."""
    auto = {"variant": "seamless", "seamless": PARAMETERS["train"]["seamless"] | {"precision": "auto"}}
    monkeypatch.setattr(variants, "uses_bfloat16", lambda precision: False)
    trained(packages, tmp_path, **auto)
    capsys.readouterr()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(variants, "uses_bfloat16", lambda precision: True)
        trained(packages, tmp_path, **auto)
    assert "from step 0" in capsys.readouterr().err
    monkeypatch.setattr(train, "code_of", lambda step: "of other code")
    trained(packages, tmp_path, **auto)
    assert "from step 0" in capsys.readouterr().err


@pytest.mark.parametrize("taken", ["generator", "report"])
def test_a_folder_of_other_things_is_refused_before_training(packages: Path, tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).mkdir()
    (tmp_path / taken / "photograph.jpg").write_text("1")
    with pytest.raises(UserError, match=f"{taken}: holds something else"):
        trained(packages, tmp_path)
    assert (tmp_path / taken / "photograph.jpg").read_text() == "1"
    assert not (tmp_path / "checkpoints").exists()


def test_a_damaged_generator_is_refused(packages: Path, tmp_path: Path) -> None:
    trained(packages, tmp_path)
    weights = tmp_path / WEIGHTS
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(UserError, match="sha256 differs"):
        load_generator(tmp_path / "generator")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 1000}, r"train.batch_size: 1000 is more than the \d+ training images"),
        ({"image_size_px": 100}, "image_size_px: expected a power of two"),
        ({"image_size_px": 128}, r"no images of 128 px"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(
    packages: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        trained(packages, tmp_path, **changes)


def test_a_full_disk_is_one_clear_line_and_loses_nothing(packages: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk: the system refuses the write half way."""
    arguments = command(packages, tmp_path, total_images=160, checkpoint_images=80)
    subprocess.run(arguments, cwd=tmp_path, capture_output=True, check=True)
    before = sha256_of_file(tmp_path / WEIGHTS)
    wide = PARAMETERS["train"]["paper"] | {"generator_width": 64}
    arguments = command(packages, tmp_path, total_images=160, checkpoint_images=80, paper=wide)
    shell = f"ulimit -f 2000; exec {' '.join(arguments)}"
    failed = subprocess.run(["bash", "-c", shell], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    last = failed.stderr.splitlines()[-1]
    assert last.startswith("fabgan: error: ")
    assert "checkpoint.safetensors" in last
    assert sha256_of_file(tmp_path / WEIGHTS) == before
    assert not list(tmp_path.rglob("*.partial"))


def test_a_batch_of_one_is_refused_where_batches_are_normalised() -> None:
    with pytest.raises(UserError, match=r"train: batch_size: seamless normalises over a batch"):
        parameters(variant="seamless", batch_size=1)
    assert parameters(variant="paper", batch_size=1).batch_size == 1


def test_what_another_version_made_is_told_apart_and_refused_in_one_line(packages: Path, tmp_path: Path) -> None:
    """As networks with other layers, a newer card, or a model that is not known here: whole, but not to be built."""
    trained(packages, tmp_path, variant="seamless")
    folder = tmp_path / "generator"
    whole = load_card(folder)
    newer = [
        ("format", FORMAT + 1, "not the card of a generator"),
        ("variant", "newer", "cannot build the variant 'newer'"),
    ]
    for key, value, message in newer:
        write_json(folder / "generator.json", whole | {key: value})
        with pytest.raises(OtherVersionError, match=message):
            load_generator(folder)
    tensors = load_file(folder / "generator.safetensors")
    tensors["layers.0.weight"] = tensors.pop("to_coarse.weight")
    save_tensors(folder / "generator.safetensors", tensors)
    write_json(folder / "generator.json", whole | {"weights_sha256": sha256_of_file(folder / "generator.safetensors")})
    with pytest.raises(OtherVersionError, match="this version of fabgan does not build these networks"):
        load_generator(folder)
