"""A trained model, rebuilt once from its checkpoint for a command."""

import os
import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from lightning_gen import checkpoint as checkpoints
from lightning_gen.data import DataModule
from lightning_gen.data.stored import found, harmless, origin
from lightning_gen.errors import InputError
from lightning_gen.media import Medium
from lightning_gen.terminal import say
from lightning_gen.training import GenerativeModule


@dataclass(frozen=True)
class Trained:
    """The model in a checkpoint, rebuilt.

    Attributes:
        module: The model, on `device`.
        path: The checkpoint.
        stored: The checkpoint's content, as plain data and tensors.
        device: The model's device.
    """

    module: GenerativeModule
    path: str
    stored: dict[str, Any]
    device: torch.device

    @classmethod
    def open(cls, path: str | os.PathLike[str], device: str | torch.device = "cpu") -> "Trained":
        """Read a checkpoint and build its model; a file that holds code is refused.

        Args:
            path: The checkpoint, such as ``runs/dcgan/checkpoints/last.ckpt``, or the folder of its run.
            device: The model's device; ``auto`` is a GPU if there is one.

        Raises:
            InputError: The file is not a complete checkpoint of a known module, or there is no such device.
        """
        device = checked_device(str(device))
        given, path = os.fspath(path), str(checkpoints.located(path))
        if path != given:
            say(f"the last state in {given} is {path}", sys.stderr)
        stored = checkpoints.read(path)
        module = checkpoints.restore(GenerativeModule, stored, path)  # type: ignore[type-abstract]
        return cls(module.to(device), path, stored, torch.device(device))

    @property
    def medium(self) -> Medium:
        """The kind of the samples: how they are stored, shown and written to files."""
        return self.module.medium

    @property
    def described_data(self) -> dict[str, Any]:
        """The description of the training data in the checkpoint, as it is found from here; empty without one."""
        return found(self.stored.get("datamodule_hyper_parameters") or {}, self.path)

    def data(self) -> DataModule:
        """The training data, the same ones at each call; the folders from which they are read and to which they are
        decoded are printed on stderr at the first.

        They are never downloaded, and only the user's own cache is used.

        Raises:
            InputError: The checkpoint does not describe them, or they do not exist.
        """
        return self._data

    @cached_property
    def _data(self) -> DataModule:
        described = self.described_data
        if "_class_path" not in described:
            raise InputError(
                f"{self.path} does not say what data it was trained on: name them, for instance --data Digits"
            )
        kind = checkpoints.described_class(DataModule, described, self.path)  # type: ignore[type-abstract]
        if (line := origin(described, self.path)) is not None:
            say(line, sys.stderr)
        return checkpoints.rebuild(kind, harmless(described), self.path)


def require_no_translator(trained: Trained, lacks: str) -> None:
    """Check that a model is none that translates.

    Args:
        trained: The model.
        lacks: What a model that translates does not have.

    Raises:
        InputError: It translates.
    """
    if trained.module.translates:
        raise InputError(
            f"{trained.path} is a {type(trained.module).__name__}, which translates pictures and has no {lacks}: use "
            "the command translate, or give the checkpoint of an autoencoder"
        )


def checked_device(device: str) -> str:
    """The device of the value of ``--device``: ``auto`` is a GPU if there is one, else the CPU.

    Raises:
        InputError: It is no device, or there is none here.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError):  # torch raises either where a device is missing
        here = "cpu" + (", cuda" if torch.cuda.is_available() else "")
        raise InputError(f"there is no --device '{device}' here: give one of {here}, or leave it out") from None
    return device
