"""How evenly counts are spread: their KL divergence from uniform, and what chance alone makes of it."""

import math
from collections.abc import Sequence


def kl_from_uniform(counts: Sequence[int]) -> float:
    r"""KL divergence of the shares :math:`p_k` of K counts from uniform ones, :math:`\sum_k p_k \log(K p_k)`, in nats.

    Args:
        counts: One count for each of the K possible outcomes, zeros included; not all zero.
    """
    total = sum(counts)
    return sum(count / total * math.log(count / total * len(counts)) for count in counts if count)


def kl_from_uniform_floor(outcomes: int, samples: int) -> float:
    r"""What `kl_from_uniform` is on average of `samples` draws from the uniform distribution: :math:`(K - 1) / 2n`.

    It is the leading term for many samples an outcome; :math:`2n` times the divergence is then chi-square distributed
    with :math:`K - 1` degrees of freedom.

    Args:
        outcomes: Their number K.
        samples: Draws n.
    """
    return (outcomes - 1) / (2 * samples)
