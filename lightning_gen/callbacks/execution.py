"""The execution of networks: memory format and compilation, which change only the speed and the last digits."""

import sys
import time
from collections.abc import Collection
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from lightning_gen import private
from lightning_gen.errors import InputError
from lightning_gen.networks.base import Network
from lightning_gen.networks.layers import set_memory_format
from lightning_gen.terminal import say


class ChannelsLast(Callback):
    """Sets the memory format of convolutions' weights, and with them of all feature maps, to channels-last.

    With it convolutions are faster on a CPU, and on a GPU in 16 bits. State-dict keys and shapes do not change.

    Args:
        wanted: Whether to use channels-last; None for yes on a CPU and in 16 bits, no otherwise.
    """

    def __init__(self, wanted: bool | None = None) -> None:
        self.wanted = wanted

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Set the memory format of the weights, before optimizers are made."""
        if stage == "fit":
            wanted = _is_faster(trainer) if self.wanted is None else self.wanted
            set_memory_format(pl_module, channels_last=wanted)


def _is_faster(trainer: Trainer) -> bool:
    """Whether convolutions are known to be faster with their channels last."""
    return trainer.strategy.root_device.type == "cpu" or str(trainer.precision).startswith(("16", "bf16"))


class Compile(Callback):
    """Compiles networks in place for training, and prints the time of the first batch.

    State-dict keys, evaluation and sampling do not change; training differs in the last digits. A pass whose second
    derivative a penalty needs runs uncompiled, because compiled code has none; see `penalties`.

    Args:
        networks: Names of the networks in the module, such as ``["generator"]``; True for all that are trained.
        backend: The backend of ``torch.compile``.
        penalties: Whether a pass over real and fake samples with penalties at both, R1 and R2, is compiled too, with
            the gradient at the samples; see `lightning_gen.training.judging`. Measure it: on a CPU it was slower.

    Raises:
        InputError: A network is named that the module does not have.
    """

    def __init__(
        self, networks: bool | Collection[str] = True, backend: str = "inductor", penalties: bool = False
    ) -> None:
        self.networks = networks
        self.penalties = penalties
        self.backend = backend
        self._compiled: list[str] = []
        self._since = 0.0
        self._donated: bool | None = None

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Restore torch's setting."""
        if self._donated is not None:
            private.set_donated_buffers(self._donated)
            self._donated = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Restore torch's setting."""
        self.teardown(trainer, pl_module, "fit")

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Compile the networks, before the strategy wraps the module."""
        if stage == "fit":
            parts = compilable(pl_module)
            self._compiled = self._chosen(list(parts))
            # some graphs are backpropagated twice, from two losses
            self._donated = private.donated_buffers()
            private.set_donated_buffers(False)
            for name in self._compiled:
                parts[name].compile(backend=self.backend)
                parts[name].backend = self.backend if self.penalties else None

    def _chosen(self, known: list[str]) -> list[str]:
        if isinstance(self.networks, bool):
            return known if self.networks else []
        unknown = [name for name in self.networks if name not in known]
        if unknown:
            raise InputError(f"--compile {unknown[0]} is no trained network: the module has {', '.join(known)}")
        return list(self.networks)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._since = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """After the first batch, print the time that it took."""
        since, self._since = self._since, 0.0
        if since and self._compiled and trainer.is_global_zero:
            took = f"the first batch took {time.perf_counter() - since:.1f} s"
            say(f"compiled {' and '.join(self._compiled)}: {took}", sys.stderr)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Run networks uncompiled: batches of other sizes would be compiled again."""
        torch.compiler.set_stance("force_eager")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Run compiled networks again."""
        torch.compiler.set_stance("default")


def compilable(module: LightningModule) -> dict[str, Network]:
    """The trained networks of a module, by their names."""
    parts = {name: part for name, part in module.named_children() if isinstance(part, Network)}
    return {name: part for name, part in parts.items() if any(p.requires_grad for p in part.parameters())}


def explanation(error: BaseException) -> str | None:
    """The explanation of an error of the compiler, in one sentence; None for all other errors."""
    if not private.is_compiler_error(error):
        return None
    reason = str(error).strip().split("\n\n")[0]
    return f"the networks cannot be compiled ({reason}): leave out --compile, or name only those that can, [generator]"
