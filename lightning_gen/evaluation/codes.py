"""What ``evaluate`` measures of an autoencoder, beside PCA with as many dimensions and the data themselves."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lightning_gen.data import DataModule
from lightning_gen.evaluation.samples import BATCH, labelled, observed, picked, seeded
from lightning_gen.metrics import (
    Comparison,
    Measurement,
    PrincipalComponents,
    Report,
    Vectors,
    codebook_use,
    fit_pca,
    neighbour_accuracy,
    probe_accuracy,
    reconstruction_error,
)
from lightning_gen.metrics.pca import skip_reason as pca_skip_reason
from lightning_gen.metrics.reconstruction import SSIM_PROTOCOL, ssim_skip_reason
from lightning_gen.metrics.representation import (
    NEIGHBOUR_PROTOCOL,
    NEIGHBOURS,
    PROBE_PROTOCOL,
    neighbour_skip_reason,
    probe_skip_reason,
)
from lightning_gen.modules import Autoencoder
from lightning_gen.records import Batch, Code, Quantization

COLUMNS = (
    "mse",
    "psnr_db",
    "ssim",
    "elbo_nats",
    "bits_per_dim",
    "nll_nats",
    "active_units",
    "codebook_used_percent",
    "perplexity",
    "knn_accuracy",
    "probe_accuracy",
)
"""Figures in which an autoencoder is compared with PCA and with the data themselves, where they apply."""

VALUES = 50_000_000
"""Training samples times the numbers of their codes that classes are learned from at most, in each row of the table."""

Read = Callable[[Batch], Tensor]


@dataclass(frozen=True)
class Baseline:
    """A way to describe samples by numbers, in one row of the table.

    Attributes:
        prefix: Of the names of its figures.
        name: Of its row.
        width: Numbers in a code.
        by: Put behind the meanings of its figures.
        encode: A batch to codes ``(n, ...)``.
        reconstruct: A batch to what is left of it, ``(n, *shape)``; None where nothing is lost.
    """

    prefix: str
    name: str
    width: int
    by: str
    encode: Read
    reconstruct: Read | None = None

    @property
    def title(self) -> str:
        """What stands before its row."""
        return f"{self.name}, {self.width} numbers"


@torch.no_grad()
def comparison(module: Autoencoder, data: DataModule, seed: int) -> Report:
    """What an autoencoder gives back and what can be read off its codes, and the same of its baselines."""
    code, dimensions, values = code_size(module, data, seed), torch.Size(data.shape).numel(), data.medium.values
    raw = Baseline("raw_", f"raw {values}", dimensions, f", which are raw {values}", lambda batch: batch.x)
    model = Baseline("", "this model", code, "", partial(encoded, module), partial(reconstructed, module))
    baselines, report = [raw, model], Report(card=card_of(module, code))
    reason = pca_skip_reason(code, dimensions, len(data.train_set))
    if reason is None:
        pca = principal_components(module, data, code, seed)
        by = f" by PCA with {code} dimensions"
        baselines.insert(0, Baseline("pca_", "PCA", code, by, partial(projected, pca), partial(restored, pca)))
        report += Report(card={"pca": pca.protocol})
    else:
        report += Report(omitted={"PCA": reason})
    rows = Comparison(COLUMNS, {baseline.prefix: baseline.title for baseline in baselines})
    report += Report(comparison=rows) + reconstruction(module, data, baselines, seed) + codebooks(module, data, seed)
    return report + separability(module, data, baselines, seed)


def reconstruction(module: Autoencoder, data: DataModule, baselines: list[Baseline], seed: int) -> Report:
    """Errors of reconstruction of the test split."""
    figures: tuple[Measurement, ...] = ()
    for baseline in reversed(baselines):
        if baseline.reconstruct is not None:
            test = observed(module, labelled(data, data.test_set), seeded(seed))
            error = reconstruction_error(((batch.x, baseline.reconstruct(batch)) for batch in test), data.medium)
            figures += error.measurements(baseline.prefix, baseline.by)
    reason = ssim_skip_reason(data.shape, data.medium)
    if reason is None:
        return Report(figures, {"ssim": SSIM_PROTOCOL})
    return Report(figures, omitted={"ssim": reason} if data.medium.dimensions else {})


def codebooks(module: Autoencoder, data: DataModule, seed: int) -> Report:
    """How much of its codebooks a model uses on the whole test split; nothing where it has none."""
    if not quantized(module, first(module, data, seed)):
        return Report()
    test = observed(module, labelled(data, data.test_set), seeded(seed))
    use = codebook_use(quantized(module, batch) for batch in test)
    return Report(use.measurements(), {"codebook": use.protocol})


def separability(module: Autoencoder, data: DataModule, baselines: list[Baseline], seed: int) -> Report:
    """How well classes can be told from codes, by their neighbours and by a linear classifier.

    Args:
        module: The model.
        data: Its training split is learned from and its test split told apart, if it has classes.
        baselines: Whose codes.
        seed: Of the choice of training samples, where they are not all taken.
    """
    if data.num_classes is None or data.num_classes < 2:
        reason = f"{type(data).__name__} has no classes that could be told from the codes"
        return Report(omitted={"knn_accuracy": reason, "probe_accuracy": reason})
    report = Report()
    samples: dict[str, int] = {}
    iterations: dict[str, int] = {}
    for baseline in reversed(baselines):
        samples[baseline.name] = count = min(len(data.train_set), max(VALUES // baseline.width, 1))
        train = vectors(
            baseline.encode, observed(module, picked(data, data.train_set, count, seeded(seed)), seeded(seed))
        )
        test = vectors(baseline.encode, observed(module, labelled(data, data.test_set), seeded(seed)))
        report += neighbours(baseline, train, test) + probe(baseline, train, test, iterations)
    known = {measurement.name for measurement in report.measurements}
    card = {
        "knn_accuracy": {**NEIGHBOUR_PROTOCOL, "training_samples": samples},
        "probe_accuracy": {**PROBE_PROTOCOL, "training_samples": samples, "iterations": iterations},
    }
    return report + Report(card={name: protocol for name, protocol in card.items() if name in known})


def neighbours(baseline: Baseline, train: Vectors, test: Vectors) -> Report:
    """The accuracy of the nearest neighbours."""
    reason = neighbour_skip_reason(train)
    if reason is not None:
        return Report(omitted={"knn_accuracy": reason})
    meaning = (
        f"share of test samples whose class is that of most of the {NEIGHBOURS} training samples with the nearest "
        f"codes{baseline.by}, higher is better"
    )
    return Report((Measurement(f"{baseline.prefix}knn_accuracy", neighbour_accuracy(train, test), meaning),))


def probe(baseline: Baseline, train: Vectors, test: Vectors, iterations: dict[str, int]) -> Report:
    """The accuracy of the linear probe; its iterations are noted."""
    reason = probe_skip_reason(train)
    if reason is not None:
        return Report(omitted={"probe_accuracy": reason})
    found = probe_accuracy(train, test)
    iterations[baseline.name] = found.iterations
    meaning = f"share of test samples whose class a linear classifier reads off the code{baseline.by}, higher is better"
    return Report((Measurement(f"{baseline.prefix}probe_accuracy", found.accuracy, meaning),))


# codes and what is left of samples -----------------------------------------------------------------------------------


def encoded(module: Autoencoder, batch: Batch) -> Tensor:
    """Codes without noise, ``(n, latent_dim, *map_size)``; networks without classes leave the labels aside."""
    return module.encode(batch.x, batch.labels)


def reconstructed(module: Autoencoder, batch: Batch) -> Tensor:
    """What is left of a batch, ``(n, *shape)``."""
    return module.reconstruct(batch.x, batch.labels)


def quantized(module: Autoencoder, batch: Batch) -> tuple[Quantization, ...]:
    """What the codebooks made of a batch, one after another; none without a codebook."""
    code: Code = module.bottleneck(module.encoder(batch.x, batch.labels), None)
    return code.quantizations


def projected(pca: PrincipalComponents, batch: Batch) -> Tensor:
    """Codes by PCA, ``(n, components)``."""
    return pca.transform(batch.x)


def restored(pca: PrincipalComponents, batch: Batch) -> Tensor:
    """What is left of a batch after PCA, ``(n, *shape)``."""
    return pca.reconstruct(batch.x)


def vectors(encode: Read, batches: Iterator[Batch]) -> Vectors:
    """All codes as vectors, with their classes.

    Raises:
        InputError: Some are not finite.
    """
    pairs = [(encode(batch).flatten(1).float(), batch.labels) for batch in batches]
    return Vectors(torch.cat([x for x, _ in pairs]), torch.cat([labels for _, labels in pairs if labels is not None]))


def principal_components(module: Autoencoder, data: DataModule, components: int, seed: int) -> PrincipalComponents:
    """PCA, fitted on the training split as the model is of it."""
    batches = observed(module, labelled(data, data.train_set, max(2 * BATCH, 2 * components)), seeded(seed))
    values = torch.Size(data.shape).numel() * len(data.train_set)
    return fit_pca((batch.x for batch in batches), components, values)


def first(module: Autoencoder, data: DataModule, seed: int) -> Batch:
    """The first test sample."""
    return next(observed(module, labelled(data, data.test_set, 1), seeded(seed)))


def code_size(module: Autoencoder, data: DataModule, seed: int) -> int:
    """Numbers in the code of one sample: `latent_dim`, times height and width where codes are maps."""
    return encoded(module, first(module, data, seed))[0].numel()


def card_of(module: Autoencoder, code: int) -> dict[str, Any]:
    """What was done with samples before anything was measured."""
    card = {"reconstruction": f"decoded from codes of {code} numbers without noise"}
    if module.input_transform is not None:
        name = type(module.input_transform).__name__
        card["observation"] = f"{name}: samples, those of PCA and raw ones too, are drawn once as the model is of them"
    if module.num_classes is not None:
        card["conditional"] = (
            "encoder and decoder are told the classes of the samples, so that what the codes tell of a class is only "
            "what the encoder repeats"
        )
    return card
