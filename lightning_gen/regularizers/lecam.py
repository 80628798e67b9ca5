"""A penalty on the distance of a discriminator's logits from their moving average on samples of the other kind."""

import torch
from torch import Tensor
from torch.nn.functional import relu

from lightning_gen.ranges import BELOW_1, require
from lightning_gen.regularizers.discriminator_pass import DiscriminatorPass
from lightning_gen.regularizers.penalty import Penalty
from lightning_gen.schedules import Schedule
from lightning_gen.terms import at_least_float32


class LeCam(Penalty):
    """The penalty of LeCam-GAN, against overfitting to few images: E[(D(real) - α_fake)²] + E[(D(fake) - α_real)²].

    α_real and α_fake are exponential moving averages of the mean logits on real and on fake samples; no gradient flows
    through them. The penalty limits the gap between real and fake logits. With `Wasserstein` and α_real = -α_fake the
    optimal critic gives the LeCam divergence of real and fake samples (proposition 1). The one-sided penalty, that of
    the authors' code, is E[max(0, D(real) - α_fake)²] + E[max(0, α_real - D(fake))²].

    After n batches an average is Σ decay^(n-k) · meanₖ / Σ decay^(n-k), k = 1 ... n: it starts at the first mean and
    has no bias towards 0. In training mode each call updates the averages before it uses them: with an interval on the
    updates of that interval, with gradient accumulation for each part of a batch. Each device has averages of its own
    samples, until validation or a checkpoint averages them over devices.

    Paper: Regularizing Generative Adversarial Networks under Limited Data, https://arxiv.org/abs/2104.03310, equation 4

    Args:
        weight: Factor of the penalty in the discriminator's loss, the paper's lambda; or a schedule of it.
        decay: Weight of the old value in the averages, in [0, 1).
        one_sided: Whether to use the one-sided penalty.
        every: Interval in updates of the discriminator.

    Attributes:
        real_sum: Decayed sum of the mean logits on real samples; checkpoints hold it.
        fake_sum: Decayed sum of the mean logits on fake samples; checkpoints hold it.
        weight_sum: Decayed sum of the weights of both, 1 - decay each; checkpoints hold it.

    Raises:
        InputError: The decay is outside [0, 1), or the interval is below 1.
    """

    real_sum: Tensor
    fake_sum: Tensor
    weight_sum: Tensor

    def __init__(
        self, weight: float | Schedule = 0.3, decay: float = 0.99, one_sided: bool = False, every: int = 1
    ) -> None:
        super().__init__(weight, every)
        require(self, "decay", decay, BELOW_1)
        self.decay = decay
        self.one_sided = one_sided
        for name in ("real_sum", "fake_sum", "weight_sum"):
            self.register_buffer(name, torch.zeros(()))

    @property
    def real_average(self) -> Tensor:
        """α_real, a scalar; 0 before the first update."""
        return self.real_sum / self.weight_sum.clamp_min(torch.finfo(torch.float32).tiny)

    @property
    def fake_average(self) -> Tensor:
        """α_fake, a scalar; 0 before the first update."""
        return self.fake_sum / self.weight_sum.clamp_min(torch.finfo(torch.float32).tiny)

    def forward(self, record: DiscriminatorPass) -> Tensor:
        """Return E[(D(real) - α_fake)²] + E[(D(fake) - α_real)²], in squared logits."""
        real, fake = at_least_float32(record.on_real.logits), at_least_float32(record.on_fake.logits)
        if self.training:
            self.update_averages(real, fake)
        real_excess, fake_excess = real - self.fake_average, self.real_average - fake
        if self.one_sided:
            real_excess, fake_excess = relu(real_excess), relu(fake_excess)
        return real_excess.square().mean() + fake_excess.square().mean()

    @torch.no_grad()
    def update_averages(self, real_logits: Tensor, fake_logits: Tensor) -> None:
        """Update the averages with the means of logits ``(rows,)``, without waiting for the device."""
        for total, mean in ((self.real_sum, real_logits.mean()), (self.fake_sum, fake_logits.mean())):
            total.lerp_(mean.to(total), 1 - self.decay)
        self.weight_sum.mul_(self.decay).add_(1 - self.decay)
