"""The batches that training takes."""

import torch

from fabgan.components.train import step as train
from fabgan.model.streams import random_stream


def test_a_batch_holds_different_images_each_with_its_own_kind() -> None:
    numbers_N = torch.arange(12)
    images = train._Images(numbers_N.to(torch.uint8)[:, None, None, None], numbers_N % 5)
    x_BCHW, kinds_B = images.batch(8, random_stream("batch"))
    assert len(set(x_BCHW.flatten().tolist())) == 8
    assert torch.equal(x_BCHW.flatten() % 5, kinds_B.to(torch.uint8))
