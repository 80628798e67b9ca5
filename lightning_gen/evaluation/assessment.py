"""All metrics that apply to a trained model and data, with their floors, ceilings and protocols."""

from typing import Any, cast

import torch
from lightning.fabric.utilities.data import sized_len

import lightning_gen
from lightning_gen import checkpoint as checkpoints
from lightning_gen.contexts import evaluating
from lightning_gen.data import DataModule, StackedImages
from lightning_gen.errors import InputError
from lightning_gen.evaluation.codes import comparison
from lightning_gen.evaluation.compatibility import check_shape
from lightning_gen.evaluation.disentangled import disentanglement
from lightning_gen.evaluation.features import features, stacked
from lightning_gen.evaluation.fidelity import REFERENCES, Reference, fidelity
from lightning_gen.evaluation.likelihoods import likelihoods
from lightning_gen.evaluation.measures import coverage, distance
from lightning_gen.evaluation.samples import Source, class_draws
from lightning_gen.evaluation.translations import translation
from lightning_gen.evaluation.usefulness import check_usefulness, usefulness
from lightning_gen.inference import Inference
from lightning_gen.metrics import PretrainedFeatures, Report
from lightning_gen.metrics.report import compact
from lightning_gen.modules import Autoencoder
from lightning_gen.modules.code_sampling import PLACES_APART, CodeSampling
from lightning_gen.modules.translation_base import TranslationBase
from lightning_gen.samplers import FITTED, LatentSampler
from lightning_gen.training import GenerativeModule
from lightning_gen.training.classes import check_classes

MIXTURE_SAMPLES, STACKED_SAMPLES = 100_000, 26_000
"""Numbers of samples for counting modes: on mixtures of Gaussians, and on stacked images, where 26,000 is usual."""


def assess(
    module: GenerativeModule,
    data: DataModule,
    seed: int = 0,
    samples: int | None = None,
    draws: int | None = None,
    extractor: bool = True,
    checkpoint: str | None = None,
    sampler: LatentSampler | None = None,
    network: PretrainedFeatures | None = None,
    reference: str = "test",
    useful: bool = False,
    inference: Inference | None = None,
) -> Report:
    """Compute all metrics that apply to the model and the data.

    Args:
        module: The model.
        data: The data; the metrics are of its test split.
        seed: Seed of all random numbers.
        samples: Samples drawn to count modes, at least 1; None for `MIXTURE_SAMPLES` or `STACKED_SAMPLES`.
        draws: Codes of each sample for the estimate of log p(x), at least 1; None for the default of `likelihoods`.
        extractor: Whether to train a classifier for the metrics that need one.
        checkpoint: Path of the model, for the protocol.
        sampler: Distribution of the codes of samples, for autoencoders; None for the prior.
        network: A published network in whose features samples are compared too; or None.
        reference: The split with which the network compares them, one of `REFERENCES`.
        useful: Whether to train classifiers on samples too, see `usefulness`, which takes minutes.
        inference: How samples are drawn, and how the features of the data's own classifier are computed; None for how
            the network runs, or for float32 on the CPU without one.

    Raises:
        InputError: Model and data differ in shape, the test split is empty, a split has no length, the model's outputs
            are not finite, or no classifier can be trained on its samples.
    """
    check_numbers(samples, draws)
    check_shape(module, data)
    data.prepare_data()
    data.setup()
    for name, split in (("training", data.train_set), ("test", data.test_set)):
        if sized_len(split) is None:
            raise InputError(f"the {name} split has no length: give data that have one with --data")
    if not len(data.test_set):
        raise InputError("the test split is empty: set --data.test_fraction above 0, or give other data with --data")
    if useful:
        check_usefulness(module, data, sampler is not None, Source(module, sampler).classes)
    report = Report(card=protocol_of(module, data, checkpoint))
    with evaluating(module):
        if module.reconstructs:
            report += autoencoding(cast(Autoencoder, module), data, seed, draws)
        if module.translates:
            report += translation(cast(TranslationBase, module), data, seed)
        source = Source(module, sampler, inference or (network.inference if network else Inference()))
        with source.placed():
            if module.has_prior or sampler is not None:
                report += generation(source, data, seed, samples, extractor, network, REFERENCES[reference])
            if useful:
                report += usefulness(source, data, seed)
        report += Report(omitted=unmeasured(module, sampler))
    return report


