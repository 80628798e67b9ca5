"""Interleaves the steps of a reference loop with those of the Trainer, in one process."""

import platform
import re
import statistics
from collections.abc import Generator
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.optim import Optimizer

from lightning_gen.bench.clock import Clock, Fetching
from lightning_gen.bench.data import batches, batches_with_targets
from lightning_gen.bench.memory import PEAKS, held
from lightning_gen.bench.precision import Precision
from lightning_gen.bench.records import Run, Setting, Side
from lightning_gen.bench.reference_autoencoder import ReferenceAutoencoder
from lightning_gen.bench.reference_gan import ReferenceGAN
from lightning_gen.bench.reference_translation import ReferenceCycle, ReferenceTranslation
from lightning_gen.callbacks import Compile
from lightning_gen.callbacks.lengths import counted
from lightning_gen.errors import InputError
from lightning_gen.modules import AutoencoderModule, CycleTranslationModule, GANModule, TranslationModule
from lightning_gen.networks.layers import MEMORY_FORMATS
from lightning_gen.training import GenerativeModule

Found = TypeVar("Found")
Plan: TypeAlias = Generator[None, None, Found]
"""A measurement that runs between the steps of the Trainer."""

GPU_STEPS = 10
"""Steps at a time on a GPU, which executes one step while the next is prepared; on a CPU steps alternate singly."""

DATA_STEPS = 10
"""Steps, after the timed ones, in which getting data is timed."""


class ReferenceLoop(Protocol):
    """A loop in plain PyTorch that trains as a module does."""

    networks: list[nn.Module]
    optimizers: list[Optimizer]

    def step(self) -> None:
        """One update of each trained network; for a GAN all discriminator updates of one generator update."""


REFERENCE_LOOPS: dict[type, Any] = {
    GANModule: ReferenceGAN,
    AutoencoderModule: ReferenceAutoencoder,
    TranslationModule: ReferenceTranslation,
    CycleTranslationModule: ReferenceCycle,
}
"""The loop for each class of module; a subclass may train in another way, so it has none."""


class Interleaving(Callback):
    """Lets a reference loop take steps between those of the Trainer, times both, and ends the run.

    A step of the library lasts from the start of its first batch to that of the next step's; a GAN's step ends with the
    generator's update. It includes the Trainer's loop, the loader, the logger and all callbacks. After the timed steps
    come a few in which getting data is timed, then two of each side whose memory is measured.

    Args:
        since: Start of the run, by ``time.perf_counter``.
        warm_up: Steps that are not timed, at least 1.
        steps: Steps that are timed.
        beside: Whether there is a reference loop.

    Attributes:
        run: The result; None before the end.
    """

    def __init__(self, since: float, warm_up: int, steps: int, beside: bool = True) -> None:
        self.since = since
        self.warm_up = warm_up
        self.steps = steps
        self.beside = beside
        self.run: Run | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the plan."""
        self._plan = self._measure(trainer, counted(pl_module))

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Continue the plan at the end of a step."""
        if counted(pl_module).begins_update(batch_idx, trainer.accumulate_grad_batches):
            next(self._plan, None)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a run that was too short.

        Raises:
            InputError: It ended before everything was measured.
        """
        if self.run is None:
            raise InputError(
                f"the run ended before {self.warm_up + self.steps} steps were measured: leave out what ends it early, "
                "such as --trainer.max_epochs, --trainer.max_steps or --trainer.fast_dev_run"
            )

    def _measure(self, trainer: Trainer, module: GenerativeModule) -> Plan[None]:
        """The plan of the run: at each ``yield`` the library takes a step."""
        clock = Clock(module.device)
        yield
        first_step = clock.now().wall - self.since
        reference, missing = self._copy(trainer, module)
        size = 1 if module.device.type == "cpu" else GPU_STEPS
        warm, timed = (-(-steps // size) for steps in (self.warm_up, self.steps))
        ours, theirs = [], []
        for _ in range(warm + timed):
            start = clock.now()
            for _ in range(size):
                yield
            ours.append(clock.now().since(start, size))
            if reference is not None:
                start = clock.now()
                for _ in range(size):
                    reference.step()
                theirs.append(clock.now().since(start, size))
        data = yield from self._fetching(trainer, clock)
        memory = yield from self._memory(trainer, module, reference)
        self.run = Run(
            Side(tuple(ours[warm:]), memory[0]),
            None if reference is None else Side(tuple(theirs[warm:]), memory[1]),
            missing,
            first_step,
            data,
            setting(trainer, module),
        )
        trainer.should_stop = True

    def _copy(self, trainer: Trainer, module: GenerativeModule) -> tuple[ReferenceLoop | None, str]:
        """The reference loop, or why there is none."""
        if not self.beside:
            return None, "it was not requested"
        try:
            return reference_loop(trainer, module), ""
        except NotImplementedError as error:
            return None, str(error)

    def _fetching(self, trainer: Trainer, clock: Clock) -> Plan[float]:
        """Time getting data by the Trainer's profiler, in some steps; returns seconds a step."""
        original, fetching = trainer.profiler, Fetching(clock)  # type: ignore[attr-defined]
        trainer.profiler = fetching  # type: ignore[attr-defined]
        seconds = []
        for _ in range(DATA_STEPS):
            fetching.seconds = 0.0
            yield
            seconds.append(fetching.seconds)
        trainer.profiler = original  # type: ignore[attr-defined]
        return statistics.median(seconds)

    def _memory(
        self, trainer: Trainer, module: GenerativeModule, reference: ReferenceLoop | None
    ) -> Plan[tuple[int | None, int | None]]:
        """Measure the memory in two steps of each side; returns the peak of each in bytes."""
        kind = PEAKS.get(module.device.type)
        if kind is None:
            return None, None
        watched, other = kind(), kind()
        with watched:
            yield
            yield
        ours = held([module], trainer.optimizers)
        if reference is None:
            return watched.size(ours, ()), None
        with other:
            reference.step()
            reference.step()
        theirs = held(reference.networks, reference.optimizers)
        return watched.size(ours, theirs), other.size(theirs, ours)


