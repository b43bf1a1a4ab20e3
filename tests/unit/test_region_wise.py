from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fabgan.model.optimization import AdamConfig, GradientMode
from fabgan.model.paper.config import PaperConfig
from fabgan.model.paper.objective import GeneratorLoss
from fabgan.model.paper.training import PaperTraining
from fabgan.model.streams import random_stream

CONFIG = PaperConfig(
    image_size_px=64,
    channels=3,
    latent_size=8,
    embedding_size=4,
    generator_width=4,
    discriminator_width=4,
    full_discriminator_width=2,
)


def training(gradient_mode: GradientMode, loss: GeneratorLoss = "non_saturating") -> PaperTraining:
    trained = PaperTraining(CONFIG, AdamConfig(1e-3, 0.5, 0.999), loss, seed=3, gradient_mode=gradient_mode)
    for network in trained.networks.values():
        network.double()
    return trained


def batch(index: int = 0) -> tuple[Tensor, Tensor]:
    stream = random_stream(1, "region-wise", index)
    x = torch.rand(4, 3, 64, 64, generator=stream) * 2 - 1
    return x.double(), torch.randn(4, 8, generator=stream).double()


def gradients_of_each_update(trained: PaperTraining) -> dict[str, Tensor]:
    """Fill the returned dict with the gradients that the optimizers are given."""
    seen: dict[str, Tensor] = {}

    def look(name: str) -> Callable[..., None]:
        def keep(*_: object) -> None:
            for key, weight in trained.networks[name].named_parameters():
                assert weight.grad is not None
                seen[f"{name}.{key}"] = weight.grad.clone()

        return keep

    for name, optimizer in trained.optimizers.items():
        optimizer.register_step_pre_hook(look(name))
    return seen


@pytest.mark.parametrize("loss", ["minimax", "non_saturating"])
def test_region_wise_gradient_equals_the_joint_one_for_every_weight(loss: GeneratorLoss) -> None:
    joint, region_wise = training("joint", loss), training("region_wise", loss)
    expected, seen = gradients_of_each_update(joint), gradients_of_each_update(region_wise)
    for trained in (joint, region_wise):
        trained.update(*batch())
    assert expected.keys() == seen.keys()
    assert {key.split(".")[0] for key in seen} == {"G", "D", "FD"}
    for key, gradient in expected.items():
        assert (seen[key] - gradient).norm() <= 1e-9 * gradient.norm(), key
        assert gradient.norm() > 0, key


def test_region_wise_training_equals_joint_training_over_steps() -> None:
    joint, region_wise = training("joint"), training("region_wise")
    for index in range(3):
        expected, losses = joint.update(*batch(index)), region_wise.update(*batch(index))
        torch.testing.assert_close(losses, expected)
    for name, network in joint.networks.items():
        torch.testing.assert_close(dict(region_wise.networks[name].state_dict()), dict(network.state_dict()))


def test_running_statistics_move_once_a_step() -> None:
    trained = training("region_wise")
    running_mean = dict(trained.generator.named_buffers())["norms.0.running_mean"]
    x, z = batch()
    label = trained.generator.embedding.weight[0].expand(len(z), -1)
    features = trained.generator.layers[0](torch.cat([z, label], dim=1)[:, :, None, None])
    once = 0.1 * features.mean(dim=(0, 2, 3)).detach()
    trained.update(x, z)
    torch.testing.assert_close(running_mean[0], once)


def test_region_wise_step_holds_the_graph_of_one_region() -> None:
    def most_saved(gradient_mode: GradientMode) -> int:
        trained, held, most = training(gradient_mode), 0, 0

        class Saved:
            def __init__(self, tensor: Tensor) -> None:
                nonlocal held, most
                self.tensor = tensor
                held += tensor.nbytes
                most = max(most, held)

            def __del__(self) -> None:
                nonlocal held
                held -= self.tensor.nbytes

        with torch.autograd.graph.saved_tensors_hooks(Saved, lambda saved: saved.tensor):
            trained.update(*batch())
        return most

    assert most_saved("region_wise") <= 0.4 * most_saved("joint")


def test_discriminators_learn_again_after_the_generators_turn() -> None:
    trained = training("region_wise")
    trained.update(*batch())
    discriminators = (trained.region_discriminator, trained.full_discriminator)
    assert all(weight.requires_grad for discriminator in discriminators for weight in discriminator.parameters())
