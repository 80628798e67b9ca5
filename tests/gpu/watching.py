"""Callbacks that watch the steps of a run."""

import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch._dynamo.utils import counters

AS_ERROR = "called a synchronizing CUDA operation"


class Waits(Callback):
    """Counts where the host waits for a CUDA device, from the start of one batch to the end of a later one.

    It is all that ``torch.cuda.set_sync_debug_mode("error")`` refuses, in its mode ``warn``, which goes on to the next
    place. The loader's copies to the device are in it.

    Args:
        first: Number of the first batch that is watched.
        batches: How many are watched.

    Attributes:
        places: How often the host waited, by file and line.
        seen: Batches that were watched.
    """

    def __init__(self, first: int, batches: int) -> None:
        self.first, self.batches = first, batches
        self.places: Counter[str] = Counter()
        self.seen = 0
        self._caught = warnings.catch_warnings(record=True)
        self._said: list[warnings.WarningMessage] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Begin to watch at the first batch."""
        if batch_idx == self.first:
            said = self._caught.__enter__()
            assert said is not None
            self._said = said
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, o: Any, b: Any, batch_idx: int) -> None:
        """End it after the last one."""
        self.seen += batch_idx >= self.first
        if self.seen == self.batches:
            self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """End it where the run breaks off."""
        if 0 < self.seen < self.batches:
            self._stop()

    def _stop(self) -> None:
        torch.cuda.set_sync_debug_mode("default")
        self._caught.__exit__(None, None, None)
        waits = (each for each in self._said if AS_ERROR in str(each.message))
        self.places = Counter(f"{Path(each.filename).name}:{each.lineno}" for each in waits)


class Steps(Callback):
    """Times the steps, and counts the graphs that are compiled, by step.

    Attributes:
        seconds: The seconds from each step to the next, the device's work included; the first from the start.
        graphs: Graphs that were compiled up to the end of each step.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.graphs: list[int] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        counters.clear()
        self._since = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Note the time and the graphs."""
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.seconds.append(now - self._since)
        self._since = now
        self.graphs.append(counters["stats"]["unique_graphs"])


class Norms(Callback):
    """Notes the norm of the gradient that each optimizer applies, unscaled, and the scale of float16.

    Attributes:
        applied: Norms by optimizer; an optimizer that unscales in its own step applies its gradient over the scale.
        scales: The scale after each batch.
    """

    def __init__(self) -> None:
        self.applied: dict[int, list[float]] = {}
        self.scales: list[float] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hook the optimizers."""
        for index, optimizer in enumerate(trainer.optimizers):
            self.applied[index] = []
            optimizer.register_step_pre_hook(lambda opt, args, kwargs, index=index: self._note(opt, index))

    def _note(self, optimizer: torch.optim.Optimizer, index: int) -> None:
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients).double()
        scale = getattr(optimizer, "grad_scale", None)
        self.applied[index].append((norm if scale is None else norm / scale).item())

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Note the scale."""
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        if scaler is not None:
            self.scales.append(scaler.get_scale())


class Overflow(Callback):
    """Lets the steps of one batch overflow in float16, by a scale that is far too large.

    Args:
        batch: Its number, at least 1.

    Attributes:
        moved: How far the weights moved in each batch, at most.
        scales: The scale after each batch.
    """

    HUGE = 2.0**100
    USUAL = 1024.0

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.moved: list[float] = []
        self.scales: list[float] = []

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Set the scale, and keep the weights."""
        if batch_idx in (self.batch, self.batch + 1):
            trainer.precision_plugin.scaler.update(self.HUGE if batch_idx == self.batch else self.USUAL)
        self._before = [weight.detach().clone() for weight in trained_by(trainer)]

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Compare them."""
        pairs = zip(trained_by(trainer), self._before, strict=True)
        self.moved.append(max((now - before).abs().max().item() for now, before in pairs))
        self.scales.append(trainer.precision_plugin.scaler.get_scale())


def trained_by(trainer: Trainer) -> list[torch.Tensor]:
    """The weights that the optimizers train."""
    return [weight for each in trainer.optimizers for group in each.param_groups for weight in group["params"]]


class Memory(Callback):
    """The peak of the memory that torch allocates in the steps after the first, in bytes; 0 on a CPU.

    Attributes:
        peak: The peak.
    """

    peak = 0

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, o: Any, b: Any, batch_idx: int) -> None:
        """Reset it after the first step."""
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize()
            if batch_idx == 0:
                torch.cuda.reset_peak_memory_stats()
            else:
                self.peak = torch.cuda.max_memory_allocated()
