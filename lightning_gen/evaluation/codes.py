"""Metrics of an autoencoder's reconstructions and codes, with those of PCA of the same width and of the raw data."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lightning_gen.data import DataModule
from lightning_gen.data.reading import BATCH, labelled, picked
from lightning_gen.evaluation.samples import observed, seeded
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
from lightning_gen.records import Batch, Quantization

COLUMNS = (
    "mse",
    "psnr_db",
    "ssim",
    "character_error",
    "elbo_nats",
    "bits_per_dim",
    "nll_nats",
    "active_units",
    "codebook_used_percent",
    "perplexity",
    "knn_accuracy",
    "probe_accuracy",
)
"""Metrics in which an autoencoder is compared with PCA and with the raw data, where they apply."""

VALUES = 50_000_000
"""Maximum number of training samples times numbers in a code for classification, in each row of the table."""

Read = Callable[[Batch], Tensor]


@dataclass(frozen=True)
class Baseline:
    """An encoding of samples, the model's or one that it is compared with: one row of the table.

    Attributes:
        prefix: Prefix of the names of its metrics.
        name: Title of its row.
        width: Numbers in a code.
        by: Appended to the descriptions of its metrics.
        encode: Maps a batch to codes ``(n, ...)``.
        reconstruct: Maps a batch to its reconstruction ``(n, *shape)``; None for raw data.
    """

    prefix: str
    name: str
    width: int
    by: str
    encode: Read
    reconstruct: Read | None = None

    @property
    def title(self) -> str:
        """The label of its row."""
        return f"{self.name}, {self.width} numbers"


@torch.no_grad()
def comparison(module: Autoencoder, data: DataModule, seed: int) -> Report:
    """Reconstruction errors, use of codebooks and accuracy of codes, of an autoencoder and its baselines."""
    code, dimensions, values = code_size(module, data, seed), torch.Size(data.shape).numel(), data.medium.values
    raw = Baseline("raw_", f"raw {values}", dimensions, f", which are raw {values}", lambda batch: batch.x)
    model = Baseline("", "this model", code, "", partial(encoded, module), partial(reconstructed, module))
    baselines, report = [raw, model], Report(card=protocol_of(module, code))
    reason = pca_skip_reason(code, dimensions, len(data.train_set))
    if reason is None:
        pca = principal_components(module, data, code, seed)
        by = f" by PCA with {code} dimensions"
        baselines.insert(0, Baseline("pca_", "PCA", code, by, partial(projected, pca), partial(restored, pca)))
        report += Report(card={"pca": pca.protocol})
    else:
        report += Report(omitted={"PCA": reason})
    own = tuple(measure.name for measure in data.medium.errors)
    rows = Comparison((*COLUMNS[:3], *own, *COLUMNS[3:]), {baseline.prefix: baseline.title for baseline in baselines})
    report += Report(comparison=rows) + reconstruction(module, data, baselines, seed) + codebooks(module, data, seed)
    return report + separability(module, data, baselines, seed)


def reconstruction(module: Autoencoder, data: DataModule, baselines: list[Baseline], seed: int) -> Report:
    """Reconstruction errors on the test split."""
    errors: tuple[Measurement, ...] = ()
    card: dict[str, Any] = {}
    for baseline in reversed(baselines):
        if baseline.reconstruct is not None:
            test = observed(module, labelled(data, data.test_set), seeded(seed))
            error = reconstruction_error(((batch.x, baseline.reconstruct(batch)) for batch in test), data.medium)
            errors += error.measurements(baseline.prefix, baseline.by)
            card = {other.measure.name: other.protocol for other in error.others}
    reason = ssim_skip_reason(data.shape, data.medium)
    if reason is None:
        return Report(errors, {"ssim": SSIM_PROTOCOL, **card})
    return Report(errors, card, {"ssim": reason} if data.medium.dimensions else {})


def codebooks(module: Autoencoder, data: DataModule, seed: int) -> Report:
    """The use of a model's codebooks on the whole test split; an empty report without codebooks."""
    if not quantized(module, first(module, data, seed)):
        return Report()
    test = observed(module, labelled(data, data.test_set), seeded(seed))
    use = codebook_use(quantized(module, batch) for batch in test)
    return Report(use.measurements(), {"codebook": use.protocol})


