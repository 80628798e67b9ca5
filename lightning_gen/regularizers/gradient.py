"""Penalties on the gradient of a discriminator with respect to its input.

All are defined for single samples, so the discriminator must not mix samples, as BatchNorm does. They are computed
without autocast, in the precision of the real samples. With a discriminator that packs samples, a pack counts as one
sample.
"""

import torch
from torch import Tensor
from torch.nn.functional import relu

from lightning_gen.ranges import FROM_0, require
from lightning_gen.regularizers.discriminator_pass import DiscriminatorPass
from lightning_gen.regularizers.penalty import Penalty
from lightning_gen.schedules import Schedule


class GradientPenalty(Penalty):
    """The penalty of WGAN-GP: E[(‖∇D(x̂)‖ - centre)²], with x̂ uniform on the lines from fake to real samples.

    x̂ = u · real + (1 - u) · fake, with one u ~ U(0, 1) for each sample. The one-sided penalty penalises only norms
    above the centre: E[max(0, ‖∇D(x̂)‖ - centre)²].

    Paper: Improved Training of Wasserstein GANs, https://arxiv.org/abs/1704.00028, equation 3, lambda = 10. One-sided:
    On the regularization of Wasserstein GANs, https://arxiv.org/abs/1709.08894, equation 8. With centre 0: Improving
    Generalization and Stability of GANs, https://arxiv.org/abs/1902.03984.

    Args:
        weight: Factor of the penalty in the critic's loss, the paper's lambda; or a schedule of it.
        centre: Target of the gradient's norm.
        one_sided: Whether norms below the centre are not penalised.
        every: Interval in updates of the critic.
    """

    for_single_samples = True

    def __init__(
        self, weight: float | Schedule = 10.0, centre: float = 1.0, one_sided: bool = False, every: int = 1
    ) -> None:
        super().__init__(weight, every)
        require(self, "centre", centre, FROM_0, "a norm")
        self.centre = centre
        self.one_sided = one_sided

    def forward(self, record: DiscriminatorPass) -> Tensor:
        """Return E[(‖∇D(x̂)‖ - centre)²] between equally many real and fake samples."""
        real, fake, generator = record.real.detach(), record.fake.detach(), record.generator
        size = (len(real), *[1] * (real.dim() - 1))
        u = torch.rand(size, generator=generator, device=generator.device).to(real)
        return distance(record.gradient(torch.lerp(fake.to(real), real, u)), self.centre, self.one_sided)


class DRAGAN(Penalty):
    """The penalty of DRAGAN: E[(‖∇D(x̂)‖ - 1)²] around real samples.

    x̂ = real + alpha · spread · std(real) · u, with u ~ U(0, 1) in every dimension, one alpha ~ U(0, 1) for each sample
    and std over the whole batch. This is the noise of the authors' code; the paper has N(0, cI) with c about 10 for
    pixels. Version 0.1 had alpha = 1, nearly twice as far from the samples, and runs that it began keep that.

    Paper: On Convergence and Stability of GANs, https://arxiv.org/abs/1705.07215, section 2.3, with lambda = 10

    Args:
        weight: Factor of the penalty in the discriminator's loss, the paper's lambda; or a schedule of it.
        spread: Scale of the noise in standard deviations of the batch.
        every: Interval in updates of the discriminator.
        random_distance: Whether alpha is drawn for each sample; otherwise it is 1.
    """

    for_single_samples = True

    def __init__(
        self, weight: float | Schedule = 10.0, spread: float = 0.5, every: int = 1, random_distance: bool = True
    ) -> None:
        super().__init__(weight, every)
        require(self, "spread", spread, FROM_0)
        self.spread = spread
        self.random_distance = random_distance

    def forward(self, record: DiscriminatorPass) -> Tensor:
        """Return E[(‖∇D(x̂)‖ - 1)²] around the real samples."""
        real, generator = record.real.detach(), record.generator
        u = torch.rand(real.shape, generator=generator, device=generator.device).to(real)
        if self.random_distance:
            size = (len(real), *[1] * (real.dim() - 1))
            u = u * torch.rand(size, generator=generator, device=generator.device).to(real)
        return distance(record.gradient(real + self.spread * real.std() * u), 1.0)


class R1(Penalty):
    """The zero-centred penalty on real samples: ½ E[‖∇D(real)‖²].

    `weight` is the paper's gamma; the ½ is part of the penalty.

    Paper: Which Training Methods for GANs do actually Converge?, https://arxiv.org/abs/1801.04406, equation 9

    Args:
        weight: Factor of the penalty in the discriminator's loss, the paper's gamma; or a schedule of it.
        every: Interval in updates of the discriminator; `LazyPenalty` explains its risk.
    """

    at_real = True
    for_single_samples = True

    def __init__(self, weight: float | Schedule = 10.0, every: int = 1) -> None:
        super().__init__(weight, every)

    def forward(self, record: DiscriminatorPass) -> Tensor:
        """Return ½ E[‖∇D(real)‖²]; fake samples are not used."""
        return 0.5 * record.real_gradient.square().sum(1).mean()


class R2(Penalty):
    """The zero-centred penalty on fake samples: ½ E[‖∇D(fake)‖²].

    `weight` is the paper's gamma; the ½ is part of the penalty.

    Paper: Which Training Methods for GANs do actually Converge?, https://arxiv.org/abs/1801.04406, equation 10

    Args:
        weight: Factor of the penalty in the discriminator's loss, the paper's gamma; or a schedule of it.
        every: Interval in updates of the discriminator; `LazyPenalty` explains its risk.
    """

    at_fake = True
    for_single_samples = True

    def __init__(self, weight: float | Schedule = 10.0, every: int = 1) -> None:
        super().__init__(weight, every)

    def forward(self, record: DiscriminatorPass) -> Tensor:
        """Return ½ E[‖∇D(fake)‖²]; real samples are not used."""
        return 0.5 * record.fake_gradient.square().sum(1).mean()


def distance(gradient: Tensor, centre: float, one_sided: bool = False) -> Tensor:
    """Return E[(‖g‖ - centre)²] of gradients g ``(rows, dimensions)``; if one-sided, E[max(0, ‖g‖ - centre)²]."""
    excess = torch.linalg.vector_norm(gradient, dim=1) - centre
    return (relu(excess) if one_sided else excess).square().mean()
