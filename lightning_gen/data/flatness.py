"""Channels of series that cannot be standardised."""

import numpy as np
from numpy.typing import NDArray

FLATTEST = 1e-5
"""The least standard deviation of a channel as a share of its largest value: float32 does not hold less well."""


def flat_channels(scale: NDArray[np.float64], largest: NDArray[np.float64]) -> NDArray[np.int64]:
    """The channels that are constant, or nearly so beside their values.

    Args:
        scale: The standard deviation of each channel.
        largest: Its largest magnitude.
    """
    return np.flatnonzero(scale <= FLATTEST * largest)
