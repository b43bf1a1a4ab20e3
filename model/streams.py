"""Random numbers that depend on their place alone."""

import hashlib

import torch


def random_stream(*place: int | str) -> torch.Generator:
    """Return a random generator that depends on its place alone, such as (seed, "batch", step).

    Training that draws so needs no random state in its checkpoints: it resumes exactly from its progress.
    """
    name = "/".join(str(part) for part in place)
    return torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1)
