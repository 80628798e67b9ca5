"""Suggestions for mistyped names."""

import difflib
from collections.abc import Iterable

LIKENESS = 0.65
"""Smallest ratio of `difflib` at which two names are alike: `fti` and `fit` are, `encode` and `bench` are not."""


def plain(name: str) -> str:
    """A name without what people write in different ways: upper case, dashes and underscores.

    >>> plain("Fashion-MNIST")
    'fashionmnist'
    """
    return name.lower().replace("-", "").replace("_", "")


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names that are most similar to a mistyped one, the best first.

    A name is compared as a whole, and by its last part after ``/``.
    """
    wholes: dict[str, str] = {}
    ends: dict[str, str] = {}
    for each in known:
        wholes.setdefault(plain(each), each)
        ends.setdefault(plain(each.rsplit("/")[-1]), each)
    found = [wholes[near] for near in alike(plain(name), wholes, count)]
    found += [ends[near] for near in alike(plain(name.rsplit("/")[-1]), ends, count)]
    return list(dict.fromkeys(found))[:count]


def alike(name: str, known: Iterable[str], count: int) -> list[str]:
    """The known names at least as alike as `LIKENESS`, the best first."""
    return difflib.get_close_matches(name, known, n=count, cutoff=LIKENESS)


def suggest(name: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` with the most similar known name, or an empty text if none is similar.

    >>> suggest("dcgna", ["gan/dcgan", "autoencoder/vae"])
    "; did you mean 'gan/dcgan'?"
    """
    near = nearest(name, known, count=1)
    return f"; did you mean '{near[0]}'?" if near else ""