def assess_share(
    module: GenerativeModule,
    data: DataModule,
    seed: int,
    network: PretrainedFeatures,
    reference: str = "test",
    inference: Inference | None = None,
) -> None:
    """What a process that is not the first does of `assess`: its share of the samples in a network's features."""
    data.prepare_data()
    data.setup()
    source = Source(module, inference=inference or network.inference)
    with evaluating(module), source.placed():
        if module.has_prior and data.mixture is None and data.medium.dimensions:
            fidelity(source, data, network, seed, REFERENCES[reference])


def autoencoding(module: Autoencoder, data: DataModule, seed: int, draws: int | None) -> Report:
    """The metrics of an autoencoder; see `assess`."""
    if module.num_classes is not None:
        check_classes(module.num_classes, data.num_classes)
    report = comparison(module, data, seed) + likelihoods(module, data, seed, draws)
    if data.known_factors is not None:
        report += disentanglement(module, data, seed)
    return report


def generation(
    source: Source,
    data: DataModule,
    seed: int,
    samples: int | None,
    extractor: bool,
    network: PretrainedFeatures | None = None,
    reference: Reference = REFERENCES["test"],
) -> Report:
    """The metrics of a model's samples; see `assess`."""
    report = Report(card=samples_card(source, data)) + distance(source, data, seed)
    if data.mixture is not None:
        return report + coverage(source, data, seed, samples or MIXTURE_SAMPLES)
    if not data.medium.dimensions:
        return report
    if network is not None:
        report += fidelity(source, data, network, seed, reference)
    if not extractor:
        return report + Report(omitted={"figures of a classifier": "they were switched off by --extractor false"})
    if data.singles is not None:
        return report + stacked(source, cast(StackedImages, data), seed, samples or STACKED_SAMPLES)
    return report + features(source, data, seed, network is None)


def samples_card(source: Source, data: DataModule) -> dict[str, Any]:
    """The distribution of the measured samples and of their classes, and how they are drawn, as entries of the
    protocol.
    """
    card = {"samples": samples_protocol(source), **source.inference.protocol}
    if source.classes.count is None:
        return card
    learned = source.sampler is not None and source.sampler.num_classes is not None
    follows = learned or class_draws(source, data, 1, 0) is not None
    return card | {"classes": "as often as in the training split" if follows else "each as often as any other"}


def samples_protocol(source: Source) -> str:
    """The distribution of the measured samples, in words."""
    if source.sampler is not None:
        described = compact(checkpoints.describe(source.sampler))
        return f"decoded from codes of {described}, fitted to the codes of the training split"
    return source.module.sampled_from


def unmeasured(module: GenerativeModule, sampler: LatentSampler | None) -> dict[str, str]:
    """The samples of an autoencoder that are not measured, each with the option that would measure them."""
    if "sampler" not in module.sample_options:
        return {}
    module = cast(CodeSampling, module)
    stored = {
        f"figures of {name} samples": f"the checkpoint holds this sampler, --sampler {name} measures its samples"
        for name, kind in FITTED.items()
        if not isinstance(sampler, kind) and module.keeps(kind)
    }
    if stored or sampler is not None or module.suggested_sampler is None:
        return stored
    fitted = f"--sampler {module.suggested_sampler} is fitted to the codes and its samples are measured"
    if module.has_prior:
        return {f"figures of {module.suggested_sampler} samples": f"{PLACES_APART}; {fitted}"}
    return {"figures of samples": f"the code of {type(module.bottleneck).__name__} has no prior to draw from, {fitted}"}


def check_numbers(samples: int | None, draws: int | None) -> None:
    """Check the numbers of samples and codes.

    Raises:
        InputError: One is below 1.
    """
    for flag, number in (("samples", samples), ("draws", draws)):
        if number is not None and number < 1:
            raise InputError(f"--{flag} must be at least 1, not {number}")


def protocol_of(module: GenerativeModule, data: DataModule, checkpoint: str | None) -> dict[str, Any]:
    """The protocol: model, data and versions."""
    return {
        "checkpoint": checkpoint,
        "module": type(module).__name__,
        "images_seen": module.images_seen,
        **module.protocol,
        "mode": "evaluation: BatchNorm uses its running statistics, dropout is off",
        "data": checkpoints.as_config(dict(data.hparams)),
        "split": {
            "evaluated": "test",
            "train": len(data.train_set),
            "val": len(data.val_set),
            "test": len(data.test_set),
        },
        "range": data.medium.compared_as,
        "versions": {"torch": torch.__version__, "lightning_gen": lightning_gen.__version__},
    }
