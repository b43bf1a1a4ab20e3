"""The images and the batches that training takes."""

from pathlib import Path

import pytest
import torch

from fabgan.components.core.errors import UserError
from fabgan.components.core.parameters import parse
from fabgan.components.train import step as train
from fabgan.components.train.parameters import TrainParameters
from fabgan.model.streams import random_stream
from tests.conftest import section

TOO_LARGE = 1 << 62


def test_a_batch_holds_different_images_each_with_its_own_kind() -> None:
    numbers_N = torch.arange(12)
    images = train._Images(numbers_N.to(torch.uint8)[:, None, None, None], numbers_N % 5)
    x_BCHW, kinds_B = images.batch(8, random_stream("batch"))
    assert len(set(x_BCHW.flatten().tolist())) == 8
    assert torch.equal(x_BCHW.flatten() % 5, kinds_B.to(torch.uint8))


def test_images_for_which_a_cpu_has_no_memory_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "load_packages", lambda *_: torch.empty(TOO_LARGE, dtype=torch.uint8))
    params = parse(TrainParameters, section("train"), "tests", "train")
    places = tmp_path / "checkpoints", tmp_path / "generator", tmp_path / "report"
    with pytest.raises(UserError, match=r"^train.image_size_px: the training images of 64 px need more memory than"):
        train.run(params, tmp_path, *places, log=lambda losses, images: None)


def test_another_failure_of_torch_is_not_told_as_one_of_memory() -> None:
    with pytest.raises(RuntimeError, match="shape"), train._memory_said("train.batch_size: 8 images"):
        torch.zeros(2).reshape(3)
