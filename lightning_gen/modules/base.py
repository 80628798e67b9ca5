"""What every module of the library shares: one honest count, one generator per process, one way to be rebuilt."""

import copy
import os
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, cast

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from lightning_gen import checkpoint as checkpoints
from lightning_gen.data import DataModule
from lightning_gen.errors import InputError
from lightning_gen.links import Link
from lightning_gen.modules.axis import ImageAxis
from lightning_gen.modules.classes import check_classes
from lightning_gen.modules.devices import check_equal_sizes, check_strategy, check_synchronized, of_all_devices
from lightning_gen.modules.first_batch import PixelsOnly, check_first_batch
from lightning_gen.modules.lean import SkipUnused, fuse
from lightning_gen.modules.notes import Note
from lightning_gen.modules.options import check_options
from lightning_gen.modules.resume import (
    another_number,
    apply_settings,
    as_built,
    check_class,
    check_groups,
    check_optimizers,
    check_weights,
    random_state,
    set_random_state,
)
from lightning_gen.records import Batch, Shape
from lightning_gen.schedules import ImageSchedule


def named(parts: dict[str, Any]) -> nn.ModuleDict:
    """Parts by the names under which they are logged.

    Raises:
        InputError: A name is one that torch keeps for itself, such as `type` or `train`.
    """
    try:
        return nn.ModuleDict(parts)
    except KeyError as error:
        taken = [name for name in parts if hasattr(nn.ModuleDict, name) or "." in name or not name]
        raise InputError(f"a part cannot be called {taken or list(parts)}: choose other names") from error


EVALUATION_SEED = 20_140_610
"""Seed of what validation and test draw."""
SETTLED_IMAGES = sys.maxsize
"""Where validation and test look at schedules, one of your own included: where all of them have come to their ends."""


