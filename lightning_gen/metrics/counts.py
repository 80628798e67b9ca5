"""How uniform counts are: their KL divergence from the uniform distribution, and its expectation by chance."""

import math
from collections.abc import Sequence


def kl_from_uniform(counts: Sequence[int]) -> float:
    r"""KL divergence of the shares :math:`p_k` of K counts from uniform ones, :math:`\sum_k p_k \log(K p_k)`, in nats.

    Args:
        counts: One count for each of the K possible outcomes, with zeros; not all are zero.
    """
    total = sum(counts)
    return sum(count / total * math.log(count / total * len(counts)) for count in counts if count)


def kl_from_uniform_floor(outcomes: int, samples: int) -> float:
    r"""The expectation of `kl_from_uniform` for samples from the uniform distribution: :math:`(K - 1) / 2n`.

    This is the leading term for many samples an outcome: :math:`2n` times the divergence is then chi-square
    distributed with :math:`K - 1` degrees of freedom.

    Args:
        outcomes: Number of outcomes K.
        samples: Number of samples n.
    """
    return (outcomes - 1) / (2 * samples)
