"""Manual optimization in phases, written once.

Lightning wraps the whole module in one DistributedDataParallel, whose reducer waits for every parameter after every
backward. Networks that are trained in alternation never use all parameters in one backward, so their gradients are
averaged here, one network at a time. Clipping, accumulation, schedulers, freezing and counts are here as well.
"""

import contextlib
import inspect
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torchmetrics import Metric

from lightning_gen import private
from lightning_gen.errors import InputError
from lightning_gen.ranges import COUNT
from lightning_gen.records import Batch
from lightning_gen.training.collectives import all_reduce_mean, means_over_devices
from lightning_gen.training.earlier import phases_of_players
from lightning_gen.training.module import GenerativeModule
from lightning_gen.training.phases import Loss, MicroBatch, OptimizedNetwork, Phase, check_apart
from lightning_gen.training.strategies import gradient_type


@dataclass
class Step:
    """The current step.

    Attributes:
        logs: Whether its losses are logged.
        phase: The current phase; None before the first.
    """

    logs: bool = False
    phase: Phase | None = None


class AlternatingModule(GenerativeModule):
    """Trains networks in `phases`: in each step one after another, each with the optimizer of its network.

    A phase that is due sets the gradients to zero, makes one backward for each part of the batch, averages the
    gradients over the devices, clips them, and makes one optimizer step and one scheduler step. Backward and update of
    a phase come before the next phase's, which is also what float16's gradient scaling needs; averaging comes before
    unscaling, so that an overflow on one device makes all of them skip the update.

    Runs on one device or under plain ``strategy=ddp`` or ``ddp_unwrapped``; state-dict keys are those of the networks.

    Args:
        accumulate: Parts that each batch is split into; gradients add up over the parts, so memory is that of a small
            batch and the update that of the whole one. 1 for no split.

    Attributes:
        updates: Optimizer steps that each phase has made, by name; kept in checkpoints.
        rounds: Steps of the module, one for each batch; kept in checkpoints.

    Raises:
        InputError: `accumulate` is below 1.
    """

    def __init__(self, accumulate: int = 1) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.split_batches(accumulate)
        self.rounds = 0
        self.updates: dict[str, int] = {}
        self._phases: Sequence[Phase] = ()
        self._networks: Sequence[OptimizedNetwork] = ()
        self._step = Step()
        self._latest: dict[str, Loss] = {}
        self._norms: dict[str, Tensor] = {}
        self._sent_as: torch.dtype | None = None

    def split_batches(self, accumulate: int) -> None:
        """Set the number of parts that each batch is split into.

        Raises:
            InputError: `accumulate` is below 1.
        """
        if accumulate not in COUNT:
            raise InputError(f"accumulate must be at least 1, not {accumulate}")
        self.accumulate = accumulate

    def phases(self) -> Sequence[Phase]:
        """The phases of a step, in their order; the optimizers are in the order in which their networks come first."""
        return phases_of_players(self)

    def remedies(self, phase: str) -> str:
        """Those of the phase's own network."""
        return f"a lower --model.{phase}_optimizer.lr, or --model.{phase}_clip 1"

    def check_trainer(self, settings: Any) -> None:
        """Refuse the Trainer's own clipping and accumulation, and name the module's.

        Raises:
            InputError: One of them is set.
        """
        if settings.gradient_clip_val is not None:
            raise InputError(
                "each network is clipped on its own in alternating training: use --model.generator_clip, or "
                "--model.autoencoder_clip, and --model.discriminator_clip"
            )
        if settings.accumulate_grad_batches != 1:
            raise InputError("alternating training accumulates by splitting each batch: use --model.accumulate")

    def prepare(self, part: MicroBatch) -> None:
        """Compute the `results` that several phases use, before any network is frozen; nothing by default."""

    def after_update(self, phase: Phase, images: int, loss: Loss) -> None:
        """Called after the update of a phase: calls the phase's own `after`.

        Args:
            phase: The phase.
            images: Images that the update used, over all devices.
            loss: Its loss on them, without a graph.
        """
        if phase.after is not None:
            phase.after(images, loss)

    # setting up ----------------------------------------------------------------------------------------------------

    def configure_optimizers(self) -> Any:
        """One optimizer for each network, and its scheduler where it has one.

        Raises:
            InputError: Networks share weights, phases share a name, or an optimizer evaluates its loss several times
                in a step.
        """
        self._phases = self.phases()
        self._networks = list({id(phase.trains): phase.trains for phase in self._phases}.values())
        names = [phase.name for phase in self._phases]
        if len(set(names)) < len(names):
            raise InputError(f"phases need different names and these are {', '.join(names)}: rename one")
        check_apart(self.trained)
        self._warn_of_untrained()
        self.updates = {name: self.updates.get(name, 0) for name in names} | self.updates
        return [self._configured(network) for network in self._networks]

    def _configured(self, network: OptimizedNetwork) -> dict[str, Any]:
        optimizer = self.make_optimizer(network.optimizer, network.parameters, f"the {network.name}'s optimizer")
        if inspect.signature(type(optimizer).step).parameters["closure"].default is inspect.Parameter.empty:
            raise InputError(
                f"{type(optimizer).__name__} evaluates its loss several times in a step, which alternating training "
                f"does not: give the {network.name} another optimizer, such as Adam"
            )
        if network.scheduler is None:
            return {"optimizer": optimizer}
        return {"optimizer": optimizer, "lr_scheduler": self.make_scheduler(network.scheduler, optimizer)}

    def _warn_of_untrained(self) -> None:
        """Warn of parameters that no phase trains, apart from those of metrics."""
        own = {id(parameter) for network in self._networks for parameter in network.parameters}
        own |= {id(p) for part in self.modules() if isinstance(part, Metric) for p in part.parameters()}
        left = [name for name, each in self.named_parameters() if each.requires_grad and id(each) not in own]
        if left:
            more = f" and {len(left) - 1} more" if len(left) > 1 else ""
            warnings.warn(
                f"no phase trains {left[0]}{more}: make it part of a network that a phase trains, or freeze it with "
                "requires_grad_(False)",
                stacklevel=2,
            )

    def on_fit_start(self) -> None:
        """Refuse communication hooks under which training would go wrong, beside strategies and precisions."""
        super().on_fit_start()
        self._sent_as = gradient_type(self.trainer.strategy)

    def progress(self) -> dict[str, Any]:
        """Steps and updates, and what other bases keep."""
        return {**super().progress(), "rounds": self.rounds, "updates": dict(self.updates)}

    def load_progress(self, progress: dict[str, Any]) -> None:
        """Steps and updates, and what other bases keep."""
        super().load_progress(progress)
        self.rounds = progress.get("rounds", 0)
        self.updates = dict(progress.get("updates", {}))

    def after_rollback(self) -> None:
        """Forget the latest losses as well."""
        super().after_rollback()
        self._latest, self._norms = {}, {}

    @property
    def trained(self) -> dict[str, nn.Module]:
        """The networks by name."""
        return {network.name: network.network for network in self._networks}

    # a step --------------------------------------------------------------------------------------------------------

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Run the phases that are due on a batch."""
        batch, fresh = self._first_and_fresh(self.batch_of(batch))
        images = self.count(batch)
        self._step.logs = self.logs_now
        others: Iterable[Batch | None] = repeat(None) if fresh is None else self._split(fresh)
        parts = [
            MicroBatch(part, len(part.x) / len(batch.x), other)
            for part, other in zip(self._split(batch), others, strict=False)
        ]
        for part in parts:
            self.prepare(part)
        for phase in self._phases:
            if self.due(phase):
                self._run(phase, parts, images * phase.every)
        self.rounds += 1
        if self._step.logs:
            self.report_update({f"train/gradient_norm_{name}": norm for name, norm in self._norms.items()})

    def _first_and_fresh(self, batch: Batch) -> tuple[Batch, Batch | None]:
        """The batch that is counted, and the one that was read with it where a step reads two."""
        if self.batches_at_once == 1:
            return batch, None
        if len(batch.x) % 2:
            raise InputError(
                f"a step that trains each network on real samples of its own cannot halve a batch of {len(batch.x)}: "
                "let every batch of your DataLoader hold an even number of samples on each device"
            )
        first, fresh = batch.split(2)
        return first, fresh

    def _split(self, batch: Batch) -> Iterable[Batch]:
        return [batch] if self.accumulate == 1 else batch.split(self.accumulate)

    def due(self, phase: Phase) -> bool:
        """Whether a phase is part of the current step."""
        return (self.rounds + 1) % phase.every == 0 and self.started(phase.start_images)

    def started(self, start_images: int) -> bool:
        """Whether at least `start_images` training images were seen before the latest batch."""
        return self.images_seen - self.batch_images >= start_images

    def _run(self, phase: Phase, parts: Sequence[MicroBatch], images: int) -> None:
        """Backward over the parts, then one update of the network of a phase."""
        self._step.phase = phase
        parameters = phase.trains.parameters
        for parameter in parameters:
            parameter.grad = None
        with self._frozen_but(phase.trains):
            losses = [self._backward(phase, part) for part in parts]
        loss, before = sum(losses[1:], losses[0]), self._latest.get(phase.name)
        if self.finiteness is not None:
            self.finiteness.add_loss(phase.name, loss.total, loss.terms, self.images_seen)
        self.average_gradients(parameters)
        index = self._networks.index(phase.trains)
        self._optimizer(index).step()
        self.updates[phase.name] += 1
        scheduler = self._scheduler(index)
        if scheduler is not None and phase is next(each for each in self._phases if each.trains is phase.trains):
            self.lr_scheduler_step(scheduler)
        # a term that is not part of every update is logged with its latest value
        self._latest[phase.name] = Loss(loss.total, {**(before.terms if before else {}), **loss.terms})
        self.after_update(phase, images, loss)

    def _backward(self, phase: Phase, part: MicroBatch) -> Loss:
        """One backward; returns the part's share of the loss, without its graph."""
        loss = phase.loss(part)
        if part.share != 1:
            loss = loss.scaled(part.share)
        self.manual_backward(loss.total)
        return Loss(loss.total.detach(), {name: value.detach() for name, value in loss.terms.items()})

    def _optimizer(self, index: int) -> Any:
        """Lightning's wrapper: its step unscales float16 gradients and calls `on_before_optimizer_step`."""
        optimizers = self.optimizers()
        return optimizers[index] if isinstance(optimizers, list) else optimizers

    def _scheduler(self, index: int) -> Any:
        """The scheduler of an optimizer, or None."""
        optimizer = self.trainer.optimizers[index]
        configs = self.trainer.lr_scheduler_configs
        return next((config.scheduler for config in configs if config.scheduler.optimizer is optimizer), None)

    @contextlib.contextmanager
    def _frozen_but(self, trained: OptimizedNetwork) -> Iterator[None]:
        """Freeze the other networks: no gradient is computed for weights that are not being trained."""
        frozen = [
            parameter
            for other in self._networks
            if other is not trained
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

        It runs without autocast, unlike the training step: second derivatives keep the precision of the first.

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

        Every parameter takes part in the same order on every device, and one without a gradient counts as zero, so no
        device can wait for another forever.
        """
        if self.trainer.world_size == 1:
            return
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        own = [torch.zeros_like(each) if each.grad is None else each.grad for each in trained]
        for parameter, mean in zip(trained, means_over_devices(own, self._sent_as), strict=True):
            parameter.grad = mean

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Clip the gradient of a phase, after unscaling, and keep its norm where this batch is logged."""
        phase = self._step.phase
        assert phase is not None
        if self.finiteness is not None:
            self.finiteness.add_gradient(phase.name, phase.trains.parameters, self.images_seen)
        clip = phase.trains.clip
        if clip is None and phase.every == 1 and not self._step.logs:
            return  # the norm would not be logged; that of a phase with an interval may be logged between its updates
        norm = nn.utils.get_total_norm([p.grad for p in phase.trains.parameters if p.grad is not None])
        if clip is not None:
            nn.utils.clip_grads_with_norm_(phase.trains.parameters, clip, norm)
        self._norms[phase.name] = norm

    def latest_metrics(self) -> dict[str, Tensor | float]:
        """The losses and terms of the latest update of each phase that had one, and the learning rates."""
        found: dict[str, Tensor | float] = {}
        for phase in self._phases:
            if (loss := self._latest.get(phase.name)) is None:
                continue
            optimizer = self.trainer.optimizers[self._networks.index(phase.trains)]
            found[f"train/{phase.name}_loss"] = loss.total
            found |= {f"train/{name}": value for name, value in loss.terms.items()}
            found[f"train/learning_rate_{phase.trains.name}"] = float(optimizer.param_groups[0]["lr"])
        return found

    # buffers -------------------------------------------------------------------------------------------------------

    def on_validation_start(self) -> None:
        """Average BatchNorm's statistics over the devices: with manual optimization each device has its own."""
        if self.trainer.world_size > 1:
            all_reduce_mean(list(self._statistics().values()))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the progress, and BatchNorm's statistics as the average over the devices.

        Training itself continues with each device's own statistics, and so does a run that is resumed on as many
        devices.
        """
        super().on_save_checkpoint(checkpoint)
        if private.has_trainer(self) and self.trainer.world_size > 1:
            averaged = {name: buffer.clone() for name, buffer in self._statistics().items()}
            all_reduce_mean(list(averaged.values()))
            checkpoint["state_dict"] |= {name: averaged[name] for name in averaged if name in checkpoint["state_dict"]}

    def own_state(self) -> dict[str, Any]:
        """The random state, and with several devices the statistics of this one."""
        state = super().own_state()
        if not private.has_trainer(self) or self.trainer.world_size == 1:
            return state
        return state | {"buffers": {name: each.cpu() for name, each in self._statistics().items()}}

    @torch.no_grad()
    def load_own_state(self, own: dict[str, Any]) -> None:
        """Restore the random state and the statistics, and keep DistributedDataParallel from synchronizing buffers."""
        super().load_own_state(own)
        model = self.trainer.strategy.model
        if isinstance(model, DistributedDataParallel):
            model.require_forward_param_sync = False  # its first pass would copy the buffers of rank 0
        for name, buffer in self._statistics().items():
            if name in own.get("buffers", {}):
                buffer.copy_(own["buffers"][name])

    def _statistics(self) -> dict[str, Tensor]:
        return {name: buffer for name, buffer in self.named_buffers() if buffer.is_floating_point()}
