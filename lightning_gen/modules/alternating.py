"""Manual optimization for networks that take turns, written once.

Lightning wraps the whole module in one DistributedDataParallel, whose reducer waits for every parameter after every
backward; networks that take turns never give it that, so their gradients are averaged here instead, one network at a
time. This is also the only place that clips, accumulates, steps schedulers, freezes and counts.
"""

import contextlib
import inspect
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torchmetrics import Metric

from lightning_gen.errors import InputError
from lightning_gen.modules.base import GenerativeModule
from lightning_gen.modules.devices import all_reduce_mean, gradient_type, means_over_devices
from lightning_gen.modules.opponents import check_apart
from lightning_gen.ranges import ABOVE_0, COUNT, FROM_0, require
from lightning_gen.records import Batch


@dataclass(frozen=True)
class Loss:
    """What a player pays.

    Attributes:
        total: The scalar that is minimized.
        terms: Named scalars to log, without their weights.
    """

    total: Tensor
    terms: dict[str, Tensor] = field(default_factory=dict)

    def scaled(self, share: float) -> "Loss":
        """The part of the loss on a whole batch that a loss on a share of it makes up."""
        if share == 1:
            return self
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
class Player:
    """One side of the game, as data.

    Attributes:
        name: What its figures are called in the logs.
        network: What its optimizer trains; frozen while another player plays.
        optimizer: Makes the optimizer from the parameters.
        loss: Gives what it pays on a batch.
        scheduler: Makes the learning-rate scheduler from the optimizer, or None.
        clip: Largest norm of its gradient, above 0, or None.
        every: It plays on every so many-th batch, at least 1.
        start_images: It plays from the first batch on before which so many training images were seen, at least 0.

    Raises:
        InputError: A number is out of range.
    """

    name: str
    network: nn.Module
    optimizer: OptimizerCallable
    loss: Callable[[Batch], Loss]
    scheduler: LRSchedulerCallable | None = None
    clip: float | None = None
    every: int = 1
    start_images: int = 0

    def __post_init__(self) -> None:
        check_clip(self, f"clip for the {self.name}", self.clip)
        require(self, f"every for the {self.name}", self.every, COUNT)
        require(self, f"start_images for the {self.name}", self.start_images, FROM_0)

    @cached_property
    def parameters(self) -> tuple[nn.Parameter, ...]:
        """What its optimizer trains."""
        return tuple(self.network.parameters())


def check_clip(part: object, name: str, clip: float | None) -> None:
    """Check the largest norm of a gradient: a negative one would turn the gradient round, and 0 stop the network.

    Raises:
        InputError: It is not above 0.
    """
    if clip is not None:
        require(part, name, clip, ABOVE_0, "the largest norm of a gradient")


