"""Whether each dimension of a code encodes one factor of variation: mutual information gap and FactorVAE score.

Both follow *Challenging Common Assumptions in the Unsupervised Learning of Disentangled Representations* (Locatello et
al., 2019), https://arxiv.org/abs/1811.12359, and its library, https://github.com/google-research/disentanglement_lib.
The third metric of the family is `dci`.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.metrics.report import Measured, Measurement

BINS = 20
"""Number of bins of equal width, for the mutual information of a latent and a factor."""

TRAIN_VOTES, EVAL_VOTES, VOTE_SIZE, VARIANCE_SAMPLES = 10_000, 5_000, 64, 10_000
"""Numbers of training and evaluation votes of the FactorVAE score, of codes a vote, and of codes for the variances."""

DEAD = 0.05
"""A latent with a smaller standard deviation does not vote."""

CHUNK = 100
"""Number of votes whose codes are in memory at a time."""


@dataclass(frozen=True)
class FactorCodes:
    """Codes of samples with known factors of variation.

    Attributes:
        codes: Finite floats, ``(n, latents)``.
        factors: Index of the value of each factor, from 0, int64 ``(n, factors)``; each factor has at least two values.

    Raises:
        InputError: The shapes do not match, factors are not whole numbers or are constant, or a code is not finite.
    """

    codes: Tensor
    factors: Tensor

    def __post_init__(self) -> None:
        codes, factors = tuple(self.codes.shape), tuple(self.factors.shape)
        if len(codes) != 2 or len(factors) != 2 or codes[0] != factors[0] or 0 in codes + factors:
            raise InputError(
                f"codes of shape {codes} and factors of shape {factors} do not match: give (n, latents) and "
                "(n, factors), such as codes.flatten(1)"
            )
        if self.factors.is_floating_point() or self.factors.min() < 0:
            raise InputError("factors must be whole numbers from 0: give the indices of their values, not the values")
        if not self.codes.isfinite().all():
            raise InputError("some codes are not finite: the training diverged, evaluate an earlier checkpoint")
        if (self.factors.amin(0) == self.factors.amax(0)).any():
            raise InputError("a factor has only one value, and codes cannot predict it: leave out its column")

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Tensor | slice) -> "FactorCodes":
        return FactorCodes(self.codes[rows], self.factors[rows])


@dataclass(frozen=True)
class MutualInformationGap(Measured):
    """The result of `mutual_information_gap`.

    Attributes:
        informations: Mutual information of each latent and each factor in nats, ``(latents, factors)``, float64.
        entropies: Entropy of each factor in nats, ``(factors,)``, float64.
        samples: Number of codes.
    """

    informations: Tensor
    entropies: Tensor
    samples: int

    @property
    def gaps(self) -> Tensor:
        """The gap between the best and the next best latent of each factor, over its entropy, ``(factors,)``."""
        ranked = self.informations.sort(dim=0, descending=True).values
        second = ranked[1] if len(ranked) > 1 else torch.zeros_like(ranked[0])
        return (ranked[0] - second) / self.entropies

    @property
    def score(self) -> float:
        """Mean of the gaps, 0 to 1."""
        return self.gaps.mean().item()

    def measurements(self) -> tuple[Measurement, ...]:
        """The number with its meaning."""
        meaning = (
            f"mutual information gap, {BINS}-bin histograms of {self.samples} mean codes, 0 to 1, higher is better"
        )
        return (Measurement("mig", self.score, meaning),)


def mutual_information_gap(found: FactorCodes) -> MutualInformationGap:
    r"""How much more information the best latent has about a factor than the second best.

    .. math:: \frac{1}{K} \sum_{k=1}^{K} \frac{I(z_{j_k}; v_k) - \max_{j \ne j_k} I(z_j; v_k)}{H(v_k)}, \quad
        j_k = \arg\max_j I(z_j; v_k)

    Isolating Sources of Disentanglement in Variational Autoencoders, Chen et al. 2018
    (https://arxiv.org/abs/1802.04942), section 4. The estimator is that of disentanglement_lib, plug-in entropies of
    the mean codes in 20 bins of equal width between the smallest and the largest. The paper integrates the posterior
    instead, and the two scores cannot be compared. The score does not measure whether a latent encodes several factors;
    `dci` does.

    Args:
        found: Mean codes; disentanglement_lib uses 10,000.
    """
    from sklearn.metrics import mutual_info_score  # here: it takes long to import

    factors = found.factors.cpu().numpy()
    binned = [_binned(latent) for latent in found.codes.double().cpu().numpy().T]
    informations = [[mutual_info_score(factor, latent) for factor in factors.T] for latent in binned]
    entropies = [mutual_info_score(factor, factor) for factor in factors.T]
    as_tensor = partial(torch.tensor, dtype=torch.float64)
    return MutualInformationGap(as_tensor(informations), as_tensor(entropies), len(found))


def _binned(latent: np.ndarray) -> np.ndarray:
    return np.digitize(latent, np.linspace(latent.min(), latent.max(), BINS + 1)[:-1])


@dataclass(frozen=True)
class FactorVAEScore(Measured):
    """The result of `factor_vae_score`.

    Attributes:
        score: Accuracy of the evaluation votes, 0 to 1.
        train_score: Accuracy of the training votes, 0 to 1.
        active: Number of latents that vote.
        factors: Number of factors.
    """

    score: float
    train_score: float
    active: int
    factors: int

    def measurements(self) -> tuple[Measurement, ...]:
        """The number with its meaning."""
        meaning = f"FactorVAE score, {1 / self.factors:.3g} by chance to 1, higher is better"
        return (Measurement("factor_vae_score", self.score, meaning),)


def factor_vae_score(
    found: FactorCodes, seed: int = 0, train_votes: int = TRAIN_VOTES, eval_votes: int = EVAL_VOTES
) -> FactorVAEScore:
    """How often the latent with the least variance identifies the factor that was held fixed.

    Each vote samples a factor and one of its values, and 64 codes with that value. The latent votes whose variance
    among these codes is smallest, relative to its variance among 10,000 codes; latents with a standard deviation below
    0.05 do not vote. Each latent predicts the factor for which it voted most often in the training votes. Disentangling
    by Factorising, Kim and Mnih 2018 (https://arxiv.org/abs/1802.05983), section 4, with the numbers of
    disentanglement_lib. The limit of 0.05 is for codes with a prior of variance 1.

    Args:
        found: The codes to sample from, with replacement; ideally one for each combination of factors.
        seed: Seed of the samples.
        train_votes: Number of votes that assign latents to factors.
        eval_votes: Number of votes that are scored.
    """
    generator, codes = torch.Generator().manual_seed(seed), found.codes.double().cpu()
    rows = torch.randint(len(codes), (VARIANCE_SAMPLES,), generator=generator)
    variances = codes[rows].var(dim=0)
    active = variances.sqrt() >= DEAD
    count = found.factors.shape[1]
    if not active.any():
        return FactorVAEScore(0.0, 0.0, 0, count)
    live = FactorCodes(codes[:, active] / variances[active].sqrt(), found.factors.cpu())
    train, test = (_ballot(live, votes, generator) for votes in (train_votes, eval_votes))
    named = train.argmax(dim=0)
    score, train_score = (int(votes.gather(0, named.unsqueeze(0)).sum()) / int(votes.sum()) for votes in (test, train))
    return FactorVAEScore(score, train_score, int(active.sum()), count)


def _ballot(found: FactorCodes, votes: int, generator: torch.Generator) -> Tensor:
    """Numbers of votes ``(factors, latents)``, from codes of variance 1."""
    count, latents = found.factors.shape[1], found.codes.shape[1]
    fixed = torch.randint(count, (votes,), generator=generator).bincount(minlength=count)
    ballot = torch.zeros(count, latents, dtype=torch.int64)
    for factor, number in enumerate(fixed.tolist()):
        for part in torch.arange(number).split(CHUNK):
            rows = _alike(found.factors[:, factor], len(part), generator)
            ballot[factor] += found.codes[rows].var(dim=1).argmin(dim=1).bincount(minlength=latents)
    return ballot


def _alike(factor: Tensor, votes: int, generator: torch.Generator) -> Tensor:
    """Rows ``(votes, VOTE_SIZE)``: those of one vote share the value of a factor, that of a row sampled at random."""
    values = factor[torch.randint(len(factor), (votes,), generator=generator)]
    order, counts = factor.argsort(), factor.bincount()
    first = counts.cumsum(0) - counts
    uniform = torch.rand(votes, VOTE_SIZE, generator=generator, dtype=torch.float64)
    return order[first[values].unsqueeze(1) + (uniform * counts[values].unsqueeze(1)).long()]
