"""The option ``--seed`` of commands."""

from lightning_gen.errors import InputError
from lightning_gen.ranges import Range

SEEDS = Range("from -2^63 to 2^64 - 1", low=-(2**63), high=2**64 - 1, whole=True)
"""The seeds that torch takes."""


def check_seed(seed: int) -> None:
    """Check the value of ``--seed``.

    Raises:
        InputError: torch does not take it.
    """
    if seed not in SEEDS:
        raise InputError(f"--seed must be a whole number {SEEDS.words}, not {seed}")
