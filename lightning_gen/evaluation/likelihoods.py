"""The likelihood of the test split under a model, and the number of latent dimensions in use."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import log

import torch
from torch import Tensor

from lightning_gen.augmentations import Augmentation, Dequantization
from lightning_gen.data import DataModule
from lightning_gen.data.reading import BATCH, labelled, picked
from lightning_gen.errors import InputError
from lightning_gen.evaluation.samples import observed, seeded
from lightning_gen.metrics import Measurement, Report
from lightning_gen.modules import Autoencoder
from lightning_gen.modules.autoencoder_base import repeated
from lightning_gen.objectives import BernoulliLikelihood, Likelihood, log_weights
from lightning_gen.objectives.wrapped import WrappedLikelihood
from lightning_gen.records import Batch, Level, Reconstruction
from lightning_gen.regularizers.latent import closed_form, log_ratio

ELBO_DRAWS = 10
"""Codes of each sample over which the ELBO is averaged."""

NLL_DRAWS, NLL_CODES, NLL_SAMPLES = 5_000, 100_000, 1_000
"""Default maximum numbers for the estimate of log p(x): codes of each sample, codes in all, and test samples."""

NLL_OUTPUTS = 2**27
"""Default maximum number of values that are decoded for it: 100,000 samples of 1,342 values, or 10,922 of 64 x 64
pixels in colour."""

OUTPUTS = 2**21
"""Maximum number of values that the decoder outputs at a time, which bounds the memory."""

ACTIVE = 0.01
"""Variance of the posterior mean over the samples above which a latent dimension is active."""


@torch.no_grad()
def likelihoods(
    module: Autoencoder, data: DataModule, seed: int, draws: int | None = None, samples: int | None = None
) -> Report:
    """The ELBO of the test split, in nats and in bits, an estimate of log p(x), and the latent dimensions in use.

    The test split is seen through the module's `input_transform`. The estimate is the importance-weighted bound of many
    codes (Importance Weighted Autoencoders, https://arxiv.org/abs/1509.00519, equation 8).

    Args:
        module: The model.
        data: The data; the metrics are of its test split.
        seed: Seed of all random numbers.
        draws: Codes of each sample for the estimate of log p(x), at least 1; None for 5,000, or for fewer if there
            would be more than 100,000 in all, or more than 134 million values in what is decoded from them.
        samples: Test samples that log p(x) is estimated for, at least 1; None for the whole split, up to 1,000.

    Raises:
        InputError: `draws` or `samples` is below 1.
    """
    if not all(number is None or number >= 1 for number in (draws, samples)):
        raise InputError(f"log p(x) takes at least 1 draw and 1 sample, not {draws} draws and {samples} samples")
    if not has_levels(module, data):
        name = type(module.bottleneck).__name__
        return Report(omitted={"elbo_nats": f"{name} gives codes without a distribution, so there is no likelihood"})
    count = min(len(data.test_set), samples or NLL_SAMPLES)
    affordable = min(NLL_CODES, NLL_OUTPUTS // torch.Size(module.decoder.output_shape).numel())
    codes = draws or min(NLL_DRAWS, max(1, affordable // count))
    return bound(module, data, seed) + estimate(module, data, seed, codes, count) + active_units(module, data, seed)


def has_levels(module: Autoencoder, data: DataModule) -> bool:
    """Whether codes have a distribution."""
    batch = data.scaled(data.test_set.__getitems__([0]))
    return bool(module.networks.bottleneck(features_of(module, batch)).levels)


# the bound -----------------------------------------------------------------------------------------------------------


def bound(module: Autoencoder, data: DataModule, seed: int) -> Report:
    """The ELBO of the whole test split in nats per sample, and in bits per dimension, for which a density is
    evaluated at dequantised pixels.
    """
    elbo = mean_over(module, data, seed, elbos)
    meaning = "bound from below on log p(x) of the test split in nats per sample, higher is better"
    meaning += scale_note(module, data, seed)
    found = Report((Measurement("elbo_nats", elbo, meaning),), {"elbo": elbo_protocol(module, data, seed)})
    likelihood, counts = module.likelihood, mean_over(module, data, seed, dimensions)
    meaning = f"-ELBO in bits per {likelihood.counted}, lower is better"
    step = data.medium.step
    if step is not None and not likelihood.discrete:
        if data.test_set.__getitems__([0]).x.is_floating_point():
            reason = "the likelihood is a density of pixels, which gives bits only for pixels that are 8-bit numbers"
            return found + Report(omitted={"bits_per_dim": reason})
        meaning += ", pixels dequantised"
        if not dequantizes(module):
            elbo = mean_over(module, data, seed, elbos, Dequantization())
    bits = likelihood.bits_per_dim(-elbo, data.shape, step, counts)
    return found + Report((Measurement("bits_per_dim", bits, meaning),))


def dimensions(module: Autoencoder, batch: Batch, generator: torch.Generator) -> Tensor:
    """The number of dimensions of each sample that its likelihood counts, ``(n,)``."""
    return module.likelihood.dimensions(batch.x)


def elbo_protocol(module: Autoencoder, data: DataModule, seed: int) -> dict[str, str | int]:
    """How the ELBO is computed."""
    transform = "the samples as they are" if module.input_transform is None else type(module.input_transform).__name__
    return {
        "samples": f"{len(data.test_set)} of test",
        "observation": transform,
        "codes": f"{ELBO_DRAWS} for each sample",
        "divergence": "in closed form where there is one",
        "seed": seed,
    }


def elbos(module: Autoencoder, batch: Batch, generator: torch.Generator) -> Tensor:
    """The ELBO of each sample, ``(n,)``, in nats."""
    record = coded(module, batch, features_of(module, batch), ELBO_DRAWS, generator)
    rates = torch.stack([divergence(level) for level in record.code.levels]).sum(0)
    return (module.likelihood.log_prob(record.output, record.x) - rates).view(-1, ELBO_DRAWS).mean(1)


def divergence(level: Level) -> Tensor:
    """KL(q(z|x) || p(z)) of each sample at one level, ``(n,)``, in nats; of the z drawn if there is no closed form."""
    try:
        return closed_form(level)
    except InputError:
        return log_ratio(level)


def dequantizes(module: Autoencoder) -> bool:
    """Whether the module's `input_transform` dequantises samples."""
    return module.input_transform is not None and any(
        isinstance(m, Dequantization) for m in module.input_transform.modules()
    )


def scale_note(module: Autoencoder, data: DataModule, seed: int) -> str:
    """A note for the first metric's meaning, if the metrics cannot be compared with those of other models."""
    likelihood: Likelihood = module.likelihood
    while isinstance(likelihood, WrappedLikelihood):
        likelihood = likelihood.likelihood
    if isinstance(likelihood, BernoulliLikelihood) and mean_over(module, data, seed, grey) > 0:
        return (
            "; like bits_per_dim and nll_nats a cross-entropy of grey pixels, not to be compared with likelihoods: set "
            "--model.input_transform Binarization"
        )
    return ""


def grey(module: Autoencoder, batch: Batch, generator: torch.Generator) -> Tensor:
    """Whether a pixel of each sample is neither black nor white, ``(n,)``."""
    return (batch.x.abs() != 1).flatten(1).any(1)


# the estimate --------------------------------------------------------------------------------------------------------


def estimate(module: Autoencoder, data: DataModule, seed: int, draws: int, samples: int) -> Report:
    """An estimate of -log p(x) from `draws` codes of each of `samples` test samples."""
    value = mean_over(module, data, seed, partial(surprises, draws=draws), samples=samples)
    meaning = f"estimate of -log p(x) in nats per sample by {draws:,} weighted codes of each, lower is better"
    protocol = {"codes": f"{draws} for each sample", "samples": f"{samples} of test", "seed": seed}
    return Report((Measurement("nll_nats", value, meaning),), {"nll": protocol})


def surprises(module: Autoencoder, batch: Batch, generator: torch.Generator, draws: int) -> Tensor:
    """The estimate of -log p(x) of each sample, ``(n,)``, in nats; each is encoded once."""
    features = features_of(module, batch)
    at_once = max(1, rows_at_once(module) // len(batch.x))
    total = torch.full((len(batch.x),), -torch.inf, dtype=torch.float64)
    for start in range(0, draws, at_once):
        record = coded(module, batch, features, min(at_once, draws - start), generator)
        total = total.logaddexp(log_weights(record, module.likelihood).double().logsumexp(1))
    return log(draws) - total


# the units -----------------------------------------------------------------------------------------------------------


def active_units(module: Autoencoder, data: DataModule, seed: int) -> Report:
    """The number of active latent dimensions on the test split, over all levels.

    Paper: Importance Weighted Autoencoders, https://arxiv.org/abs/1509.00519, section 5.2
    """
    means = []
    for batch in held_out(module, data, seeded(seed)):
        levels = module.networks.bottleneck(features_of(module, batch)).levels
        means.append(torch.cat([level.posterior.mean.flatten(1) for level in levels], 1))
    variances = torch.cat(means).var(0, correction=0)
    meaning = f"latent dimensions of {len(variances)} whose mean varies over the test split by more than {ACTIVE}"
    return Report((Measurement("active_units", int((variances > ACTIVE).sum()), meaning),))


# a pass --------------------------------------------------------------------------------------------------------------


def mean_over(
    module: Autoencoder,
    data: DataModule,
    seed: int,
    values: Callable[[Autoencoder, Batch, torch.Generator], Tensor],
    change: Augmentation | None = None,
    samples: int | None = None,
) -> float:
    """The mean over test samples of values ``(n,)`` of a batch; for the other arguments see `held_out`."""
    generator = seeded(seed)
    parts = [values(module, batch, generator) for batch in held_out(module, data, generator, change, samples)]
    return torch.cat(parts).double().mean().item()


def held_out(
    module: Autoencoder,
    data: DataModule,
    generator: torch.Generator,
    change: Augmentation | None = None,
    samples: int | None = None,
) -> Iterator[Batch]:
    """Batches of test samples after the module's `input_transform`.

    Args:
        module: The model.
        data: The data.
        generator: Source of random numbers.
        change: An augmentation that is applied first; None for none.
        samples: How many samples, at random without repetition; None for all, in order.
    """
    size = min(BATCH, max(1, rows_at_once(module) // ELBO_DRAWS))
    if samples is None or samples >= len(data.test_set):
        batches = labelled(data, data.test_set, size)
    else:
        batches = picked(data, data.test_set, samples, generator, size)
    if change is not None:
        batches = (replace(batch, x=change(batch.x, generator)) for batch in batches)
    return observed(module, batches, generator)


def rows_at_once(module: Autoencoder) -> int:
    """Number of codes that are decoded at a time."""
    return max(1, OUTPUTS // torch.Size(module.decoder.output_shape).numel())


def features_of(module: Autoencoder, batch: Batch) -> Tensor:
    """The encoder's features of a batch; networks without classes ignore the labels."""
    return module.networks.encoder(batch.x, batch.labels)


def coded(
    module: Autoencoder, batch: Batch, features: Tensor, draws: int, generator: torch.Generator
) -> Reconstruction:
    """A pass from the features on, with `draws` codes of each sample."""
    x, features, labels = (repeated(each, draws) for each in (batch.x, features, batch.labels))
    code = module.networks.bottleneck(features, generator)
    return Reconstruction(x, code, module.networks.decoder(code.sample, labels), codes_per_sample=draws)
