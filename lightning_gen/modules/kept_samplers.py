"""Samplers of an autoencoder's codes that are fitted after its checkpoint was written, and added to that file."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from lightning_gen.checkpoint.added import NotAdded, add
from lightning_gen.data import DataModule
from lightning_gen.modules.code_sampling import CodeSampling
from lightning_gen.samplers import LatentSampler
from lightning_gen.terminal import say

ENTRIES = ("samplers", "begun_fits")
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
    """

    def __init__(self, module: CodeSampling, stored: dict[str, Any], path: str) -> None:
        self.module = module
        self.stored = stored
        self.path = path
        self.added = False

    def fit(self, sampler: LatentSampler, data: DataModule | Iterable[Any], again: str, seed: int = 0) -> str:
        """Fit a sampler to the codes of the training data, and store it.

        Args:
            sampler: The sampler.
            data: As for `CodeSampling.fit_sampler`.
            again: How a fit that is interrupted goes on, printed behind a colon.
            seed: As for `CodeSampling.fit_sampler`.

        Returns:
            A sentence that says where it is stored, or why it is not.

        Raises:
            InputError: It cannot be fitted.
        """
        sampler.report = partial(say, to=sys.stderr)
        try:
            self.module.fit_sampler(sampler, data, seed, self.add)
        except (KeyboardInterrupt, SystemExit):
            if self.added:
                say(f"what was fitted so far is in {self.path}: {again}", sys.stderr)
            raise
        return self.store()

    def add(self) -> None:
        """Store what has been fitted so far; a fit goes on where it cannot be stored."""
        self.added = False
        with suppress(NotAdded):
            self._add()
            self.added = True

    def store(self) -> str:
        """Store what was fitted, unless the run has written the file meanwhile; returns a sentence for the user."""
        try:
            self._add()
        except NotAdded as error:
            return (
                f"{error}: the sampler is not stored there"
                if error.overtaken
                else f"it will be fitted again at the next call: {error}"
            )
        return f"it is stored in {self.path}, which draws by it without the data, until a run rewrites that file"

    def _add(self) -> None:
        progress = self.module.progress()
        add({name: progress[name] for name in ENTRIES}, self.stored, self.path)
