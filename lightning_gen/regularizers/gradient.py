"""Penalties on the gradient of a discriminator with respect to its input.

All are defined for one sample at a time, so the discriminator must not mix samples, as BatchNorm does. They are
computed without autocast, in the precision of the real samples.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn

from lightning_gen.terms import at_least_float32

Critic: TypeAlias = Callable[[Tensor], Tensor]
"""Samples ``(n, *shape)`` to logits ``(n,)``: a discriminator, perhaps behind an augmentation."""


class Penalty(nn.Module, ABC):
    """One summand of a discriminator's loss that looks at its input gradient, and the weight it carries in the sum.

    Calling a penalty gives its *unweighted* value, a mean over the batch; whoever sums multiplies by the weight.

    Args:
        weight: Factor of the penalty in the discriminator's loss.
    """

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    @abstractmethod
    def forward(self, critic: Critic, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
        """Return the unweighted penalty, a scalar that can be differentiated by the critic's parameters.

        Args:
            critic: Maps samples to logits ``(n,)``.
            real: Real samples, ``(n, *shape)``.
            fake: Generated samples, ``(n, *shape)``; no gradient flows back to the generator.
            generator: Source of whatever the penalty draws.
        """


class GradientPenalty(Penalty):
    """The two-sided penalty of WGAN-GP: E[(‖∇D(x̂)‖ - centre)²], with x̂ uniform on the lines from fake to real.

    x̂ = u · real + (1 - u) · fake, one u ~ U(0, 1) a sample.

    Paper: Improved Training of Wasserstein GANs, https://arxiv.org/abs/1704.00028, equation 3, lambda = 10. With
    centre 0 it is that of Improving Generalization and Stability of GANs, https://arxiv.org/abs/1902.03984.

    Args:
        weight: Factor of the penalty in the critic's loss, the paper's lambda.
        centre: Norm that the gradient is pulled to.
    """

    def __init__(self, weight: float = 10.0, centre: float = 1.0) -> None:
        super().__init__(weight)
        self.centre = centre

    def forward(self, critic: Critic, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
        """Return E[(‖∇D(x̂)‖ - centre)²] from real and fake samples ``(n, *shape)``, as many of each."""
        size = (len(real), *[1] * (real.dim() - 1))
        u = torch.rand(size, generator=generator, device=generator.device).to(real)
        norm = torch.linalg.vector_norm(input_gradient(critic, torch.lerp(fake.detach().to(real), real, u)), dim=1)
        return (norm - self.centre).square().mean()


class R1(Penalty):
    """The zero-centred penalty on real samples: ½ E[‖∇D(real)‖²].

    `weight` is the paper's gamma; the ½ is part of the penalty.

    Paper: Which Training Methods for GANs do actually Converge?, https://arxiv.org/abs/1801.04406, equation 9

    Args:
        weight: Factor of the penalty in the discriminator's loss, the paper's gamma.
    """

    def __init__(self, weight: float = 10.0) -> None:
        super().__init__(weight)

    def forward(self, critic: Critic, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
        """Return ½ E[‖∇D(real)‖²] from real samples ``(n, *shape)``; fake samples and generator are not used."""
        return half_squared_gradient(critic, real)


class R2(Penalty):
    """The zero-centred penalty on fake samples: ½ E[‖∇D(fake)‖²].

    `weight` is the paper's gamma; the ½ is part of the penalty.

    Paper: Which Training Methods for GANs do actually Converge?, https://arxiv.org/abs/1801.04406, equation 10

    Args:
        weight: Factor of the penalty in the discriminator's loss, the paper's gamma.
    """

    def __init__(self, weight: float = 10.0) -> None:
        super().__init__(weight)

    def forward(self, critic: Critic, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
        """Return ½ E[‖∇D(fake)‖²] from fake samples ``(n, *shape)``; of real ones only the precision is used."""
        return half_squared_gradient(critic, fake.to(real))


def half_squared_gradient(critic: Critic, x: Tensor) -> Tensor:
    """Return ½ E[‖∇D(x)‖²] over samples ``(n, *shape)``."""
    return 0.5 * input_gradient(critic, x).square().sum(1).mean()


def input_gradient(critic: Critic, x: Tensor) -> Tensor:
    """Return the critic's gradient at each sample, flattened to ``(n, dimensions)`` and differentiable itself."""
    x = x.detach().requires_grad_()
    with torch.autocast(x.device.type, enabled=False):
        (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return at_least_float32(gradient.flatten(1))
