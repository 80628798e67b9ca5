"""Suggestions for mistyped names."""

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], count: int = 3, least: float = 0.5) -> list[str]:
    """The known names that are most similar to a mistyped one, the best first.

    Args:
        name: The mistyped name.
        known: The known names.
        count: Maximum number of them.
        least: How similar they are at least, from 0 to 1.
    """
    known = list(known)
    found = difflib.get_close_matches(name, known, n=count, cutoff=least)
    ends = {full.rsplit("/")[-1]: full for full in known}
    found += [ends[end] for end in difflib.get_close_matches(name.rsplit("/")[-1], ends, n=count, cutoff=least)]
    return list(dict.fromkeys(found))[:count]


def suggest(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` with the most similar known name, or an empty text if none is similar.

    >>> suggest("dcgna", ["gan/dcgan", "autoencoder/vae"])
    "; did you mean 'gan/dcgan'?"
    """
    near = nearest(name, known, count=1)
    return f"; did you mean '{near[0]}'?" if near else ""
