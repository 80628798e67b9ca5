"""A trained model, opened once for whatever a command does with it."""

import sys
from dataclasses import dataclass
from typing import Any

import torch

from lightning_gen import checkpoint as checkpoints
from lightning_gen.data import DataModule
from lightning_gen.data.stored import harmless, origin
from lightning_gen.errors import InputError
from lightning_gen.media import Medium
from lightning_gen.terminal import say
from lightning_gen.training import GenerativeModule


@dataclass(frozen=True)
class Trained:
    """What a checkpoint holds, rebuilt.

    Attributes:
        module: The model, on `device`.
        path: The checkpoint.
        stored: Its content, as plain data and tensors.
        device: Where the model is.
    """

    module: GenerativeModule
    path: str
    stored: dict[str, Any]
    device: torch.device

    @classmethod
    def open(cls, path: str, device: str | torch.device = "cpu") -> "Trained":
        """Read a checkpoint and build its model; code in it is refused.

        Args:
            path: The checkpoint, such as ``runs/dcgan/checkpoints/last.ckpt``.
            device: Where the model is to be.

        Raises:
            InputError: It is not a whole checkpoint of a module that is known.
        """
        stored = checkpoints.read(path)
        module = checkpoints.restore(GenerativeModule, stored, path)  # type: ignore[type-abstract]
        return cls(module.to(device), path, stored, torch.device(device))

    @property
    def medium(self) -> Medium:
        """What a sample is: how it is stored, shown and written to files."""
        return self.module.medium

    @property
    def described_data(self) -> dict[str, Any]:
        """What the checkpoint says of the data that the model was trained on; empty where it says nothing."""
        return self.stored.get("datamodule_hyper_parameters") or {}

    def data(self) -> DataModule:
        """The data that the model was trained on; where they are read, and decoded to, is said on stderr.

        Nothing is downloaded for them, and their cache is the user's own.

        Raises:
            InputError: The checkpoint does not describe them, or they are gone.
        """
        described = self.described_data
        if "_class_path" not in described:
            raise InputError(
                f"{self.path} does not say what data it was trained on: name them, for instance --data Digits"
            )
        kind = checkpoints.described_class(DataModule, described, self.path)  # type: ignore[type-abstract]
        if (line := origin(described, self.path)) is not None:
            say(line, sys.stderr)
        return checkpoints.rebuild(kind, harmless(described), self.path)