class GenerativeModule(checkpoints.Described, LightningModule, ABC):
    """Base of the modules: counts images, owns this process's generator, logs on an axis of images.

    Attributes:
        images_seen: Training images seen so far by all devices together; the unit of run length, schedules, EMA and
            every axis. Kept in checkpoints.
        batch_images: Images of the latest batch, over all devices.
        notes: What must be finite in the latest updates, in the order of time; None where nobody is going to look.
        evaluation_rng: Source of what validation and test draw, seeded anew at each start.
        rng: This process's own generator for latents, noise and augmentation, on the module's device. Seeded from the
            global seed and the rank, so that no two processes draw the same numbers; kept in checkpoints.
    """

    links: ClassVar[tuple[Link, ...]] = ()
    """Arguments of its parts that follow from the data and from other parts; the command line fills them in."""

    def __init__(self) -> None:
        super().__init__()
        self.images_seen = 0
        self.batch_images = 0
        self.notes: list[Note] | None = None
        self._axis = ImageAxis()
        self._rng: torch.Generator | None = None
        self._resumed: dict[str, Any] | None = None
        self._built: dict[str, Any] | None = None
        self._moved: list[dict[str, Any]] = []
        self._looked_at: set[str] = set()

    @property
    @abstractmethod
    def data_shape(self) -> Shape:
        """Shape of one sample, ``(channels, height, width)`` or ``(dimensions,)``."""

    @property
    def has_prior(self) -> bool:
        """Whether `sample` can draw."""
        return True

    @property
    def num_classes(self) -> int | None:
        """Number of classes that `sample` can be asked for, or None."""
        return None

    @property
    def pixels_only(self) -> PixelsOnly | None:
        """What of it is for pictures in [-1, 1] alone; None where samples may be any numbers."""
        return None

    @abstractmethod
    def sample(self, n: int, labels: Any = None, generator: torch.Generator | None = None) -> Tensor:
        """Draw `n` samples, ``(n, *shape)``, in evaluation mode; the same generator seed gives the same samples."""

    @property
    def rng(self) -> torch.Generator:
        """This process's own generator, on the module's device."""
        if self._rng is None or self._rng.device != self.device:
            self._rng = self._seeded(torch.initial_seed())
        return self._rng

    def _seeded(self, seed: int) -> torch.Generator:
        """A generator for this process alone."""
        return torch.Generator(self.device).manual_seed((seed * 2**16 + self.global_rank) % 2**63)

    def __setattr__(self, name: str, value: Any) -> None:
        # a number or a word in the place of another, as Lightning sets in each hook: no need for torch's search of what
        # else it may be
        if name in vars(self) and (value is None or isinstance(value, (int, str))):
            vars(self)[name] = value
        else:
            super().__setattr__(name, value)

    def batch_of(self, batch: Any) -> Batch:
        """What a DataLoader yields, as the networks see it and in their precision; see `Batch.of`."""
        return Batch.of(batch, cast(torch.dtype, self.dtype))

    # counting ------------------------------------------------------------------------------------------------------

    def count(self, batch: Batch) -> int:
        """Add a batch, over all devices, to `images_seen`; returns the images added."""
        self.batch_images = len(batch.x) * self.trainer.world_size
        self.images_seen += self.batch_images
        return self.batch_images

    def passed(self, every_images: int) -> bool:
        """Whether the latest batch passed a multiple of `every_images`."""
        return self.images_seen // every_images > (self.images_seen - self.batch_images) // every_images

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the count, and what each process has of its own (Lightning stores neither)."""
        # until the first batch of a resumed run, that is still in its checkpoint
        pending = None if self._resumed is None else self._resumed.get("processes", [])
        own = of_all_devices(self.own_state()) if pending is None else pending
        built = {} if self._built is None else {"built": self._built}
        checkpoint["lightning_gen"] = {"images_seen": self.images_seen, "processes": own, **built, **self.progress()}
        checkpoints.carry(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the count back; the random state follows with the first batch.

        Raises:
            InputError: The checkpoint is damaged, is of another class of module, or holds the weights of another model,
                weights that are not finite or the state of other optimizers.
        """
        if self._trainer is not None and self.trainer.ckpt_path is not None:
            self._check_file(self.trainer.ckpt_path)
        check_class(self, checkpoint.get("hyper_parameters", {}))
        check_weights(self, checkpoint["state_dict"])
        checkpoints.check_finite(self, checkpoint["state_dict"])
        checkpoints.uncarry(checkpoint)
        if self._trainer is not None and self.trainer.state.fn == "fit":
            check_optimizers(checkpoint.get("hyper_parameters", {}), self.hparams)
        progress = checkpoint.get("lightning_gen", {})
        self.images_seen = progress.get("images_seen", 0)
        self._resumed = progress if self._trainer is not None else None
        if self._trainer is not None:  # copied, as torch takes parts out of what it loads
            self._moved = copy.deepcopy(checkpoint.get("lr_schedulers", []))
        self.load_progress(progress)

    def _check_file(self, path: str | os.PathLike[str]) -> None:
        """Check the file of a checkpoint, where Lightning's own reader has read it."""
        if not isinstance(self.trainer.strategy.checkpoint_io, checkpoints.WholeCheckpointIO) and os.path.isfile(path):
            checkpoints.check_whole(path)

    def progress(self) -> dict[str, Any]:
        """What a subclass keeps in checkpoints beside the count; plain data."""
        return {}

    def load_progress(self, progress: dict[str, Any]) -> None:
        """Take back what `progress` gave."""

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Put back what is this process's own in a resumed run, after the loaders have drawn seeds of theirs.

        Raises:
            InputError: The first batch of a run cannot be trained on.
        """
        self._look_at(batch, batch_idx, "training")
        resumed, self._resumed = self._resumed, None
        if resumed is None:
            return
        processes = resumed.get("processes", [])
        if len(processes) == self.trainer.world_size:
            self.load_own_state(processes[self.global_rank])
        else:  # numbers that were not drawn before
            self._rng = self._seeded(torch.initial_seed() + self.images_seen)

    def setup(self, stage: str) -> None:
        """Look at the first batches again."""
        self._looked_at = set()

    def _look_at(self, batch: Any, index: int, split: str) -> None:
        """Check the first batch of a split; no later one is waited for."""
        if split not in self._looked_at:
            self._looked_at.add(split)
            place = f"batch {index} of the {split} data"
            check_first_batch(self.batch_of(batch), place, self.data_shape, self.num_classes, self.pixels_only)

    def own_state(self) -> dict[str, Any]:
        """What this process alone has: the state of its random numbers; plain data."""
        return random_state(self.rng)

    def load_own_state(self, own: dict[str, Any]) -> None:
        """Take back what `own_state` gave."""
        set_random_state(self.rng, own)

    def on_fit_start(self) -> None:
        """Refuse strategies and precisions under which training would go wrong, and data of other classes.

        Raises:
            InputError: The strategy splits the parameters, the precision keeps the weights themselves in another type
                than float32, the data have not the classes of the networks, the processes do not see the same data, or
                the checkpoint's optimizers have other groups, or what checkpoints would hold could not be read again.
        """
        checkpoints.check_states(self.trainer)
        data: Any = getattr(self.trainer, "datamodule", None)
        if isinstance(data, DataModule):  # its processes share batches; what other data share is not known
            check_equal_sizes(of_all_devices(len(data.train_set)))
        if self.num_classes is not None and hasattr(data, "num_classes"):
            check_classes(self.num_classes, data.num_classes)
        check_strategy(self.trainer.strategy)
        check_synchronized(self)
        if str(self.trainer.precision).endswith("-true") and self.trainer.precision != "32-true":
            raise InputError(
                f"--trainer.precision {self.trainer.precision} is not supported, an average of the weights would stand "
                "still in it: use bf16-mixed, 16-mixed or 32-true"
            )
        self._built = as_built(self.trainer.optimizers, self._schedulers)  # their state is put back after this hook
        loaded = self.trainer._checkpoint_connector._loaded_checkpoint
        if "optimizer_states" in loaded:
            check_groups(loaded["optimizer_states"], self.trainer.optimizers)

    def configure_callbacks(self) -> list[Callback]:
        """What runs beside each training of the module."""
        return [SkipUnused()]

    def on_train_start(self) -> None:
        """Let what the user has changed win over what came with the optimizers' state."""
        if self._resumed is not None:
            before, now = len(self._resumed.get("processes", [])), self.trainer.world_size
            if before != now and self.trainer.is_global_zero:
                warnings.warn(another_number(before, now), stacklevel=2)
            self._apply_settings()

    def after_rollback(self) -> None:
        """Called when a run went back to a checkpoint: settings stay the user's, random numbers go on as they are.

        With the random state of the checkpoint the run would take the same way again.
        """
        self._apply_settings()
        processes = self._resumed.get("processes", []) if self._resumed else []
        if len(processes) == self.trainer.world_size:
            numbers = random_state(self.rng)
            self.load_own_state(processes[self.global_rank])
            set_random_state(self.rng, numbers)
        self._resumed = None
        self.batch_images = 0
        self.zero_grad(set_to_none=True)

    def _apply_settings(self) -> None:
        assert self._built is not None
        before = self._resumed.get("built") if self._resumed else None
        apply_settings(self.trainer.optimizers, self._schedulers, self._built, before, self._moved, self.images_seen)

    @property
    def _schedulers(self) -> list[LRScheduler]:
        return [config.scheduler for config in self.trainer.lr_scheduler_configs]

    def make_optimizer(
        self, make: OptimizerCallable, parameters: Iterable[nn.Parameter], called: str = "the optimizer"
    ) -> Optimizer:
        """Make an optimizer, with a fused update where it has one and the user has not chosen.

        Args:
            make: Makes it from the parameters.
            parameters: What it trains.
            called: What it is called in a refusal.

        Raises:
            InputError: One of its numbers is out of range.
        """
        try:
            optimizer = make(parameters)
        except ValueError as error:
            raise InputError(f"{called} cannot be made ({error}): give it other numbers") from error
        check_options(optimizer, called)
        fuse(optimizer)
        return optimizer

    def make_scheduler(self, make: LRSchedulerCallable, optimizer: Optimizer) -> LRScheduler:
        """Make a learning-rate scheduler.

        Raises:
            InputError: It waits for a figure, which is not known after each update, it holds an `ImageSchedule`, or one
                of its numbers is out of range.
        """
        try:
            scheduler = make(optimizer)
        except (ValueError, ZeroDivisionError) as error:
            raise InputError(f"the learning-rate scheduler cannot be made ({error}): give it other numbers") from error
        check_options(optimizer, type(scheduler).__name__)
        if isinstance(scheduler, ReduceLROnPlateau):
            raise InputError(
                "ReduceLROnPlateau waits for a validation figure and schedulers move on after each update: use one "
                "that counts images, lightning_gen.schedules.ImageSchedule"
            )
        inner = list(getattr(scheduler, "_schedulers", []))
        for each in inner:
            inner += getattr(each, "_schedulers", [])
            if isinstance(each, ImageSchedule):
                raise InputError(
                    f"an ImageSchedule inside {type(scheduler).__name__} never learns how many images were seen: give "
                    "one ImageSchedule alone; its Linear and Cosine have warmup_images, start_images and end_images"
                )
        return scheduler

    # noting --------------------------------------------------------------------------------------------------------

    @property
    def trained(self) -> dict[str, nn.Module]:
        """What is trained, by the names of the players."""
        return {"model": self}

    @property
    def averaged(self) -> dict[str, nn.Module]:
        """Averages of what is trained, by the names of the players."""
        return {}

    def note_loss(self, player: str, total: Tensor, terms: dict[str, Tensor]) -> None:
        """Note what a player pays, before its step; the tensors stay on the device."""
        if self.notes is not None:
            parts = {name: value.detach() for name, value in terms.items()}
            self.notes.append(Note(player, "loss", total.detach(), self.images_seen, parts))

    def note_gradient(self, player: str, parameters: Iterable[nn.Parameter]) -> None:
        """Note the norm of a player's first gradient, after unscaling and before its step.

        What is not finite further behind in the network has come down to it; the norm of all gradients would take a
        pass over them in each step.
        """
        if self.notes is not None:
            first = next((parameter.grad for parameter in parameters if parameter.grad is not None), None)
            if first is not None:
                norm = torch.linalg.vector_norm(first)
                self.notes.append(Note(player, "gradient", norm, self.images_seen, scaled=True))

    def note_weights(self) -> None:
        """Note the norms of all weights, and of their averages."""
        if self.notes is not None:
            for figure, parts in (("weights", self.trained), ("averaged weights", self.averaged)):
                norms = {name: nn.utils.get_total_norm(list(part.parameters())) for name, part in parts.items()}
                self.notes += [Note(name, figure, norm.detach(), self.images_seen) for name, norm in norms.items()]

    # evaluation ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def evaluation_step(self, batch: Batch) -> dict[str, Tensor]:
        """Figures of a held-out batch: scalars, averaged over the split by whoever asks."""

    def evaluation_start(self) -> None:
        """Begin a split anew: the one before may have been left in the middle.

        The same numbers are drawn for each, so that figures can be compared; each process has its own.
        """
        self.evaluation_rng = torch.Generator(self.device).manual_seed(EVALUATION_SEED + self.global_rank)

    def evaluation_end(self) -> dict[str, Tensor]:
        """Figures of the whole split, equal on all devices."""
        return {}

    def on_validation_epoch_start(self) -> None:
        """Begin the validation split."""
        self.evaluation_start()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Log the figures of a batch of the validation split."""
        self._look_at(batch, batch_idx, "validation")
        self._evaluate(self.batch_of(batch), "val")

    def on_validation_epoch_end(self) -> None:
        """Log the figures of the validation split, and put all of them on the axis of images."""
        self._report_all("val")

    def on_test_epoch_start(self) -> None:
        """Begin the test split."""
        self.evaluation_start()

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Log the figures of a batch of the test split."""
        self._look_at(batch, batch_idx, "test")
        self._evaluate(self.batch_of(batch), "test")

    def on_test_epoch_end(self) -> None:
        """Log the figures of the test split."""
        self._report_all("test")

    def _evaluate(self, batch: Batch, stage: str) -> None:
        figures = self.evaluation_step(batch)
        self.log_dict({f"{stage}/{k}": v for k, v in figures.items()}, batch_size=len(batch.x), sync_dist=True)

    def _report_all(self, stage: str) -> None:
        self.report({f"{stage}/{k}": v for k, v in self.evaluation_end().items()}, sync_dist=True)

    # logging -------------------------------------------------------------------------------------------------------

    @property
    def logs_now(self) -> bool:
        """Whether this batch is logged, by the Trainer's ``log_every_n_steps``."""
        every = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        loop = self.trainer.fit_loop
        return every > 0 and (loop.epoch_loop._batches_that_stepped + 1) % every == 0 and not loop._should_accumulate()

    def report(self, values: dict[str, Tensor | float], **options: Any) -> None:
        """Log values on the axis of images; detached tensors stay on the device.

        Args:
            values: Names and scalars.
            options: Passed on to Lightning's ``log_dict``.
        """
        detached = {k: v.detach() if isinstance(v, Tensor) else v for k, v in values.items()}
        self._axis.put(self.trainer, self.images_seen)
        self.log_dict(detached, batch_size=1, **options)

    # schedules -----------------------------------------------------------------------------------------------------

    def lr_scheduler_step(self, scheduler: LRScheduler, metric: Any = None) -> None:
        """Step a scheduler: one that counts images is told how many were seen, any other moves on by one update.

        Raises:
            InputError: It does not know how to go on, as one that was made for fewer updates.
        """
        if isinstance(scheduler, ImageSchedule):
            scheduler.step_to(self.images_seen)
            return
        try:
            scheduler.step()
        except (ValueError, ZeroDivisionError) as error:
            raise InputError(
                f"{type(scheduler).__name__} cannot go on after {self.images_seen:,} images ({error}): give it other "
                "numbers, and go on from the last checkpoint"
            ) from error

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls, checkpoint_path: str | os.PathLike[str], map_location: Any = "cpu", **given: Any
    ) -> "GenerativeModule":
        """Build the module that a checkpoint describes, with its weights; the path alone is enough.

        Args:
            checkpoint_path: The file; it is read as plain data, code in it is refused.
            map_location: Device for the weights.
            given: Constructor arguments that win over those in the checkpoint, and those that it could not keep.

        Raises:
            InputError: The file is not a whole checkpoint of this class.
        """
        stored = checkpoints.read(checkpoint_path, map_location)
        module = checkpoints.restore(cls, stored, str(checkpoint_path), **given)
        return module.to(map_location) if isinstance(map_location, (str, torch.device)) else module
