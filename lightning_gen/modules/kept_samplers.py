"""Samplers of an autoencoder's codes that are fitted after its checkpoint was written, and added to that file."""

import sys
from collections.abc import Iterable
from functools import partial
from typing import Any

from lightning_gen.checkpoint.added import NotAdded, add
from lightning_gen.data import DataModule
from lightning_gen.modules.code_sampling import CodeSampling
from lightning_gen.reflection import class_path
from lightning_gen.samplers import LatentSampler
from lightning_gen.terminal import say

ENTRIES = ("samplers", "begun_fits", "chosen_sampler")
"""What of `GenerativeModule.progress` is of samplers."""


class KeptSamplers:
    """Fits samplers to the codes of a module and adds them to the checkpoint of the same weights.

    A long fit is stored as far as it has gone, now and then, so that it goes on after an interruption.

    Args:
        module: The module.
        stored: The content of the checkpoint.
        path: Its file.

    Attributes:
        added: Whether the file has the latest state of a fit.
        told: Whether a failure to store it was said.
    """

    def __init__(self, module: CodeSampling, stored: dict[str, Any], path: str) -> None:
        self.module = module
        self.stored = stored
        self.path = path
        self.added = False
        self.told = False

    def fit(self, sampler: LatentSampler, data: DataModule | Iterable[Any], seed: int = 0) -> None:
        """Fit a sampler to the codes of the training data; `store` stores it.

        Args:
            sampler: The sampler.
            data: As for `CodeSampling.fit_sampler`.
            seed: As for `CodeSampling.fit_sampler`.

        Raises:
            InputError: It cannot be fitted.
        """
        self.added = class_path(type(sampler)) in self.module.begun_fits
        sampler.report = partial(say, to=sys.stderr)
        self.module.fit_sampler(sampler, data, seed, self.add)

    def add(self) -> None:
        """Store what has been fitted so far; a fit goes on where it cannot be stored, which is said once."""
        try:
            self.store()
            self.added = True
        except NotAdded as error:
            if not self.told:
                say(f"what is fitted so far cannot be stored, and the fit goes on: {error}", sys.stderr)
            self.added, self.told = False, True

    def store(self) -> None:
        """Store the samplers of the module.

        Raises:
            NotAdded: They cannot be stored, such as where the run has written the file meanwhile.
        """
        progress = self.module.progress()
        add({name: progress[name] for name in ENTRIES}, self.stored, self.path)
