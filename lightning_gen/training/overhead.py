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
from lightning.pytorch.profilers import PassThroughProfiler, Profiler
from lightning.pytorch.strategies import Strategy

BATCH_HOOKS = (
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
)
"""Hooks that the Trainer calls in each batch on each callback, the module and the strategy."""

NVML_CHECK = "PYTORCH_NVML_BASED_CUDA_CHECK"
"""The environment variable that makes torch ask the driver whether there is a GPU."""
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
"""Settings of glibc's ``mallopt``."""


class NoProfiler(PassThroughProfiler):
    """Records nothing, in less time than Lightning's own profiler that records nothing."""

    profile: Any = contextlib.nullcontext  # type: ignore[assignment]


class SkipUnused(Callback):
    """Lets the Trainer skip, in each batch, hooks that are not overridden, and a profiler that records nothing.

    The Trainer skips hooks that are not callable, so hooks that are not overridden are None during training. They are
    restored when training ends, also by an exception.
    """

    def __init__(self) -> None:
        self._profiler: Profiler | None = None
        self._check: str | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the hooks."""
        for owner, base in _owners(trainer, pl_module):
            for hook in BATCH_HOOKS:
                if getattr(type(owner), hook, None) is getattr(base, hook, base) and hook not in vars(owner):
                    vars(owner)[hook] = None
        if type(trainer.profiler) is PassThroughProfiler:  # type: ignore[attr-defined]
            self._profiler, trainer.profiler = trainer.profiler, NoProfiler()  # type: ignore[attr-defined]
        if not torch.cuda.is_available():
            # Lightning sets it for processes that fork; with it each step of Adam asks the driver for a GPU
            self._check = os.environ.pop(NVML_CHECK, None)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the hooks."""
        for owner, _ in _owners(trainer, pl_module):
            for hook in BATCH_HOOKS:
                if vars(owner).get(hook, hook) is None:
                    del vars(owner)[hook]
        if self._profiler is not None:
            trainer.profiler, self._profiler = self._profiler, None  # type: ignore[attr-defined]
        if self._check is not None:
            os.environ[NVML_CHECK], self._check = self._check, None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Restore the hooks."""
        self.on_train_end(trainer, pl_module)


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