class AlternatingModule(GenerativeModule):
    """Plays a round of `players` on each batch: one after another, each with its own optimizer.

    For each player whose turn it is: gradients to zero, one backward for each part of the batch, gradients averaged
    over the devices, clipped, one optimizer step, one scheduler step. Backward and step of a player come before the
    next player's, which is also what float16's gradient scaling needs; averaging comes before unscaling, so that an
    overflow on one device makes all of them skip the step.

    Runs on one device or under plain ``strategy=ddp`` or ``ddp_unwrapped``; state-dict keys are those of the networks.

    Args:
        accumulate: Parts that each batch is split into; gradients add up over the parts, so memory is that of a small
            batch and the update that of the whole one. 1 for no split.

    Attributes:
        updates: Optimizer steps that each player has made, by name; kept in checkpoints.
        rounds: Batches played; kept in checkpoints.

    Raises:
        InputError: `accumulate` is below 1.
    """

    def __init__(self, accumulate: int = 1) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.split_batches(accumulate)
        self.rounds = 0
        self.updates: dict[str, int] = {}
        self._players: Sequence[Player] = ()
        self._latest: dict[str, Loss] = {}
        self._norms: dict[str, Tensor] = {}
        self._sent_as: torch.dtype | None = None

    def split_batches(self, accumulate: int) -> None:
        """Split each batch into so many parts from now on.

        Raises:
            InputError: `accumulate` is below 1.
        """
        if accumulate not in COUNT:
            raise InputError(f"accumulate must be at least 1, not {accumulate}")
        self.accumulate = accumulate

    @abstractmethod
    def players(self) -> Sequence[Player]:
        """The players in the order in which they play."""

    def after_update(self, player: Player, images: int, paid: Loss) -> None:
        """Called after a player's step, with the images it used over all devices and what was paid on them."""

    # setting up ----------------------------------------------------------------------------------------------------

    def configure_optimizers(self) -> Any:
        """One optimizer for each player, and its scheduler where it has one.

        Raises:
            InputError: Players share weights, or an optimizer evaluates its loss several times in a step.
        """
        self._players = self.players()
        check_apart(self.trained)
        self._warn_of_untrained()
        configured = []
        for player in self._players:
            optimizer = self.make_optimizer(player.optimizer, player.parameters, f"the {player.name}'s optimizer")
            if inspect.signature(type(optimizer).step).parameters["closure"].default is inspect.Parameter.empty:
                raise InputError(
                    f"{type(optimizer).__name__} evaluates its loss several times in a step, which networks that take "
                    f"turns do not: give the {player.name} another optimizer, such as Adam"
                )
            entry: dict[str, Any] = {"optimizer": optimizer}
            if player.scheduler is not None:
                entry["lr_scheduler"] = self.make_scheduler(player.scheduler, optimizer)
            configured.append(entry)
            self.updates.setdefault(player.name, 0)
        return configured

    def _warn_of_untrained(self) -> None:
        """Name the parameters that no player trains; a metric's are not there to be trained."""
        own = {id(parameter) for player in self._players for parameter in player.parameters}
        own |= {id(p) for part in self.modules() if isinstance(part, Metric) for p in part.parameters()}
        left = [name for name, each in self.named_parameters() if each.requires_grad and id(each) not in own]
        if left:
            more = f" and {len(left) - 1} more" if len(left) > 1 else ""
            warnings.warn(
                f"no player trains {left[0]}{more}: make it part of a player's network, or freeze it with "
                "requires_grad_(False)",
                stacklevel=2,
            )

    def on_fit_start(self) -> None:
        """Refuse communication hooks, beside strategies and precisions, under which training would go wrong."""
        super().on_fit_start()
        self._sent_as = gradient_type(self.trainer.strategy)

    def progress(self) -> dict[str, Any]:
        """Rounds and updates."""
        return {"rounds": self.rounds, "updates": dict(self.updates)}

    def load_progress(self, progress: dict[str, Any]) -> None:
        """Rounds and updates."""
        self.rounds = progress.get("rounds", 0)
        self.updates = dict(progress.get("updates", {}))

    def after_rollback(self) -> None:
        """Forget the latest figures as well."""
        super().after_rollback()
        self._latest, self._norms = {}, {}

    @property
    def trained(self) -> dict[str, nn.Module]:
        """The networks of the players."""
        return {player.name: player.network for player in self._players}

    # playing -------------------------------------------------------------------------------------------------------

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Play one round on a batch."""
        batch = self.batch_of(batch)
        images = self.count(batch)
        for index, player in enumerate(self._players):
            if self.started(player.start_images) and (self.rounds + 1) % player.every == 0:
                self._play(index, player, batch, images * player.every)
        self.rounds += 1
        if self.logs_now:
            self.report({name: value for player in self._players for name, value in self._figures(player).items()})

    def started(self, start_images: int) -> bool:
        """Whether so many training images were seen before the latest batch."""
        return self.images_seen - self.batch_images >= start_images

    def _play(self, index: int, player: Player, batch: Batch, images: int) -> None:
        optimizer = self._optimizer(index)
        for parameter in player.parameters:
            parameter.grad = None
        with self._frozen_but(player):
            paid = [self._pay(player, part, len(part.x) / len(batch.x)) for part in batch.split(self.accumulate)]
        total, before = sum(paid[1:], paid[0]), self._latest.get(player.name)
        self.note_loss(player.name, total.total, total.terms)
        self.average_gradients(player.parameters)
        optimizer.step()
        self.updates[player.name] += 1
        scheduler = self._scheduler(index)
        if scheduler is not None:
            self.lr_scheduler_step(scheduler)
        # a figure that is not paid on each turn is logged as it was last
        self._latest[player.name] = Loss(total.total, {**(before.terms if before else {}), **total.terms})
        self.after_update(player, images, total)

    def _pay(self, player: Player, part: Batch, share: float) -> Loss:
        """One backward; returns the part's share of the loss, without its graph."""
        loss = player.loss(part).scaled(share)
        self.manual_backward(loss.total)
        return Loss(loss.total.detach(), {name: value.detach() for name, value in loss.terms.items()})

    def _optimizer(self, index: int) -> Any:
        """Lightning's wrapper: its step unscales float16 gradients and calls `on_before_optimizer_step`."""
        optimizers = self.optimizers()
        return optimizers[index] if isinstance(optimizers, list) else optimizers

    def _scheduler(self, index: int) -> Any:
        """The scheduler of a player's optimizer, or None."""
        optimizer = self.trainer.optimizers[index]
        configs = self.trainer.lr_scheduler_configs
        return next((config.scheduler for config in configs if config.scheduler.optimizer is optimizer), None)

    @contextlib.contextmanager
    def _frozen_but(self, player: Player) -> Iterator[None]:
        """Freeze the other players' networks: no gradient is computed for weights that are not being trained."""
        frozen = [
            parameter
            for other in self._players
            if other is not player
            for parameter in other.parameters
            if parameter.requires_grad
        ]
        for parameter in frozen:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in frozen:
                parameter.requires_grad_(True)

    # gradients -----------------------------------------------------------------------------------------------------

    def manual_backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Backward without DistributedDataParallel's reducer; `average_gradients` follows it.

        Nor is it under autocast, as a training step is: second derivatives would be of lower precision than the first.

        Raises:
            InputError: A penalty asks for a second derivative that a layer does not have.
        """
        block = getattr(self.trainer.strategy, "block_backward_sync", contextlib.nullcontext)
        try:
            with block(), torch.autocast(self.device.type, enabled=False):
                super().manual_backward(loss, *args, **kwargs)
        except RuntimeError as error:
            if "double backward" in str(error) or "is not implemented" in str(error):
                raise InputError(
                    f"a penalty needs the discriminator's second derivative and a layer has none ({error}): leave out "
                    "the gradient penalties, or replace the layer"
                ) from error
            raise

    @torch.no_grad()
    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Average gradients over all devices in one all-reduce a dtype, in the type that a communication hook names.

        Every parameter takes part in the same order on every device; one that a loss did not reach counts as zero, so
        devices can never wait for each other.
        """
        if self.trainer.world_size == 1:
            return
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        own = [torch.zeros_like(each) if each.grad is None else each.grad for each in trained]
        for parameter, mean in zip(trained, means_over_devices(own, self._sent_as), strict=True):
            parameter.grad = mean

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip a player's gradient, after unscaling, and keep its norm where this batch is logged."""
        player = self._players[self.trainer.optimizers.index(optimizer)]
        self.note_gradient(player.name, player.parameters)
        if player.clip is None and player.every == 1 and not self.logs_now:
            return  # a norm that nobody reads is not computed; one who plays seldom may be read between its turns
        gradients = [p.grad for p in player.parameters if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if player.clip is not None:
            nn.utils.clip_grads_with_norm_(player.parameters, player.clip, norm)
        self._norms[player.name] = norm

    def _figures(self, player: Player) -> dict[str, Tensor | float]:
        """What is logged of a player: its latest turn, nothing before its first."""
        loss = self._latest.get(player.name)
        if loss is None:
            return {}
        optimizer = self.trainer.optimizers[self._players.index(player)]
        return {
            f"train/{player.name}_loss": loss.total,
            **{f"train/{name}": value for name, value in loss.terms.items()},
            f"train/gradient_norm_{player.name}": self._norms[player.name],
            f"train/learning_rate_{player.name}": float(optimizer.param_groups[0]["lr"]),
        }

    # buffers -------------------------------------------------------------------------------------------------------

    def on_validation_start(self) -> None:
        """Make BatchNorm's statistics equal on all devices: manual optimization leaves each its own."""
        if self.trainer.world_size > 1:
            all_reduce_mean(list(self._statistics().values()))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the progress, and BatchNorm's statistics as the average over the devices.

        The run itself is left alone: each device goes on with its own statistics, and so does a run that is resumed on
        as many.
        """
        super().on_save_checkpoint(checkpoint)
        if self._trainer is not None and self.trainer.world_size > 1:
            averaged = {name: buffer.clone() for name, buffer in self._statistics().items()}
            all_reduce_mean(list(averaged.values()))
            checkpoint["state_dict"] |= {name: averaged[name] for name in averaged if name in checkpoint["state_dict"]}

    def own_state(self) -> dict[str, Any]:
        """The random state, and where there are several devices this one's statistics."""
        state = super().own_state()
        if self._trainer is None or self.trainer.world_size == 1:
            return state
        return state | {"buffers": {name: each.cpu() for name, each in self._statistics().items()}}

    @torch.no_grad()
    def load_own_state(self, own: dict[str, Any]) -> None:
        """The random state and the statistics, which DistributedDataParallel leaves alone from now on."""
        super().load_own_state(own)
        model = self.trainer.strategy.model
        if isinstance(model, DistributedDataParallel):
            model.require_forward_param_sync = False  # or its first pass would give all devices those of the first
        for name, buffer in self._statistics().items():
            if name in own.get("buffers", {}):
                buffer.copy_(own["buffers"][name])

    def _statistics(self) -> dict[str, Tensor]:
        return {name: buffer for name, buffer in self.named_buffers() if buffer.is_floating_point()}
