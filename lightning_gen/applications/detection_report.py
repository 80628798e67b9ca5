"""How well a detector finds samples that are known to be abnormal, beside three measures that need no training."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor

from lightning_gen.applications.anomaly_scores import transformed
from lightning_gen.applications.detector import Detector
from lightning_gen.applications.inputs import LARGEST_BATCH, Inputs
from lightning_gen.applications.trained import Trained
from lightning_gen.contexts import evaluating
from lightning_gen.data import DataModule
from lightning_gen.data.decoder import MODES
from lightning_gen.data.reading import labelled
from lightning_gen.errors import InputError
from lightning_gen.evaluation.codes import principal_components
from lightning_gen.media.png_size import png_bits
from lightning_gen.metrics import Comparison, Measurement, PrincipalComponents, Report, fit_pca
from lightning_gen.metrics.detection import INTERVAL_PROTOCOL, detection
from lightning_gen.metrics.pca import skip_reason
from lightning_gen.records import Batch

COLUMNS = ("auroc", "auroc_low", "auroc_high", "average_precision")
"""Metrics in which a detector is compared with its baselines."""


@dataclass(frozen=True)
class Baseline:
    """A score that needs no autoencoder: one row of the table.

    Attributes:
        prefix: Prefix of the names of its metrics.
        title: Title of its row.
        by: Appended to the meanings of its metrics.
        of: Scores ``(n,)`` of a batch.
    """

    prefix: str
    title: str
    by: str
    of: Callable[[Batch], Tensor]


@torch.no_grad()
def detection_report(
    detector: Detector, trained: Trained, normal: Inputs, abnormal: Inputs, false_alarms: float
) -> Report:
    """Measure a detector on held-out normal and on abnormal samples.

    Args:
        detector: The detector, calibrated on `normal`.
        trained: Its model.
        normal: The held-out normal samples.
        abnormal: Samples that are known to be abnormal.
        false_alarms: The rate of false alarms.

    Raises:
        InputError: There are fewer than two abnormal samples, or a score is not finite.
    """
    scores = detector.scores(abnormal, "scoring abnormal samples")
    found = detection(detector.held_out, scores)
    flagged = (detector.p_values(scores) <= false_alarms).double().mean().item()
    meaning = f"share of the abnormal samples that are flagged at a false-alarm rate of {false_alarms:g}"
    report = Report(
        (*found.measurements(), Measurement("detection_rate", flagged, meaning)),
        {"intervals": INTERVAL_PROTOCOL, "auroc_of": f"{found.normal} held-out and {found.abnormal} abnormal samples"},
        comparison=Comparison(COLUMNS, {"": "this model"}),
    )
    pca, omitted = principal_baseline(trained)
    for baseline in [*pca, *plain_baselines(trained)]:
        sides = (over(baseline.of, side) for side in (normal, abnormal))
        report += Report(
            detection(*sides).measurements(baseline.prefix, baseline.by),
            comparison=Comparison(COLUMNS, {baseline.prefix: baseline.title}),
        )
    return report + omitted


def over(of: Callable[[Batch], Tensor], inputs: Inputs) -> Tensor:
    """Numbers of all samples, float64 ``(n,)``."""
    return torch.cat([of(batch).double().cpu() for batch in inputs.batches()])


def plain_baselines(trained: Trained) -> list[Baseline]:
    """What can be told from pictures without any training; none for other samples.

    Where simple, small or dark pictures are abnormal these tell them apart too, and a model has to do better.
    """
    medium, shape = trained.medium, tuple(trained.module.data_shape)
    if medium.dimensions != 2 or shape[0] not in MODES:
        return []
    return [
        Baseline(
            "brightness_",
            "mean brightness",
            " by the mean brightness, brighter ones taken as abnormal; below 0.5 darker ones are",
            lambda batch: batch.x.flatten(1).mean(1),
        ),
        Baseline(
            "png_size_",
            "size as PNG",
            " by the size as a PNG file, larger ones taken as abnormal; below 0.5 smaller ones are",
            lambda batch: png_bits(medium.to_stored(batch.x)),
        ),
    ]


def principal_baseline(trained: Trained) -> tuple[list[Baseline], Report]:
    """The reconstruction error of PCA with as many numbers as the code, fitted on the training split.

    Returns:
        The baseline, and how it was fitted; or none, and why there is none.
    """
    module: Any = trained.module
    width, dimensions = prod(module.latent_shape), prod(module.data_shape)
    try:
        data = trained.data()
        data.prepare_data()
        data.setup()
        reason = skip_reason(width, dimensions, len(data.train_set))
    except (InputError, TypeError) as error:  # a split without a length has no len
        reason = f"it is fitted on the training split, which is not there: {error}"
    if reason is not None:
        return [], Report(omitted={"PCA": reason})
    with evaluating(module):
        pca = principal_components(module, data, width, seed=0) if module.reconstructs else plain_pca(data, width)
    name, by = f"PCA, {width} numbers", f" by the reconstruction error of PCA with {width} dimensions"
    return [Baseline("pca_", name, by, lambda batch: pca_error(module, pca, batch))], Report(card={"pca": pca.protocol})


def plain_pca(data: DataModule, components: int) -> PrincipalComponents:
    """PCA, fitted on the training split as it is."""
    batches = labelled(data, data.train_set, max(LARGEST_BATCH, 2 * components))
    return fit_pca((batch.x for batch in batches), components, prod(data.shape) * len(data.train_set))


def pca_error(module: Any, pca: PrincipalComponents, batch: Batch) -> Tensor:
    """The mean squared error of the reconstruction of each sample by PCA, ``(n,)``, as that of the model."""
    seen = (transformed(module, batch) if module.reconstructs else batch).x.cpu()
    x, output = module.medium.comparable(seen.double(), pca.reconstruct(seen).double())
    return (output - x).square().flatten(1).mean(1)


def protocol_of(
    detector: Detector, trained: Trained, name: str, normal: str, inputs: Inputs, false_alarms: float
) -> dict[str, Any]:
    """The protocol of scores and p-values, as plain data.

    Args:
        detector: The detector.
        trained: Its model.
        name: The name of its score.
        normal: What the held-out samples are, in words.
        inputs: The samples that were scored.
        false_alarms: The rate of false alarms.
    """
    found: dict[str, Any] = {
        "checkpoint": trained.path,
        "module": type(trained.module).__name__,
        "images_seen": trained.module.images_seen,
        "score": f"{name}: {detector.score.meaning}, higher is more abnormal",
        "samples": len(inputs),
        "held_out": f"{len(detector.held_out)} of {normal}",
        "p_value": "(1 + held-out scores that are as high) / (1 + held-out samples)",
        "false_alarms": false_alarms,
        "range": trained.medium.compared_as,
    }
    if detector.dropped:
        found["held_out_and_scored"] = f"{detector.dropped} held-out samples are among the scored ones and left out"
    if detector.density is not None:
        found["density"] = f"{type(detector.density).__name__}, fitted to the codes of the training split"
    return found
