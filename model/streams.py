"""Random numbers that depend only on the place where they are drawn."""

import hashlib

import torch


def random_stream(*place: int | str) -> torch.Generator:
    """Return a random generator that depends only on `place`, such as (seed, "batch", step).

    So checkpoints of training need no random state: training resumes exactly from its progress.
    """
    name = "/".join(str(part) for part in place)
    return torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1)
