"""The paper's objective, computed from logits.

    min_G max_{D,FD}  E_x[log D(psi(x, r'))] + E_z[log(1 - D(G(z, r')))]
                    + E_x[log FD(x)]         + E_z[log(1 - FD(phi(G(z, R''))))]

Let l be a logit and D = sigmoid(l). Then log D = -softplus(-l) and log(1 - D) = -softplus(l). These forms never
overflow.
"""

from typing import Literal

from torch import Tensor
from torch.nn.functional import softplus

GeneratorLoss = Literal["minimax", "non_saturating"]


def real_loss(logits: Tensor) -> Tensor:
    """Return -E[log D(x)], a scalar."""
    return softplus(-logits).mean()


def fake_loss(logits: Tensor) -> Tensor:
    """Return -E[log(1 - D(G(z)))], a scalar."""
    return softplus(logits).mean()


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Return -(E[log D(x)] + E[log(1 - D(G(z)))]), the scalar that D minimises. FD does the same."""
    return real_loss(real_logits) + fake_loss(fake_logits)


def generator_loss(fake_logits: Tensor, form: GeneratorLoss) -> Tensor:
    """Return the scalar that G minimises for one discriminator.

    `minimax` is E[log(1 - D(G(z)))], the objective as written. `non_saturating` is -E[log D(G(z))]. It has the same
    fixed point, and a gradient also where D is confident (Goodfellow et al. 2014, arXiv:1406.2661, section 3).
    """
    return -fake_loss(fake_logits) if form == "minimax" else real_loss(fake_logits)
