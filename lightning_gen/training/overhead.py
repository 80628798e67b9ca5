"""Removes per-step overhead: empty hooks, an unused profiler, memory returned to the system after each step."""

import contextlib
import ctypes
import os
import platform
from collections.abc import Iterator
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.core.hooks import DataHooks
from lightning.pytorch.plugins import Precision
from lightning.pytorch.profilers import PassThroughProfiler, Profiler
from lightning.pytorch.strategies import Strategy
from torch import Tensor

from lightning_gen import private

BATCH_HOOKS = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
)
"""Hooks that the Trainer calls in each batch on each callback, the module and the strategy."""

AROUND_BACKWARD = {"pre_backward": "on_before_backward", "post_backward": "on_after_backward"}
"""What a precision plugin does around backward, and the hook that it calls there."""

TRANSFER_HOOKS = ("transfer_batch_to_device", "on_after_batch_transfer")
"""Hooks by which data move a batch to the device and change it there."""

NVML_CHECK = "PYTORCH_NVML_BASED_CUDA_CHECK"
"""The environment variable that makes torch ask the driver whether there is a GPU."""
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
"""Settings of glibc's ``mallopt``."""


class NoProfiler(PassThroughProfiler):
    """Records nothing, in less time than Lightning's own profiler that records nothing."""

    profile: Any = contextlib.nullcontext  # type: ignore[assignment]


class SkipUnused(Callback):
    """Lets the Trainer skip, in each batch, hooks that are not overridden, and a profiler that records nothing.

    The Trainer skips hooks that are not callable, so hooks that are not overridden are None during training. Without a
    profiler the strategy asks the data at once to move a batch, where the Trainer would look for whose hooks do it, and
    the precision plugin and the loop look for no hooks around backward where nobody has any, nor for the arguments of
    the training step. All is restored when training ends, also by an exception.
    """

    def __init__(self) -> None:
        self._profiler: Profiler | None = None
        self._check: str | None = None
        self._replaced: list[tuple[Any, str, Any]] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the hooks."""
        for owner, base in _owners(trainer, pl_module):
            for hook in BATCH_HOOKS:
                if getattr(type(owner), hook, None) is getattr(base, hook, base):
                    self._replace(owner, hook, None)
        if type(trainer.profiler) is PassThroughProfiler:  # type: ignore[attr-defined]
            self._profiler, trainer.profiler = trainer.profiler, NoProfiler()  # type: ignore[attr-defined]
            self._move_at_once(trainer)
            self._look_for_nothing(trainer, [owner for owner, _ in _owners(trainer, pl_module)])
        if not torch.cuda.is_available():
            # Lightning sets it for processes that fork; with it each step of Adam asks the driver for a GPU
            self._check = os.environ.pop(NVML_CHECK, None)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the hooks."""
        for owner, name, value in self._replaced:
            if vars(owner).get(name, owner) is value:
                del vars(owner)[name]
        self._replaced = []
        if self._profiler is not None:
            trainer.profiler, self._profiler = self._profiler, None  # type: ignore[attr-defined]
        if self._check is not None:
            os.environ[NVML_CHECK], self._check = self._check, None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Restore the hooks."""
        self.on_train_end(trainer, pl_module)

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        """Replace a method of one object until training ends, unless somebody has replaced it before."""
        if name not in vars(owner):
            vars(owner)[name] = value
            self._replaced.append((owner, name, value))

    def _move_at_once(self, trainer: Trainer) -> None:
        """Let the strategy move batches by the hooks of the data, if the data have both and the strategy none."""
        data, strategy = getattr(trainer, "datamodule", None), trainer.strategy
        lacking = any(getattr(type(data), hook, None) in (None, getattr(DataHooks, hook)) for hook in TRANSFER_HOOKS)
        if data is None or lacking or type(strategy).batch_to_device is not Strategy.batch_to_device:
            return

        def batch_to_device(batch: Any, device: torch.device | None = None, dataloader_idx: int = 0) -> Any:
            moved = data.transfer_batch_to_device(batch, device or strategy.root_device, dataloader_idx)
            return data.on_after_batch_transfer(moved, dataloader_idx)

        self._replace(strategy, "batch_to_device", batch_to_device)
        module = trainer.lightning_module
        if all(type(each).on_before_batch_transfer is DataHooks.on_before_batch_transfer for each in (data, module)):
            self._replace(module, private.UNMOVED, _unmoved)

    def _look_for_nothing(self, trainer: Trainer, owners: list[Any]) -> None:
        """Let the loop, and a precision plugin that does no more than Lightning's base, look in no batch for the
        arguments of the training step, nor for hooks that none of their owners has.
        """
        self._replace(*private.known_step_arguments(trainer))
        if _unused("on_before_zero_grad", owners):
            self._replace(*private.uncalled_before_zero_grad(trainer))
        plugin = trainer.precision_plugin
        for method, hook in AROUND_BACKWARD.items():
            if getattr(type(plugin), method) is getattr(Precision, method) and _unused(hook, owners):
                self._replace(plugin, method, _unchanged)


def _unmoved(batch: Any, dataloader_idx: int = 0) -> Any:
    return batch


def _unchanged(loss: Tensor, module: LightningModule) -> Tensor:
    return loss


def _unused(hook: str, owners: list[Any]) -> bool:
    """Whether none of the owners has a hook, after those that are not overridden were removed."""
    return all(getattr(owner, hook, None) is None for owner in owners)


def _owners(trainer: Trainer, module: LightningModule) -> Iterator[tuple[Any, type]]:
    yield from ((callback, Callback) for callback in trainer.callbacks)  # type: ignore[attr-defined]
    yield module, LightningModule
    yield trainer.strategy, Strategy


def keep_memory() -> None:
    """Let this process keep the memory that it frees for its next step, as torch does on a GPU.

    By default glibc returns large tensors to the system, which clears and maps their pages again at the next step: up
    to a quarter of the time of a convolutional step. The setting lasts until the process ends, after training too.
    Nothing changes with another C library, or if the user has set an environment variable for it, `MALLOC_...` or
    `GLIBC_TUNABLES`.
    """
    chosen = any(name.startswith("MALLOC_") for name in os.environ)
    if platform.libc_ver()[0] != "glibc" or chosen or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return
    for setting, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1), (M_TOP_PAD, 2**26)):
        ctypes.CDLL(None).mallopt(setting, value)
