"""Latents: the same for the same seed and place, and of kinds in their shares."""

import pytest
import torch

from fabgan.components.artifacts.generator import latents
from fabgan.model.seamless.config import SeamlessConfig
from fabgan.model.seamless.generator import SeamlessGenerator

SHARES = torch.tensor([0.5, 0.3, 0.2])


@pytest.mark.parametrize(("first", "count"), [(0, 10), (0, 64), (37, 50), (100_000, 200)])
def test_any_run_of_latents_has_kinds_in_their_shares(first: int, count: int) -> None:
    made = SeamlessGenerator(SeamlessConfig(64, 3, 8, 4, 4, 4, 8, kinds=3))
    made.kind_shares_K.copy_(SHARES)
    found = made.kinds_of(latents(count, 8, seed=5, first=first).quantiles_N).bincount(minlength=3)
    assert (found - SHARES * count).abs().max() <= 2


def test_latents_are_normal_and_depend_on_their_place_alone() -> None:
    z = latents(2000, 8, seed=1).z_NZ
    torch.testing.assert_close(z.mean(dim=0), torch.zeros(8), atol=0.1, rtol=0)
    torch.testing.assert_close(z.T.cov(), torch.eye(8), atol=0.15, rtol=0)
    assert torch.equal(latents(3, 8, seed=1, first=500).z_NZ, z[500:503])
    assert not torch.equal(latents(3, 8, seed=2).z_NZ, z[:3])
