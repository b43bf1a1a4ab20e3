"""The paper's training step, one region at a time: the gradient of the joint step with the memory of one region.

At any time there is at most one graph of one network. It is the graph of one region or, for FD, of one full image. G's
loss L depends on its weights w through the pixels only, and each region of the merged image is a function of w by
itself. So

    dL/dw = sum over r' of (dL/dimage)[r'] * dG(z, r')/dw

is exact. First the images are generated without a graph. Then D and FD give dL/dimage. Then each region is generated
once more, with a graph, and its slice of dL/dimage is backpropagated through it. This costs one more forward pass of G.

Dimensions: B batch, C channels, H W pixels, Z latent.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..optimization import backward
from ..regions import psi
from .config import GRID, REGIONS
from .networks import FullDiscriminator, PaperGenerator, RegionDiscriminator
from .objective import GeneratorLoss, fake_loss, generator_loss, real_loss


def learn_regions(discriminator: RegionDiscriminator, x_BCHW: Tensor, fake_BCHW: Tensor) -> Tensor:
    """Accumulate the gradient of D's loss, the mean over the regions, in D's weights; return that loss.

    Both arguments are full images in [-1, 1]. The real and the fake batch are normalised separately, so the two halves
    of the loss share the weights only.
    """
    parts = []
    for region in range(REGIONS):
        parts.append(backward(real_loss(discriminator(psi(x_BCHW, region, GRID), region)) / REGIONS))
        parts.append(backward(fake_loss(discriminator(psi(fake_BCHW, region, GRID), region)) / REGIONS))
    return torch.stack(parts).sum()


def learn_full_images(discriminator: FullDiscriminator, x_BCHW: Tensor, fake_BCHW: Tensor) -> Tensor:
    """Accumulate the gradient of FD's loss on full images in [-1, 1] in FD's weights; return that loss."""
    return backward(real_loss(discriminator(x_BCHW))) + backward(fake_loss(discriminator(fake_BCHW)))


def image_gradient(
    region_discriminator: RegionDiscriminator,
    full_discriminator: FullDiscriminator,
    fake_BCHW: Tensor,
    form: GeneratorLoss,
) -> tuple[Tensor, Tensor]:
    """Return G's loss on merged images in [-1, 1], and dL/dimage, B x C x H x W.

    The discriminators' weights get no gradient. If they are frozen, the graph takes less memory.
    """
    image_BCHW = fake_BCHW.detach().requires_grad_()
    loss = generator_loss(full_discriminator(image_BCHW), form)
    (gradient_BCHW,) = torch.autograd.grad(loss, image_BCHW)
    parts = [loss.detach()]
    for region in range(REGIONS):
        part_BCHW = psi(fake_BCHW, region, GRID).detach().requires_grad_()
        loss = generator_loss(region_discriminator(part_BCHW, region), form) / REGIONS
        psi(gradient_BCHW, region, GRID).add_(*torch.autograd.grad(loss, part_BCHW))
        parts.append(loss.detach())
    return torch.stack(parts).sum(), gradient_BCHW


def learn_generator(generator: PaperGenerator, z_BZ: Tensor, gradient_BCHW: Tensor) -> None:
    """Accumulate dL/dw in G's weights, from dL/dimage of the full images of the same latents."""
    with _kept_statistics(generator):
        for region in range(REGIONS):
            region_BCHW: Tensor = generator(z_BZ, region)
            region_BCHW.backward(psi(gradient_BCHW, region, GRID))  # type: ignore[no-untyped-call]


@contextmanager
def _kept_statistics(network: nn.Module) -> Iterator[None]:
    """Restore the running statistics after the block: a second forward pass of a batch must not count twice."""
    kept = [(buffer, buffer.clone()) for buffer in network.buffers()]
    yield
    for buffer, value in kept:
        buffer.copy_(value)
