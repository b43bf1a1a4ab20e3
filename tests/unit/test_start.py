"""Training that starts from the weights of a generator or of a checkpoint."""

import os
from pathlib import Path

import pytest
import torch

from fabgan.components.artifacts.generator import SEEN, WEIGHTS, save_generator
from fabgan.components.core.errors import UserError
from fabgan.components.core.files import sha256_of_file
from fabgan.components.core.parameters import parse
from fabgan.components.services.tracking.registry import model_folder
from fabgan.components.train.checkpoints import FILE_NAME, Checkpoints
from fabgan.components.train.parameters import TrainParameters
from fabgan.components.train.start import check_start, started
from fabgan.components.train.variants import Task, Training, new_training
from fabgan.model.streams import random_stream
from tests.conftest import section

VARIANTS = ["paper", "seamless"]


def training(seed: int, kinds: int = 2, variant: str = "seamless", **changes: object) -> Training:
    params = parse(TrainParameters, section("train", variant=variant, **changes), "tests")
    task = Task(
        image_size_px=params.image_size_px,
        channels=3,
        seed=seed,
        total_steps=1,
        kind_shares=[1 / kinds] * kinds,
        class_of_kind=[0] * kinds,
    )
    return new_training(params, task)


def checkpoint(of: Training, folder: Path) -> Path:
    kept = Checkpoints(folder, "0" * 16, seen=["a", "b"])
    kept.save(of, 1, [])
    return kept.folder


def generator(of: Training, folder: Path, variant: str) -> Path:
    save_generator(folder / "generator", variant, of.generator, {SEEN: ["a", "b"]})
    return folder / "generator"


def equal(one: Training, other: Training) -> dict[str, bool]:
    """Return of each network whether all of its weights are those of the other training's network."""
    pairs = {name: (one.networks[name].state_dict(), other.networks[name].state_dict()) for name in one.networks}
    return {name: all(torch.equal(a[key], b[key]) for key in a) for name, (a, b) in pairs.items()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_resumed_optimizer_lies_in_memory_as_one_that_was_not_interrupted(tmp_path: Path, variant: str) -> None:
    first, second = training(1, variant=variant), training(2, variant=variant)
    x_BCHW = torch.zeros(8, 3, 64, 64, dtype=torch.uint8)
    first.step(x_BCHW, 1, random_stream("step"), torch.zeros(8, dtype=torch.int64))
    kept = Checkpoints(tmp_path, "0" * 16)
    kept.save(first, 1, [])
    kept.load(second)
    assert moments(second) == moments(first)
    assert any(strides != torch.empty(shape).stride() for shape, strides in moments(first).values())


def moments(of: Training) -> dict[tuple[str, int, str], tuple[torch.Size, tuple[int, ...]]]:
    """Return the shape and the strides of each of Adam's moments."""
    return {
        (name, index, field): (moment.shape, moment.stride())
        for name, optimizer in of.optimizers.items()
        for index, state in optimizer.state_dict()["state"].items()
        for field, moment in state.items()
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_checkpoint_gives_its_weights_to_all_networks(tmp_path: Path, variant: str) -> None:
    first, second = training(1, variant=variant), training(2, variant=variant)
    assert not any(equal(first, second).values())
    folder = checkpoint(first, tmp_path)
    assert started(second, folder) == (sha256_of_file(folder / FILE_NAME), ["a", "b"])
    assert all(equal(first, second).values())


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_generator_gives_its_weights_to_the_generators_alone(tmp_path: Path, variant: str) -> None:
    first, second = training(1, variant=variant), training(2, variant=variant)
    folder = generator(first, tmp_path, variant)
    assert started(second, folder) == (sha256_of_file(folder / WEIGHTS), ["a", "b"])
    assert equal(first, second) == {name: name in ("G", "EMA") for name in first.networks}


def test_what_the_images_decide_stays_theirs(tmp_path: Path) -> None:
    """Another data set has other shares, and perhaps another number of kinds, of which none is the old one."""
    first, second = training(1, kinds=2), training(2, kinds=3)
    codes = second.generator.state_dict()["kind_codes.weight"].clone()
    started(second, checkpoint(first, tmp_path))
    found = second.generator.state_dict()
    assert found["kind_shares_K"].tolist() == pytest.approx([1 / 3] * 3)
    assert torch.equal(found["kind_codes.weight"], codes)
    assert torch.equal(found["first.weight"], first.generator.state_dict()["first.weight"])


@pytest.mark.parametrize(
    "changes",
    [{"image_size_px": 128}, {"variant": "paper"}, {"seamless": section("train")["seamless"] | {"feature_cap": 16}}],
)
def test_networks_of_other_shapes_are_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    folder = checkpoint(training(1), tmp_path)
    with pytest.raises(UserError, match=r"train\.start_from: .*checkpoint.safetensors: network G is of another"):
        started(training(1, **changes), folder)  # type: ignore[arg-type]


def test_a_folder_that_holds_neither_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"start_from: .*: neither a generator \(generator.json\) nor a checkpoint"):
        started(training(1), tmp_path)


def test_the_folder_of_all_checkpoints_is_refused_with_the_names_of_those_in_it_newest_first(tmp_path: Path) -> None:
    for number, name in enumerate(("first", "second")):
        file = checkpoint(training(1), tmp_path / name) / FILE_NAME
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
        os.utime(file.rename(tmp_path / "checkpoints" / name / FILE_NAME), (number, number))
    with pytest.raises(UserError, match=r"nor a checkpoint \(.*\); name one of its folders: second, first$"):
        started(training(1), tmp_path / "checkpoints")


def test_the_folder_of_the_trained_generator_is_refused_as_a_start(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"start_from: .*generator: this training writes .*copy that elsewhere"):
        check_start(f"{tmp_path}/generator", tmp_path / "generator")
    (tmp_path / "generator").mkdir()
    (tmp_path / "generator" / "generator.json").touch()  # nobody deleted it
    for place in (f"{tmp_path}/generator", "", "models:/generator/1", f"{tmp_path}/checkpoints/1"):
        check_start(place, tmp_path / "generator")


def test_a_checkpoint_that_a_copy_of_dvc_lacks_is_that_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / ".dvc" / "tmp" / "exps" / "standalone" / "tmp123"
    (copy / ".dvc").mkdir(parents=True)
    (copy / "here").mkdir()
    monkeypatch.chdir(copy)
    for place, folder in (("here", Path("here")), ("checkpoints/1", tmp_path / "checkpoints" / "1"), ("", None)):
        with model_folder(place) as found:
            assert found == folder


def test_the_address_of_a_server_is_no_model_and_is_not_repeated() -> None:
    with pytest.raises(UserError, match=r"^a model is a folder") as refused, model_folder("http://fab:S3cret@mlflow/7"):
        pass
    assert "S3cret" not in str(refused.value)


@pytest.mark.parametrize("kind", ["checkpoint", "generator"])
def test_a_damaged_file_is_refused(tmp_path: Path, kind: str) -> None:
    first = training(1)
    folder = checkpoint(first, tmp_path) if kind == "checkpoint" else generator(first, tmp_path, "seamless")
    (file,) = folder.glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"\.safetensors: (damaged|missing, or different)"):
        started(training(1), folder)