def separability(module: Autoencoder, data: DataModule, baselines: list[Baseline], seed: int) -> Report:
    """Classification accuracy of codes, by nearest neighbours and by a linear classifier.

    Args:
        module: The model.
        data: The data; its training split is fitted on and its test split is classified, if it has classes.
        baselines: The encodings.
        seed: Seed of the choice of training samples, where not all are used.
    """
    if data.num_classes is None or data.num_classes < 2:
        reason = f"{type(data).__name__} has no classes"
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
    protocols = {
        "knn_accuracy": {**NEIGHBOUR_PROTOCOL, "training_samples": samples},
        "probe_accuracy": {**PROBE_PROTOCOL, "training_samples": samples, "iterations": iterations},
    }
    return report + Report(card={name: protocol for name, protocol in protocols.items() if name in known})


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
    """The accuracy of the linear probe; the number of its iterations is added to `iterations`."""
    reason = probe_skip_reason(train)
    if reason is not None:
        return Report(omitted={"probe_accuracy": reason})
    found = probe_accuracy(train, test)
    iterations[baseline.name] = found.iterations
    meaning = f"share of test samples whose class a linear classifier reads off the code{baseline.by}, higher is better"
    return Report((Measurement(f"{baseline.prefix}probe_accuracy", found.accuracy, meaning),))


# codes and reconstructions ------------------------------------------------------------------------------------------


def encoded(module: Autoencoder, batch: Batch) -> Tensor:
    """Codes without noise, ``(n, latent_dim, *map_size)``; networks without classes ignore the labels."""
    return module.encode(batch.x, batch.labels)


def reconstructed(module: Autoencoder, batch: Batch) -> Tensor:
    """The reconstruction of a batch, ``(n, *shape)``."""
    return module.reconstruct(batch.x, batch.labels)


def quantized(module: Autoencoder, batch: Batch) -> tuple[Quantization, ...]:
    """The quantizations of a batch by each codebook; empty without a codebook."""
    return module.quantizations_of(batch.x, batch.labels)


def projected(pca: PrincipalComponents, batch: Batch) -> Tensor:
    """Codes by PCA, ``(n, components)``."""
    return pca.transform(batch.x)


def restored(pca: PrincipalComponents, batch: Batch) -> Tensor:
    """The reconstruction of a batch by PCA, ``(n, *shape)``."""
    return pca.reconstruct(batch.x)


def vectors(encode: Read, batches: Iterator[Batch]) -> Vectors:
    """All codes as vectors, with their classes.

    Raises:
        InputError: Some are not finite.
    """
    pairs = [(encode(batch).flatten(1).float(), batch.labels) for batch in batches]
    return Vectors(torch.cat([x for x, _ in pairs]), torch.cat([labels for _, labels in pairs if labels is not None]))


def principal_components(module: Autoencoder, data: DataModule, components: int, seed: int) -> PrincipalComponents:
    """PCA, fitted on the training split after the model's `input_transform`."""
    batches = observed(module, labelled(data, data.train_set, max(2 * BATCH, 2 * components)), seeded(seed))
    values = torch.Size(data.shape).numel() * len(data.train_set)
    return fit_pca((batch.x for batch in batches), components, values)


def first(module: Autoencoder, data: DataModule, seed: int) -> Batch:
    """The first test sample."""
    return next(observed(module, labelled(data, data.test_set, 1), seeded(seed)))


def code_size(module: Autoencoder, data: DataModule, seed: int) -> int:
    """Numbers in the code of one sample: `latent_dim`, times height and width where codes are maps."""
    return encoded(module, first(module, data, seed))[0].numel()


def protocol_of(module: Autoencoder, code: int) -> dict[str, Any]:
    """The protocol of reconstructions and codes."""
    found = {"reconstruction": f"decoded from codes of {code} numbers without noise"}
    if module.input_transform is not None:
        name = type(module.input_transform).__name__
        found["observation"] = f"{name} is applied once to all samples, also to those of PCA and to raw ones"
    if module.num_classes is not None:
        found["conditional"] = (
            "encoder and decoder are conditioned on the class, so a code need not encode it and its accuracy may be low"
        )
    return found
