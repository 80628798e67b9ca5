"""A penalty on the variation of a generator's sensitivity to its latents."""

import torch
from torch import Tensor

from lightning_gen.ranges import BELOW_1, COUNT, require
from lightning_gen.regularizers.generator_pass import GeneratorPass
from lightning_gen.regularizers.penalty import GeneratorPenalty
from lightning_gen.schedules import Schedule
from lightning_gen.terms import at_least_float32


class PathLength(GeneratorPenalty):
    """Path length regularization: E[(‖Jᵀ y‖ - a)²], with J the Jacobian of the sample by the latent.

    y ~ N(0, I) is divided by the square root of the number of positions (pixels) of a sample, and a is the exponential
    moving average of the lengths ‖Jᵀ y‖; no gradient flows through it. In training mode each call updates it with the
    mean length of the batch before it uses it, as in the authors' code. A step of a fixed length in latent space then
    changes samples equally everywhere. The penalty makes a forward pass of its own, without autocast, over a part of
    the batch.

    Paper: Analyzing and Improving the Image Quality of StyleGAN, https://arxiv.org/abs/1912.04958, equation 4 and
    appendix B, with weight 2, every 4th update, and half of the batch. There the latents are those after the mapping
    network; here they are what the generator reads.

    Args:
        weight: Factor of the penalty in the generator's loss; or a schedule of it.
        decay: Weight of the old value in the average, in [0, 1).
        shrink: Divisor of the batch size for the pass, at least 1.
        every: Interval in updates of the generator.

    Attributes:
        mean_length: a, a scalar, 0 before the first update; checkpoints hold it.

    Raises:
        InputError: A number is out of range.
    """

    mean_length: Tensor

    def __init__(self, weight: float | Schedule = 2.0, decay: float = 0.99, shrink: int = 2, every: int = 4) -> None:
        super().__init__(weight, every)
        require(self, "decay", decay, BELOW_1)
        require(self, "shrink", shrink, COUNT)
        self.decay = decay
        self.shrink = shrink
        self.register_buffer("mean_length", torch.zeros(()))

    def forward(self, record: GeneratorPass) -> Tensor:
        """Return E[(‖Jᵀ y‖ - a)²], in squared units of the samples per unit of the latents."""
        count = max(1, len(record.latents) // self.shrink)
        lengths = at_least_float32(self.lengths(record, count))
        mean = self.mean_length
        if self.training:
            mean = torch.lerp(mean, lengths.detach().mean().to(mean), 1 - self.decay)
            self.mean_length.copy_(mean)
        return (lengths - mean).square().mean()

    def lengths(self, record: GeneratorPass, count: int) -> Tensor:
        """‖Jᵀ y‖ of the first `count` latents, ``(count,)``; it can be differentiated again."""
        latents = record.latents[:count].detach().requires_grad_()
        labels = None if record.labels is None else record.labels[:count]
        with torch.autocast(latents.device.type, enabled=False), torch.compiler.set_stance("force_eager"):
            samples = record.network(latents, labels)
            noise = torch.randn(samples.shape, generator=record.generator, device=record.generator.device).to(samples)
            projected = (samples * noise / samples[0, 0].numel() ** 0.5).sum()
            (gradient,) = torch.autograd.grad(projected, latents, create_graph=True)
        return torch.linalg.vector_norm(gradient, dim=1)
