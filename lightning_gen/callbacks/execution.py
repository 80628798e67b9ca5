"""How networks are run, which changes nothing but the speed and the last digits: memory format and compilation."""

import sys
import time
from collections.abc import Collection
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import nn

from lightning_gen import private
from lightning_gen.errors import InputError
from lightning_gen.networks.base import Network
from lightning_gen.networks.layers import set_memory_format
from lightning_gen.terminal import say


class ChannelsLast(Callback):
    """Keeps the weights of convolutions, and with them all maps, with their channels side by side in memory.

    Convolutions are faster so on a CPU, and on a GPU in 16 bits. State-dict keys and shapes stay as they are.

    Args:
        wanted: Whether to; None for yes on a CPU and in 16 bits, no otherwise.
    """

    def __init__(self, wanted: bool | None = None) -> None:
        self.wanted = wanted

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Lay the weights out before optimizers are made."""
        if stage == "fit":
            wanted = _pays(trainer) if self.wanted is None else self.wanted
            set_memory_format(pl_module, channels_last=wanted)


def _pays(trainer: Trainer) -> bool:
    """Whether convolutions are known to be faster with their channels last."""
    return trainer.strategy.root_device.type == "cpu" or str(trainer.precision).startswith(("16", "bf16"))


class Compile(Callback):
    """Compiles networks in their place for training, and says how long the first batch took.

    State-dict keys, evaluation and samples stay as they are; what is trained differs in the last digits. A network
    whose second derivative a penalty asks for runs as it is in that pass, for compiled code has none.

    Args:
        networks: What to compile, by its name in the module, such as ``["generator"]``; True for all that are trained.
        backend: How, as ``torch.compile`` takes it.

    Raises:
        InputError: A network is named that the module does not have.
    """

    def __init__(self, networks: bool | Collection[str] = True, backend: str = "inductor") -> None:
        self.networks = networks
        self.backend = backend
        self._compiled: list[str] = []
        self._since = 0.0
        self._donated: bool | None = None

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give torch's setting back."""
        if self._donated is not None:
            private.set_donated_buffers(self._donated)
            self._donated = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give torch's setting back."""
        self.teardown(trainer, pl_module, "fit")

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Compile, before the strategy wraps the module."""
        if stage == "fit":
            parts = compilable(pl_module)
            self._compiled = self._chosen(list(parts))
            # some losses are differentiated twice over, from two ends
            self._donated = private.donated_buffers()
            private.set_donated_buffers(False)
            for name in self._compiled:
                parts[name].compile(backend=self.backend)

    def _chosen(self, known: list[str]) -> list[str]:
        if isinstance(self.networks, bool):
            return known if self.networks else []
        unknown = [name for name in self.networks if name not in known]
        if unknown:
            raise InputError(f"--compile {unknown[0]} is no network that is trained: it has {', '.join(known)}")
        return list(self.networks)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._since = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """After the first batch, say how long it took."""
        since, self._since = self._since, 0.0
        if since and self._compiled and trainer.is_global_zero:
            took = f"the first batch took {time.perf_counter() - since:.1f} s"
            say(f"compiled {' and '.join(self._compiled)}: {took}", sys.stderr)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Run networks as they are: batches of other sizes would be compiled anew."""
        torch.compiler.set_stance("force_eager")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on with compiled networks."""
        torch.compiler.set_stance("default")


def compilable(module: LightningModule) -> dict[str, nn.Module]:
    """The networks of a module that are trained, by their names."""
    parts = {name: part for name, part in module.named_children() if isinstance(part, Network)}
    return {name: part for name, part in parts.items() if any(p.requires_grad for p in part.parameters())}


def explanation(error: BaseException) -> str | None:
    """What an error of the compiler means, in one sentence; None for all other errors."""
    if not private.is_compiler_error(error):
        return None
    said = str(error).strip().split("\n\n")[0]
    return f"the networks cannot be compiled ({said}): leave out --compile, or name only those that can, [generator]"