def reference_loop(trainer: Trainer, module: GenerativeModule) -> ReferenceLoop:
    """The reference loop that trains copies of a module's networks as they are.

    Raises:
        NotImplementedError: No reference loop supports it.
    """
    kind = REFERENCE_LOOPS.get(type(module))
    if kind is None:
        raise NotImplementedError(f"{type(module).__name__} has no reference loop")
    if trainer.accumulate_grad_batches > 1:
        raise NotImplementedError("the reference loops do not accumulate gradients")
    if trainer.gradient_clip_val is not None and trainer.gradient_clip_algorithm not in (None, "norm"):
        raise NotImplementedError("the reference loops clip gradients by their norm alone")
    device, data = module.device, trainer.datamodule  # type: ignore[attr-defined]
    real: Any = (
        batches_with_targets(data, device)
        if module.translates
        else batches(data, module.num_classes is not None, device)
    )
    clip = trainer.gradient_clip_val or None  # the Trainer does not clip by 0 either
    precision = Precision(str(trainer.precision), device.type, clip)
    return kind(module, real, torch.Generator(device).manual_seed(0), precision)


def setting(trainer: Trainer, module: GenerativeModule) -> Setting:
    """The setting of a run."""
    device = module.device
    return Setting(
        torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        device.type,
        str(trainer.precision),
        memory_format(module),
        any(isinstance(callback, Compile) for callback in trainer.callbacks),  # type: ignore[attr-defined]
        trainer.datamodule.batch_size,  # type: ignore[attr-defined]
        module.batches_of_update(trainer.accumulate_grad_batches),
        module.redraws,
    )


def processor() -> str:
    """The name of the processor, as far as it is known."""
    file = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.+)", file.read_text()) if file.is_file() else []
    return names[0] if names else platform.processor() or platform.machine()


def memory_format(module: nn.Module) -> str | None:
    """The memory format of convolutions in 2 or 3 dimensions; None without any."""
    weights = [parameter for parameter in module.parameters() if parameter.ndim in MEMORY_FORMATS]
    permuted = any(not weight.is_contiguous() for weight in weights)
    return None if not weights else "channels_last" if permuted else "contiguous"
