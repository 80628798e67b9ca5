"""Networks with their optimizers, and the phases of a step of alternating training, as data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lightning_gen.errors import InputError
from lightning_gen.ranges import ABOVE_0, COUNT, FROM_0, require
from lightning_gen.records import Batch


@dataclass(frozen=True)
class Loss:
    """The loss of a phase.

    Attributes:
        total: The scalar that is minimized.
        terms: Named scalars to log, without their weights.
    """

    total: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)

    def scaled(self, share: float) -> "Loss":
        """The loss times the micro-batch's share of the batch, so that the sum over micro-batches is the batch loss."""
        return Loss(self.total * share, {name: value * share for name, value in self.terms.items()})

    def plus(self, name: str, value: Tensor | None, weight: float) -> "Loss":
        """The loss with one more term, which is logged without its weight; the same where the value is None."""
        if value is None:
            return self
        return Loss(self.total + weight * value, {**self.terms, name: value})

    def __add__(self, other: "Loss") -> "Loss":
        """Both losses together, term by term."""
        return Loss(self.total + other.total, {name: value + other.terms[name] for name, value in self.terms.items()})


@dataclass(frozen=True)
class MicroBatch:
    """A part of a batch that all phases of a step use in order; the whole batch without accumulation.

    Attributes:
        batch: The samples.
        share: Their share of the whole batch, in (0, 1].
        fresh: Other real samples, for a phase that does not use those of the phases before it; None where there are
            none.
        results: What one phase computes on this part and a later one uses, by name; empty at the start of a step.
    """

    batch: Batch
    share: float = 1.0
    fresh: Batch | None = None
    results: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OptimizedNetwork:
    """A network and how it is optimized.

    Attributes:
        name: Its name in logs and messages.
        network: The network that the optimizer trains; frozen during the phases of other networks.
        optimizer: Makes the optimizer from the parameters.
        scheduler: Makes the learning-rate scheduler from the optimizer, or None.
        clip: Largest norm of the gradient, above 0, or None.

    Raises:
        InputError: `clip` is out of range.
    """

    name: str
    network: nn.Module
    optimizer: OptimizerCallable
    scheduler: LRSchedulerCallable | None = None
    clip: float | None = None

    def __post_init__(self) -> None:
        check_clip(self, f"clip for the {self.name}", self.clip)

    @cached_property
    def parameters(self) -> tuple[nn.Parameter, ...]:
        """The parameters that the optimizer trains."""
        return tuple(self.network.parameters())


@dataclass(frozen=True)
class Phase:
    """One loss and one update of the network that it trains.

    Several phases may train one network with its one optimizer, such as a loss on each batch and a penalty on each 16th
    (lazy regularization, https://arxiv.org/abs/1912.04958, appendix B).

    Attributes:
        name: Name of the loss in logs and messages, unique among the phases.
        trains: The network, with its optimizer.
        loss: The loss on a part of the batch.
        every: Interval of the phase in steps, at least 1.
        start_images: The phase starts once this many training images were seen before a step, at least 0.
        after: Called after the update with the images that it used, over all devices, and the loss; or None.

    Raises:
        InputError: A number is out of range.
    """

    name: str
    trains: OptimizedNetwork
    loss: Callable[[MicroBatch], Loss]
    every: int = 1
    start_images: int = 0
    after: Callable[[int, Loss], None] | None = None

    def __post_init__(self) -> None:
        require(self, f"every for the {self.name}", self.every, COUNT)
        require(self, f"start_images for the {self.name}", self.start_images, FROM_0)

    @property
    def network(self) -> nn.Module:
        """The network that it trains."""
        return self.trains.network


def check_clip(part: object, name: str, clip: float | None) -> None:
    """Check the largest norm of a gradient: a negative one would reverse the gradient, and 0 would stop training.

    Raises:
        InputError: It is not above 0.
    """
    if clip is not None:
        require(part, name, clip, ABOVE_0, "the largest norm of a gradient")


def check_apart(networks: Mapping[str, nn.Module]) -> None:
    """Check that networks that are trained in alternation share no weights: each is frozen while another is trained.

    Args:
        networks: The networks by name.

    Raises:
        InputError: Two of them share weights.
    """
    for (one, first), (other, second) in combinations(networks.items(), 2):
        if set(first.parameters()) & set(second.parameters()):
            raise InputError(f"{one} and {other} share weights, which neither could train: build each with its own")
