"""The training of an autoencoder by hand: what one would write for a recipe in plain PyTorch, with no step too many.

Networks, optimizers, corruptions and numbers are those of a module; codes and losses are written out here a second
time. Left out are schedules, which cost next to nothing, discriminators, and all figures to log.
"""

import copy
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from lightning_gen.bottlenecks import GaussianBottleneck, IdentityBottleneck
from lightning_gen.modules import Autoencoder
from lightning_gen.objectives import BernoulliLikelihood, GaussianLikelihood
from lightning_gen.regularizers import KLDivergence
from lightning_gen.schedules import at

Real = tuple[Tensor, Tensor | None]
"""Samples ``(n, *shape)`` and their classes ``(n,)`` or None."""

KNOWN = {IdentityBottleneck, GaussianBottleneck, BernoulliLikelihood, GaussianLikelihood, KLDivergence}


class Posterior(NamedTuple):
    """A code ``(n, latent_dim)`` and its divergence from N(0, I), summed over the batch."""

    code: Tensor
    divergence: Tensor


def drawn(features: Tensor, rng: torch.Generator) -> Posterior:
    """The code of a Gaussian posterior by its mean and the logarithm of its variance."""
    mean, log_variance = features.chunk(2, dim=1)
    code = mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=rng, dtype=mean.dtype)
    return Posterior(code, 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum())


class AutoencoderByHand:
    """Trains copies of a module's networks.

    Args:
        module: Says what to train and how; not changed.
        batches: Samples without end.
        rng: Source of the codes' noise and the corruption.

    Raises:
        NotImplementedError: The module has a part that is not written out here.
    """

    def __init__(self, module: Autoencoder, batches: Iterator[Real], rng: torch.Generator) -> None:
        terms = list(module.terms.values())
        if unknown := [type(part).__name__ for part in (module.bottleneck, *terms) if type(part) not in KNOWN]:
            raise NotImplementedError(f"not written by hand: {', '.join(unknown)}")
        if module.draws > 1:
            raise NotImplementedError("by hand there is one code a sample")
        self.batches = batches
        self.rng = rng
        self.encoder = copy.deepcopy(module.encoder)
        self.decoder = copy.deepcopy(module.decoder)
        self.corruption, self.observation = module.corruption, module.observation
        self.draws = isinstance(module.bottleneck, GaussianBottleneck)
        self.likelihood = module.likelihood
        self.beta = sum(at(term.weight, 0) for term in terms if isinstance(term, KLDivergence))
        made = getattr(module, "optimizer", None) or getattr(module, "autoencoder_optimizer", None)
        self.optimizer = made([*self.encoder.parameters(), *self.decoder.parameters()])

    def step(self) -> None:
        """One update."""
        x, labels = next(self.batches)
        if self.observation is not None:
            x = self.observation(x, self.rng)
        seen = x if self.corruption is None else self.corruption(x, self.rng)
        features = self.encoder(seen, labels)
        code, divergence = drawn(features, self.rng) if self.draws else Posterior(features, features.new_zeros(()))
        loss = self.error(self.decoder(code, labels), x) + self.beta * divergence / len(x)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def error(self, output: Tensor, x: Tensor) -> Tensor:
        """-log p(x|z) without its constant, summed over a sample."""
        if isinstance(self.likelihood, BernoulliLikelihood):
            summed = binary_cross_entropy_with_logits(output, (x + 1) / 2, reduction="sum")
        else:
            summed = mse_loss(output, x, reduction="sum") / (2 * self.likelihood.scale**2)
        return at(self.likelihood.weight, 0) * summed / len(x)
