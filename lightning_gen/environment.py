"""Variables of the environment that Lightning reads while it is imported, and the time at which that begins."""

import os
import time

BEGUN = time.perf_counter()
"""The time at which this process began to import the package."""

RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
"""Variables in which Lightning looks for the rank of this process, in its order."""


def forget_empty_ranks() -> None:
    """Unset ranks that are empty: a shell writes ``RANK= command`` for none, and Lightning reads a number."""
    for name in RANKS:
        if os.environ.get(name) == "":
            del os.environ[name]
