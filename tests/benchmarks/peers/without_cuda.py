"""Packages that ask for an NVIDIA GPU run on a CPU: none of their files is changed."""

import importlib
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode

CPU = torch.device("cpu")


def imported(name: str) -> ModuleType:
    """Import a package that asserts a GPU when it is imported, telling it for that long that there is one."""
    with mock.patch.object(torch.cuda, "is_available", return_value=True):
        return importlib.import_module(name)


class OnCPU(TorchFunctionMode):
    """Inside, ``.cuda()`` leaves tensors and modules where they are, and what is made on a GPU is made on the CPU."""

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if func is torch.Tensor.cuda:
            return args[0]
        if given.get("device") is not None and torch.device(given["device"]).type == "cuda":
            given["device"] = CPU
        return func(*args, **given)
