"""How well a score tells abnormal samples from normal ones: area under the ROC curve, average precision, p-values."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.metrics.report import Measured, Measurement

CONFIDENCE = 0.95
"""Probability with which an interval covers the true area."""

INTERVAL_PROTOCOL = (
    f"DeLong's variance, {CONFIDENCE:.0%} on the logit scale; where no pair is out of order, the exact binomial bound "
    "of the smaller group"
)


@dataclass(frozen=True)
class Detection(Measured):
    """The result of `detection`.

    Attributes:
        auroc: Area under the ROC curve, in [0, 1]: the probability that an abnormal sample has a higher score than a
            normal one; 0.5 for a score without information.
        low: Lower end of its interval of confidence.
        high: Upper end of it.
        average_precision: Mean precision over the abnormal samples, in [0, 1], by scikit-learn.
        normal: Number of normal samples.
        abnormal: Number of abnormal samples.
    """

    auroc: float
    low: float
    high: float
    average_precision: float
    normal: int
    abnormal: int

    def measurements(self, prefix: str = "", by: str = "") -> tuple[Measurement, ...]:
        """The numbers with their meanings.

        Args:
            prefix: Prefix of each name.
            by: Suffix of each meaning, such as `` by the size of the PNG file``.
        """
        area = (
            "area under the ROC curve: probability that an abnormal sample has a higher score than a normal one"
            f"{by}, 0.5 without information"
        )
        end = f"end of its {CONFIDENCE:.0%} interval"
        floor = self.abnormal / (self.normal + self.abnormal)
        precision = f"mean precision over the abnormal samples{by}, {floor:.3f} without information"
        return (
            Measurement(f"{prefix}auroc", self.auroc, area),
            Measurement(f"{prefix}auroc_low", self.low, f"lower {end}"),
            Measurement(f"{prefix}auroc_high", self.high, f"upper {end}"),
            Measurement(f"{prefix}average_precision", self.average_precision, precision),
        )


def detection(normal: Tensor, abnormal: Tensor) -> Detection:
    """Compare the scores of normal and of abnormal samples; higher scores mean more abnormal, ties count half.

    The interval is that of DeLong et al. 1988 (https://doi.org/10.2307/2531595): the variance of the area from the
    share of the other group that each sample is above, or below. It is taken on the logit scale, so that it stays in
    [0, 1]. Where no pair is out of order it would have no width, and the exact binomial bound of Clopper and Pearson
    for the smaller group is taken, which is wide.

    Args:
        normal: Scores ``(n,)``, at least two.
        abnormal: Scores ``(m,)``, at least two.

    Raises:
        InputError: A group has fewer than two samples, or a score is not finite.
    """
    from sklearn.metrics import average_precision_score  # here: it takes long to import

    low, high = (each.detach().cpu().double().numpy() for each in (normal, abnormal))
    if min(len(low), len(high)) < 2:
        raise InputError(
            f"{len(low)} normal and {len(high)} abnormal samples are too few for an area under the ROC curve: give at "
            "least 2 of each"
        )
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise InputError("some scores are not finite: the training diverged, take an earlier checkpoint")
    above, below = shares_below(high, low), 1 - shares_below(low, high)
    area = float(above.mean())
    variance = float(above.var(ddof=1) / len(high) + below.var(ddof=1) / len(low))
    interval = interval_of(area, variance, min(len(low), len(high)))
    truth = np.r_[np.zeros(len(low)), np.ones(len(high))]
    precision = float(average_precision_score(truth, np.r_[low, high]))
    return Detection(area, *interval, precision, len(low), len(high))


def shares_below(of: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each number the share of the others that are smaller, those that are equal counted half."""
    ordered = np.sort(others)
    return (np.searchsorted(ordered, of, "left") + np.searchsorted(ordered, of, "right")) / (2 * len(others))


def interval_of(area: float, variance: float, smaller: int) -> tuple[float, float]:
    """The interval of confidence of an area; see `detection`."""
    tail = (1 - CONFIDENCE) / 2
    if area in (0.0, 1.0):
        bound = tail ** (1 / smaller)
        return (bound, 1.0) if area else (0.0, 1 - bound)
    width = NormalDist().inv_cdf(1 - tail) * math.sqrt(variance) / (area * (1 - area))
    low, high = (1 / (1 + math.exp(-(math.log(area / (1 - area)) + side * width))) for side in (-1, 1))
    return low, high


# p-values ------------------------------------------------------------------------------------------------------------


def p_values(scores: Tensor, held_out: Tensor) -> Tensor:
    """The probability that a normal sample has a score as high, ``(n,)``, float64, in (0, 1].

    p = (1 + number of held-out scores that are as high) / (1 + number of held-out scores): of normal samples, a share
    of at most r has p ≤ r, whatever the distribution of scores is.

    Testing for Outliers with Conformal p-values, Bates et al. 2023 (https://arxiv.org/abs/2104.08279), equation 2

    Args:
        scores: Higher means more abnormal, ``(n,)``.
        held_out: Scores of normal samples ``(m,)`` that the model was not trained on and that are not tested.
    """
    ordered = held_out.double().sort().values
    as_high = len(ordered) - torch.searchsorted(ordered, scores.double())
    return (1 + as_high).double() / (1 + len(ordered))


def fewest_held_out(false_alarms: float) -> int:
    """The number of held-out samples below which no p-value is as small as a rate of false alarms.

    >>> fewest_held_out(0.05)
    19
    """
    return max(1, math.ceil(round(1 / false_alarms, 9)) - 1)
