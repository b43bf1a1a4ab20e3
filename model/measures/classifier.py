"""A two-sample test: can a small network, trained from scratch, tell generated images from real ones?

If it cannot, the area under its ROC curve is 0.5 on images that it was not trained with (Lopez-Paz and Oquab 2017,
arXiv:1610.06545).

Dimensions: N M images, P patches per image, B patches of a batch, C channels, R pixels a side.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ..streams import random_stream

STEPS = 80
PASSES = 20
"""So often are the patches of the smaller side seen at most. Few patches would be learned by heart."""
BATCH = 24
"""Patches of each side, per step."""
LEARNING_RATE = 2e-3
WIDTHS = (16, 32, 64)


class Classifier:
    """A small convolutional network, trained to give generated images a high score and real ones a low score."""

    def __init__(self, channels: int, seed: int) -> None:
        self._seed = seed
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._network = _network(channels)

    def train(self, generated_NPCRR: Tensor, real_MPCRR: Tensor) -> None:
        """Train with uint8 patches. Batches hold as many of the one side as of the other, flipped at random."""
        sides = generated_NPCRR.flatten(0, 1), real_MPCRR.flatten(0, 1)
        stream = random_stream(self._seed, "classifier")
        optimizer = torch.optim.AdamW(self._network.parameters(), LEARNING_RATE)
        for _ in range(min(STEPS, -(-PASSES * min(map(len, sides)) // BATCH))):
            generated, real = (self._scores(_drawn(patches, stream)) for patches in sides)
            loss = (softplus(-generated) + softplus(real)).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    @torch.no_grad()
    def scores(self, x_NPCRR: Tensor) -> Tensor:
        """Return a score for each image, the mean over its patches. It is higher for images that look generated."""
        patches = torch.split(x_NPCRR.flatten(0, 1), 2 * BATCH)
        return torch.cat([self._scores(patch) for patch in patches]).view(x_NPCRR.shape[:2]).mean(dim=1)

    def _scores(self, x_BCRR: Tensor) -> Tensor:
        # In channels_last, networks of this size train a third faster.
        x_BCRR = ((x_BCRR.float() - 128) / 64).contiguous(memory_format=torch.channels_last)
        scores: Tensor = self._network(x_BCRR).mean(dim=(1, 2, 3))
        return scores


def _network(channels: int) -> nn.Module:
    """Return a network from B x C x R x R to a map of scores."""
    layers: list[nn.Module] = []
    for before, after in zip((channels, *WIDTHS), WIDTHS, strict=False):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers, nn.Conv2d(WIDTHS[-1], 1, 1))


def _drawn(patches: Tensor, stream: torch.Generator) -> Tensor:
    drawn = patches[torch.randint(len(patches), (BATCH,), generator=stream)]
    return drawn.flip(-1) if torch.rand((), generator=stream) < 0.5 else drawn
