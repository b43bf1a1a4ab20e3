import math

import pytest
import torch

from fabgan.model.paper.objective import discriminator_loss, generator_loss


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


REAL, FAKE = [1.5, -0.5, 3.0], [-2.0, 0.25, 1.0]


def test_discriminator_loss_is_its_closed_form() -> None:
    expected = -sum(math.log(sigmoid(real)) for real in REAL) / 3 - sum(math.log(1 - sigmoid(f)) for f in FAKE) / 3
    assert float(discriminator_loss(torch.tensor(REAL), torch.tensor(FAKE))) == pytest.approx(expected, rel=1e-6)


def test_minimax_generator_loss_is_its_closed_form() -> None:
    expected = sum(math.log(1 - sigmoid(fake)) for fake in FAKE) / 3
    assert float(generator_loss(torch.tensor(FAKE), "minimax")) == pytest.approx(expected, rel=1e-6)


def test_non_saturating_generator_loss_is_its_closed_form() -> None:
    expected = -sum(math.log(sigmoid(fake)) for fake in FAKE) / 3
    assert float(generator_loss(torch.tensor(FAKE), "non_saturating")) == pytest.approx(expected, rel=1e-6)


def test_losses_stay_finite_where_a_discriminator_is_certain() -> None:
    certain = torch.tensor([400.0])
    assert torch.isfinite(discriminator_loss(-certain, certain))
    assert torch.isfinite(generator_loss(certain, "minimax"))
    assert torch.isfinite(generator_loss(-certain, "non_saturating"))
