"""The Inception score: how sure a classifier is of single samples, and how many classes it sees in all."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from lightning_gen.errors import InputError

SPLITS = 10
"""Number of parts of the samples; the score is the mean over them."""

SEED = 2020
"""Seed of the order of the samples, torch-fidelity's."""


@dataclass(frozen=True)
class InceptionScore:
    """The result of `inception_score`.

    Attributes:
        mean: Mean over the parts, from 1 to the number of classes.
        least: The least value of a part.
        greatest: The greatest one.
    """

    mean: float
    least: float
    greatest: float


def inception_score(logits: Tensor, splits: int = SPLITS, seed: int = SEED) -> InceptionScore:
    r"""The mean over parts of :math:`\exp(E_x KL(p(y | x) \| p(y)))`.

    Improved Techniques for Training GANs, Salimans et al. 2016 (https://arxiv.org/abs/1606.03498), section 4. It
    compares with no real image, and grows with the number of samples in a part: compare it for equal numbers only. With
    Inception's logits without their bias it is torch-fidelity's.

    Args:
        logits: Logits of a classifier, ``(n, classes)``.
        splits: Number of parts.
        seed: Seed of the order of the samples; the global random state is unchanged.

    Raises:
        InputError: There are fewer samples than parts, or some logits are not finite.
    """
    if logits.ndim != 2 or len(logits) < splits or not logits.isfinite().all():
        raise InputError(
            f"logits of shape {tuple(logits.shape)} have no Inception score: give finite logits (n, classes), at least "
            f"{splits}"
        )
    order = torch.from_numpy(np.random.RandomState(seed).permutation(len(logits)))
    log_p = logits[order].double().log_softmax(dim=1)
    ends = [index * len(logits) // splits for index in range(splits + 1)]
    scores = []
    for start, end in pairwise(ends):
        part = log_p[start:end]
        divergences = (part.exp() * (part - part.exp().mean(dim=0).log())).sum(dim=1)
        scores.append(divergences.mean().exp().item())
    return InceptionScore(sum(scores) / splits, min(scores), max(scores))
