"""Run by torchrun: the same steps in several processes and in one, compared in each process.

Dimensions: B batch, C channels, H W pixels, F all values of the networks.
"""

from dataclasses import replace

import torch
from torch import Tensor, distributed

from fabgan.model.processes import ALONE, Processes
from fabgan.model.seamless.config import SeamlessConfig
from fabgan.model.seamless.recipe import SeamlessRecipe
from fabgan.model.seamless.training import SeamlessTraining
from fabgan.model.streams import random_stream

CONFIG = SeamlessConfig(64, 3, 8, 4, 4, 2, 8)
RECIPE = SeamlessRecipe(total_steps=12, r1_interval=2)
BATCH = 6


def trained(config: SeamlessConfig, processes: Processes, steps: int) -> tuple[list[Tensor], Tensor]:
    """Return the losses of every step, and all values of the networks, F, after the last."""
    training = SeamlessTraining(config, RECIPE, 3, "region_wise", images_at_once=2, processes=processes)
    losses = []
    for index in range(1, steps + 1):
        stream = random_stream("shared", index)
        x_BCHW = torch.randint(256, (BATCH, 3, 64, 64), generator=stream, dtype=torch.uint8)
        kinds_B = torch.randint(config.kinds, (BATCH,), generator=stream)
        losses.append(torch.stack(list(training.step(x_BCHW, index, stream, kinds_B).values())))
    tensors = (tensor for network in training.networks.values() for tensor in network.state_dict().values())
    return losses, torch.cat([tensor.flatten().to(torch.get_default_dtype()) for tensor in tensors])


def main() -> None:
    """Raise AssertionError where several processes do not train as one does, or not all alike."""
    torch.set_default_dtype(torch.float64)
    distributed.init_process_group("gloo")
    together = Processes(distributed.get_rank(), distributed.get_world_size())
    for config in (CONFIG, replace(CONFIG, kinds=4, classes=3)):
        expected_losses, expected_F = trained(config, ALONE, RECIPE.total_steps)
        losses, found_F = trained(config, together, RECIPE.total_steps)
        torch.testing.assert_close(losses, expected_losses, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(found_F, expected_F, rtol=1e-9, atol=1e-9)
        of_all = together.of_all(found_F[None])
        assert all(torch.equal(of_one_F, found_F) for of_one_F in of_all)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
