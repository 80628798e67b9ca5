"""The reference loop of an autoencoder: a minimal training loop for a recipe in plain PyTorch.

Networks, optimizers, corruptions and hyperparameters are those of a module; codes and losses are implemented a second
time, here and in `reference_codes`. Schedules, which cost next to nothing, and logging are left out.
"""

import copy
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from lightning_gen.bench.data import Real
from lightning_gen.bench.precision import Precision
from lightning_gen.bench.reference_codes import ReferenceCodebook, ReferenceGaussian, ReferenceIdentity
from lightning_gen.bench.supported import require_supported
from lightning_gen.bottlenecks import GaussianBottleneck, IdentityBottleneck, VectorQuantizer
from lightning_gen.bottlenecks.codebook import AveragedCodebook
from lightning_gen.modules import AutoencoderModule
from lightning_gen.objectives import BernoulliLikelihood, CategoricalLikelihood, GaussianLikelihood, Likelihood
from lightning_gen.regularizers import Commitment, KLDivergence
from lightning_gen.schedules import at
from lightning_gen.terms import at_least_float32

LIKELIHOODS = (BernoulliLikelihood, CategoricalLikelihood, GaussianLikelihood)
"""The likelihoods that the loop supports."""
TERMS = {
    IdentityBottleneck: LIKELIHOODS,
    GaussianBottleneck: (*LIKELIHOODS, KLDivergence),
    VectorQuantizer: (*LIKELIHOODS, Commitment),
}
"""The terms that the loop supports, for each bottleneck."""


def check(module: AutoencoderModule) -> None:
    """Check that the loop supports a module.

    Raises:
        NotImplementedError: It does not.
    """
    known = TERMS.get(type(module.bottleneck))
    if known is None:
        raise NotImplementedError(f"{type(module.bottleneck).__name__} is not in the reference loop")
    terms = list(module.terms.values())
    require_supported(terms, known)
    if sum(isinstance(term, Likelihood) for term in terms) > 1:
        raise NotImplementedError("the reference loop has one likelihood")
    codebooks = module.bottleneck.each_codebook() if isinstance(module.bottleneck, VectorQuantizer) else []
    if any(not isinstance(codebook, AveragedCodebook) for codebook in codebooks):
        raise NotImplementedError("the codebook of the reference loop learns by MovingAverage")
    if any(codebook.normalized for codebook in codebooks):
        raise NotImplementedError("the codes of the reference loop are not normalized")
    if module.ema is not None:
        raise NotImplementedError("the reference loop averages no weights")
    if module.codes_per_sample > 1:
        raise NotImplementedError("the reference loop draws one code for each sample")


class ReferenceAutoencoder:
    """Trains copies of a module's networks.

    Args:
        module: The module whose training is copied; not changed.
        batches: Endless batches.
        rng: Source of the codes' noise and the corruption, on the module's device.
        precision: The precision; None for float32.

    Attributes:
        networks: The networks.
        optimizers: Their one optimizer.

    Raises:
        NotImplementedError: The module has a part that the loop does not support.
    """

    def __init__(
        self,
        module: AutoencoderModule,
        batches: Iterator[Real],
        rng: torch.Generator,
        precision: Precision | None = None,
    ) -> None:
        check(module)
        self.precision = precision or Precision()
        self.batches = batches
        self.rng = rng
        self.encoder = copy.deepcopy(module.encoder)
        self.decoder = copy.deepcopy(module.decoder)
        self.networks = [self.encoder, self.decoder]
        self.corruption, self.input_transform = module.corruption, module.input_transform
        self.likelihood = module.likelihood
        self.code = reference_code(module, rng)
        make = module.optimizer or partial(torch.optim.Adam, lr=1e-3)
        self.optimizer = module.make_optimizer(make, [*self.encoder.parameters(), *self.decoder.parameters()])
        self.optimizers = [self.optimizer]

    def step(self) -> None:
        """One update."""
        x, labels = next(self.batches)
        with self.precision.autocast():
            if self.input_transform is not None:
                x = self.input_transform(x, self.rng)
            seen = x if self.corruption is None else self.corruption(x, self.rng)
            features = self.encoder(seen, labels)
            code, loss_of_code = self.code(at_least_float32(features))
            loss = self.error(self.decoder(code.to(features.dtype), labels), x) + loss_of_code
        self.optimizer.zero_grad()
        self.precision.update(loss, self.optimizer)
        self.code.after_update()

    def error(self, output: Tensor, x: Tensor) -> Tensor:
        """-log p(x|z) without its constant, summed over a sample."""
        output = at_least_float32(output)
        if isinstance(self.likelihood, GaussianLikelihood):
            summed = mse_loss(output, x, reduction="sum") / (2 * self.likelihood.scale**2)
        elif isinstance(self.likelihood, CategoricalLikelihood):
            letters = x.argmax(1)
            ended = (letters == 0).cumsum(1) > (letters == 0)  # after the first END, which counts
            summed = cross_entropy(output, letters, reduction="none").masked_fill(ended, 0.0).sum()
        else:
            summed = binary_cross_entropy_with_logits(output, (x + 1) / 2, reduction="sum")
        return at(self.likelihood.weight, 0) * summed / len(x)


def reference_code(module: AutoencoderModule, rng: torch.Generator) -> ReferenceIdentity:
    """The bottleneck of the loop."""
    weight = sum(at(term.weight, 0) for term in module.terms.values() if term is not module.likelihood)
    if isinstance(module.bottleneck, VectorQuantizer):
        return ReferenceCodebook(module.bottleneck, weight, rng)
    return ReferenceGaussian(weight, rng) if isinstance(module.bottleneck, GaussianBottleneck) else ReferenceIdentity()
