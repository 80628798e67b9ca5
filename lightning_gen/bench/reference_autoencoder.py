"""The reference loop of an autoencoder: a minimal training loop for a recipe in plain PyTorch.

Networks, optimizers, corruptions and hyperparameters are those of a module; codes and losses are implemented a second
time, here, in `reference_codes` and in `reference_spectra`. Schedules, which cost next to nothing, and logging are left
out.
"""

import copy
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from lightning_gen.bench.data import Real
from lightning_gen.bench.precision import Precision
from lightning_gen.bench.reference_codes import ReferenceGaussian, ReferenceIdentity, ReferenceQuantizer
from lightning_gen.bench.reference_spectra import ReferenceMelDistance
from lightning_gen.bench.supported import require_supported
from lightning_gen.bottlenecks import GaussianBottleneck, IdentityBottleneck, ResidualQuantizer, VectorQuantizer
from lightning_gen.bottlenecks.codebook import AveragedCodebook
from lightning_gen.modules import AutoencoderModule
from lightning_gen.objectives import (
    BernoulliLikelihood,
    CategoricalLikelihood,
    GaussianLikelihood,
    Likelihood,
    MelDistance,
    SharedScaleGaussianLikelihood,
)
from lightning_gen.objectives.learned_scale import LOG_SCALE_FLOOR
from lightning_gen.regularizers import Commitment, KLDivergence
from lightning_gen.schedules import at
from lightning_gen.terms import at_least_float32

TERMS = {
    IdentityBottleneck: (),
    GaussianBottleneck: (KLDivergence,),
    VectorQuantizer: (Commitment,),
    ResidualQuantizer: (Commitment,),
}
"""The bottlenecks that the loop supports, each with the terms of its codes."""
QUANTIZERS = (VectorQuantizer, ResidualQuantizer)
GAUSSIAN = (GaussianLikelihood, SharedScaleGaussianLikelihood)
"""The supported likelihoods whose expected samples are the outputs themselves."""
OF_OUTPUTS = (*GAUSSIAN, BernoulliLikelihood, CategoricalLikelihood, MelDistance)
"""The supported terms of the decoder's outputs."""


def check(module: AutoencoderModule) -> None:
    """Check that the loop supports a module.

    Raises:
        NotImplementedError: It does not.
    """
    known = TERMS.get(type(module.bottleneck))
    if known is None:
        raise NotImplementedError(f"{type(module.bottleneck).__name__} is not in the reference loop")
    terms = list(module.terms.values())
    require_supported(terms, (*known, *OF_OUTPUTS))
    if sum(isinstance(term, Likelihood) for term in terms) > 1:
        raise NotImplementedError("the reference loop has one likelihood")
    if mel_distances(module) and not isinstance(module.likelihood, GAUSSIAN):
        raise NotImplementedError("the reference loop has MelDistance only beside a Gaussian likelihood")
    codebooks = module.bottleneck.each_codebook() if isinstance(module.bottleneck, QUANTIZERS) else []
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
        networks: The networks, and the likelihood, which may have a parameter.
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
        self.corruption, self.input_transform = module.corruption, module.input_transform
        self.likelihood = copy.deepcopy(module.likelihood)  # of which the loop uses settings and parameters alone
        self.networks: list[nn.Module] = [self.encoder, self.decoder, self.likelihood]
        weights = [weight for network in self.networks for weight in network.parameters()]
        like = at_least_float32(weights[0])
        self.mel_distances = [ReferenceMelDistance(term, like) for term in mel_distances(module)]
        self.code = reference_code(module, rng)
        make = module.optimizer or partial(torch.optim.Adam, lr=1e-3)
        self.optimizer = module.make_optimizer(make, weights)
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
            output = at_least_float32(self.decoder(code.to(features.dtype), labels))
            with self.precision.full():
                loss = self.error(output, x) + loss_of_code + sum(term(output, x) for term in self.mel_distances)
        self.optimizer.zero_grad()
        self.precision.update(loss, self.optimizer)
        self.code.after_update()

    def error(self, output: Tensor, x: Tensor) -> Tensor:
        """-log p(x|z) without its constant, summed over a sample and averaged over the batch."""
        if isinstance(self.likelihood, GaussianLikelihood):
            summed = mse_loss(output, x, reduction="sum") / (2 * self.likelihood.scale**2)
        elif isinstance(self.likelihood, SharedScaleGaussianLikelihood):
            floor = torch.full_like(self.likelihood.log_scale, LOG_SCALE_FLOOR)
            log_scale = torch.logaddexp(self.likelihood.log_scale, floor)
            summed = mse_loss(output, x, reduction="sum") / (2 * (2 * log_scale).exp()) + x.numel() * log_scale
        elif isinstance(self.likelihood, CategoricalLikelihood):
            letters = x.argmax(1)
            ended = (letters == 0).cumsum(1) > (letters == 0)  # after the first END, which counts
            summed = cross_entropy(output, letters, reduction="none").masked_fill(ended, 0.0).sum()
        else:
            summed = binary_cross_entropy_with_logits(output, (x + 1) / 2, reduction="sum")
        return at(self.likelihood.weight, 0) * summed / len(x)


def mel_distances(module: AutoencoderModule) -> list[MelDistance]:
    """The terms of the objective that compare mel spectra."""
    return [term for term in module.terms.values() if isinstance(term, MelDistance)]


def reference_code(module: AutoencoderModule, rng: torch.Generator) -> ReferenceIdentity:
    """The bottleneck of the loop."""
    terms = TERMS[type(module.bottleneck)]
    weight = sum(at(term.weight, 0) for term in module.terms.values() if isinstance(term, terms))
    if isinstance(module.bottleneck, QUANTIZERS):
        return ReferenceQuantizer(module.bottleneck, weight, rng)
    return ReferenceGaussian(weight, rng) if isinstance(module.bottleneck, GaussianBottleneck) else ReferenceIdentity()
