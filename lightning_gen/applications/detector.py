"""A detector of abnormal samples: a score of an autoencoder, calibrated on normal samples that it has not seen."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from lightning_gen.applications.anomaly_scores import AnomalyScore, squared_errors
from lightning_gen.applications.inputs import LARGEST_BATCH, Inputs
from lightning_gen.contexts import evaluating
from lightning_gen.data.loader import Loader
from lightning_gen.errors import InputError
from lightning_gen.metrics.copies import digests
from lightning_gen.metrics.detection import fewest_held_out, p_values
from lightning_gen.modules import Autoencoder
from lightning_gen.ranges import Range
from lightning_gen.records import Batch
from lightning_gen.samplers import LatentDensity

RATES = Range("above 0 and below 1", low=0, high=1, above=True, below=True)
"""The rates of false alarms that can be asked for."""
MAP_SHARE = 0.999
"""Share of the held-out pixels whose error is below the top of the scale of the maps."""
BINS = 2**16
"""Number of intervals of the histogram by which that share is found, over errors from 0 to 1."""


@dataclass(frozen=True)
class Detector:
    """A score with what it is compared with.

    Attributes:
        score: The score.
        density: The density of codes, for a score that uses one; else None.
        held_out: The scores of the held-out normal samples, float64 ``(n,)``, in their order.
        scales: What each part of the score is divided by, float64 ``(parts,)``.
        dropped: Number of held-out samples that were left out because they are among those to be scored.
    """

    score: AnomalyScore
    density: LatentDensity | None
    held_out: Tensor
    scales: Tensor
    dropped: int

    @classmethod
    def calibrated(
        cls,
        score: AnomalyScore,
        density: LatentDensity | None,
        normal: Inputs,
        false_alarms: float,
        scored: Inputs | None = None,
    ) -> "Detector":
        """Score normal samples that the model was not trained on.

        Args:
            score: The score.
            density: The density of codes, for a score that uses one.
            normal: The held-out samples.
            false_alarms: The rate at which normal samples may be flagged, above 0 and below 1.
            scored: The samples that will be scored; held-out ones that equal one of them are left out, because a
                p-value is wrong if the sample itself is among those that it is compared with.

        Raises:
            InputError: Too few are left for the rate, or a score is not finite.
        """
        kept = torch.ones(len(normal), dtype=torch.bool) if scored is None else unlike(normal, scored)
        left = int(kept.sum())
        check_count(left, false_alarms, len(normal) - left)
        parts = measured(score, density, normal, "scoring held-out samples")[kept]
        several = parts.shape[1] > 1
        scales = parts.std(0) if several and len(parts) > 1 else torch.ones(parts.shape[1], dtype=torch.float64)
        scales = torch.where(scales > 0, scales, 1.0)
        return cls(score, density, (parts / scales).sum(1), scales, len(normal) - left)

    def scores(self, inputs: Inputs, title: str = "") -> Tensor:
        """The scores of samples in their order, float64 ``(n,)``; higher means more abnormal.

        The score of a sample does not depend on the other samples, but for the rounding of floats in batches of other
        sizes.

        Args:
            inputs: The samples.
            title: Title of the lines on stderr that say how far it is, if this takes long.

        Raises:
            InputError: Some are not finite.
        """
        return (measured(self.score, self.density, inputs, title) / self.scales).sum(1)

    def p_values(self, scores: Tensor) -> Tensor:
        """The probability that a normal sample has a score as high, float64 ``(n,)``; see `p_values`."""
        return p_values(scores, self.held_out)


def check_rate(false_alarms: float) -> None:
    """Check the value of ``--false_alarms``.

    Raises:
        InputError: It is no rate.
    """
    if false_alarms not in RATES:
        raise InputError(f"--false_alarms is a share of the normal samples {RATES.words}, not {false_alarms:g}")


def check_count(held_out: int, false_alarms: float, dropped: int = 0) -> None:
    """Check that there are enough held-out samples for a rate of false alarms.

    Args:
        held_out: Their number.
        false_alarms: The rate.
        dropped: Number of those that were left out because they are among those to be scored.

    Raises:
        InputError: There are not.
    """
    least = fewest_held_out(false_alarms)
    if held_out >= least:
        return
    without = f" ({dropped} more are among those to be scored, and cannot be compared with themselves)"
    raise InputError(
        f"{held_out} held-out samples{without if dropped else ''} cannot tell a false-alarm rate of {false_alarms:g}: "
        f"give at least {least} normal ones that the model was not trained on with --normal FOLDER, train with a "
        "larger validation split, or raise --false_alarms"
    )


@torch.no_grad()
def measured(score: AnomalyScore, density: LatentDensity | None, inputs: Inputs, title: str = "") -> Tensor:
    """The parts of the scores of all samples, float64 ``(n, parts)``.

    Raises:
        InputError: Some are not finite.
    """
    module = cast(Autoencoder, inputs.trained.module)
    with evaluating(module):
        found = torch.cat([score.of(module, batch, density) for batch in inputs.batches(title)])
    wrong = (~found.isfinite()).any(1).nonzero()
    if len(wrong):
        raise InputError(
            f"the score of {inputs.names[int(wrong[0])]} is not finite: the training diverged or the sample has "
            "extreme values, so take an earlier checkpoint or leave it out"
        )
    return found


def unlike(samples: Inputs, others: Inputs) -> Tensor:
    """Whether each sample differs from all others by some stored value, bool ``(n,)``."""
    known = set(digests(stored(others)))
    return torch.tensor([each not in known for each in digests(stored(samples))])


def stored(inputs: Inputs) -> Iterable[Tensor]:
    """The stored values of all samples, in batches."""
    return (Batch.unpacked(batch).x for batch in Loader(inputs.samples, LARGEST_BATCH))


# maps ----------------------------------------------------------------------------------------------------------------


@torch.no_grad()
def top_error(normal: Inputs) -> float:
    """The error that 99.9 % of the pixels of held-out pictures are below: the top of the one scale of all maps.

    Were each map scaled by itself, normal pictures would look as bad as abnormal ones.
    """
    module = cast(Autoencoder, normal.trained.module)
    counts = torch.zeros(BINS, dtype=torch.float64)
    with evaluating(module):
        for batch in normal.batches("measuring the errors of held-out pictures"):
            errors = squared_errors(module, batch).mean(1).cpu()
            counts += torch.histc(errors.float(), BINS, 0, 1).double()
    below = counts.cumsum(0) / counts.sum()
    return (int((below < MAP_SHARE).sum()) + 1) / BINS
