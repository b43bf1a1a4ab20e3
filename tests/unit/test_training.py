import torch

from fabgan.model.optimization import AdamConfig
from fabgan.model.paper.config import PaperConfig
from fabgan.model.paper.training import PaperTraining
from fabgan.model.streams import random_stream

CONFIG = PaperConfig(
    image_size_px=32,
    channels=3,
    latent_size=8,
    embedding_size=4,
    generator_width=4,
    discriminator_width=4,
    full_discriminator_width=2,
)


def training() -> PaperTraining:
    return PaperTraining(CONFIG, AdamConfig(1e-3, 0.5, 0.999), "non_saturating", seed=3)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    stream = random_stream(1, "test")
    return torch.rand(4, 3, 32, 32, generator=stream) * 2 - 1, torch.randn(4, 8, generator=stream)


def weights(trained: PaperTraining) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": weight.detach().clone()
        for name, network in trained.networks.items()
        for key, weight in network.named_parameters()
    }


def test_a_step_changes_every_weight_of_the_three_networks() -> None:
    trained = training()
    before = weights(trained)
    losses = trained.update(*batch())
    assert losses.keys() == {"G", "D", "FD"}
    unchanged = [name for name, weight in weights(trained).items() if torch.equal(weight, before[name])]
    assert unchanged == []


def test_same_seed_trains_to_the_same_weights() -> None:
    first, second = training(), training()
    for trained in (first, second):
        trained.update(*batch())
    assert all(torch.equal(weight, weights(second)[name]) for name, weight in weights(first).items())


def test_a_step_lets_go_of_its_gradients() -> None:
    trained = training()
    x, z = batch()
    trained.update(x, z)
    assert all(weight.grad is None for network in trained.networks.values() for weight in network.parameters())
    assert all(weight.requires_grad for weight in trained.full_discriminator.parameters())


def test_training_does_not_touch_the_global_random_state() -> None:
    state = torch.random.get_rng_state()
    training().update(*batch())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_discriminator_learns_to_tell_real_from_fake() -> None:
    trained = training()
    x, z = batch()
    losses = [trained.update(x, z) for _ in range(60)]
    assert losses[-1]["D"] < 0.5 * losses[0]["D"]


def test_random_streams_depend_on_their_place_alone() -> None:
    def draw(*place: int | str) -> list[float]:
        return torch.randn(4, generator=random_stream(*place)).tolist()

    assert draw(1, "batch", 7) == draw(1, "batch", 7)
    assert draw(1, "batch", 7) != draw(1, "batch", 8)
    assert draw(1, "batch", 7) != draw(2, "batch", 7)


def test_a_step_draws_its_latents_from_its_stream_alone() -> None:
    first, second, other = training(), training(), training()
    x = torch.randint(256, batch()[0].shape, generator=random_stream("photographs"), dtype=torch.uint8)
    for trained, place in ((first, 7), (second, 7), (other, 8)):
        trained.step(x, 1, random_stream(1, "step", place))
    assert all(torch.equal(weight, weights(second)[name]) for name, weight in weights(first).items())
    assert not all(torch.equal(weight, weights(other)[name]) for name, weight in weights(first).items())
