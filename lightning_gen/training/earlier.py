"""`Player`, the phase of version 0.1; it works for one more version."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import nn

from lightning_gen.records import Batch
from lightning_gen.training.phases import Loss, MicroBatch, OptimizedNetwork, Phase


@dataclass(frozen=True)
class Player:
    """A phase and the network that it trains, as version 0.1 wrote them; see `Phase` and `OptimizedNetwork`."""

    name: str
    network: nn.Module
    optimizer: OptimizerCallable
    loss: Callable[[Batch], Loss]
    scheduler: LRSchedulerCallable | None = None
    clip: float | None = None
    every: int = 1
    start_images: int = 0

    @property
    def phase(self) -> Phase:
        """The phase that the player describes."""
        network = OptimizedNetwork(self.name, self.network, self.optimizer, self.scheduler, self.clip)
        return Phase(self.name, network, self._loss, self.every, self.start_images)

    def _loss(self, part: MicroBatch) -> Loss:
        return self.loss(part.batch)


def phases_of_players(module: Any) -> tuple[Phase, ...]:
    """The phases of a module that describes them by a method `players`.

    Raises:
        NotImplementedError: It does not.
    """
    if not hasattr(module, "players"):
        raise NotImplementedError(f"{type(module).__name__} has no phases: let its method phases() return them")
    return tuple(player.phase for player in module.players())
