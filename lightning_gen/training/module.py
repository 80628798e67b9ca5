"""The base of all modules: one count of images, one generator for each process, one way to be rebuilt and resumed."""

import os
import sys
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, cast

import torch
from lightning.fabric.utilities.data import sized_len
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightning_gen import checkpoint as checkpoints
from lightning_gen import private
from lightning_gen.data import DataModule
from lightning_gen.deprecation import FormerNames
from lightning_gen.errors import InputError
from lightning_gen.media import Medium, medium_of
from lightning_gen.media.descriptions import classes_in, classes_of, described, medium_from, rebuilt
from lightning_gen.records import Batch
from lightning_gen.training import optimizers
from lightning_gen.training.capabilities import Capabilities
from lightning_gen.training.classes import check_classes
from lightning_gen.training.collectives import of_all_devices
from lightning_gen.training.finiteness import FiniteRecords
from lightning_gen.training.first_batch import PixelsOnly, check_first_batch
from lightning_gen.training.image_axis import ImageAxis, is_logged
from lightning_gen.training.overhead import SkipUnused
from lightning_gen.training.quiet import Quiet, leave_unsaid
from lightning_gen.training.random_state import process_generator, random_state, set_random_state
from lightning_gen.training.resume import Resumption, check_class, check_groups, check_optimizers, check_weights
from lightning_gen.training.strategies import check_equal_sizes, check_precision, check_strategy, check_synchronized


def named(parts: dict[str, Any]) -> nn.ModuleDict:
    """Parts by the names under which they are logged.

    Raises:
        InputError: A name is reserved by torch, such as `type` or `train`.
    """
    try:
        return nn.ModuleDict(parts)
    except KeyError as error:
        taken = [name for name in parts if hasattr(nn.ModuleDict, name) or "." in name or not name]
        raise InputError(f"a part cannot be called {taken or list(parts)}: choose other names") from error


EVALUATION_SEED = 20_140_610
"""Seed of the random numbers of validation and test."""
END_OF_SCHEDULES = sys.maxsize
"""The number of images at which validation and test evaluate schedules, users' own too: every schedule has ended."""


class GenerativeModule(checkpoints.Described, Capabilities, FormerNames, LightningModule):
    """Base of the modules: counts images, owns this process's generator, logs on an axis of images.

    Attributes:
        class_names: Class names of the training data, or None; kept in checkpoints.
        images_seen: Training images seen so far by all devices together; the unit of run length, schedules, EMA and
            every axis. Kept in checkpoints.
        batch_images: Images of the latest batch, over all devices.
        finiteness: Scalars of the latest updates that must be finite; None if they are not checked.
        has_logged: Whether anything was logged since the Trainer last collected metrics.
        evaluation_rng: Generator of validation and test, seeded anew at each start.
        rng: The generator of this process for latents, noise and augmentation, on the module's device. Its seed comes
            from the global seed and the rank, so that no two processes use the same numbers; kept in checkpoints.
    """

    def __init__(self) -> None:
        leave_unsaid()
        super().__init__()
        self.images_seen = 0
        self.batch_images = 0
        self.class_names: tuple[str, ...] | None = None
        self.finiteness: FiniteRecords | None = None
        self.has_logged = False
        self._medium: Medium | None = None
        self._axis = ImageAxis()
        self._reported_images = 0
        self._rng: torch.Generator | None = None
        self._resumption = Resumption()
        self._checked_splits: set[str] = set()

    @property
    def medium(self) -> Medium:
        """What a sample is: the medium of the training data, kept in checkpoints, else the one that the shape implies.

        Raises:
            InputError: The data did not say it and the shape implies none.
        """
        return self._medium or medium_of(self.data_shape)

    @medium.setter
    def medium(self, medium: Medium | None) -> None:
        """Set it; None for the one that the shape implies."""
        self._medium = medium

    @property
    def pixels_only(self) -> PixelsOnly | None:
        """The part that supports images in [-1, 1] alone; None if samples may be any numbers."""
        return None

    @property
    def rng(self) -> torch.Generator:
        """This process's own generator, on the module's device."""
        if self._rng is None or self._rng.device != self.device:
            self._rng = process_generator(self.device, torch.initial_seed(), self.global_rank)
        return self._rng

    def __setattr__(self, name: str, value: Any) -> None:
        # Lightning and the training step replace plain attributes many times a batch; skip torch's checks, which are
        # for parameters, modules and buffers
        plain = self.__dict__
        if name in plain and not isinstance(value, (Tensor, nn.Module)):
            plain[name] = value
        else:
            super().__setattr__(name, value)

    def batch_of(self, batch: Any) -> Batch:
        """A DataLoader's batch, scaled and in the precision of the networks; see `Batch.of`."""
        to_model = None if self._medium is None else self._medium.to_model
        return Batch.of(batch, cast(torch.dtype, self.dtype), to_model)

    # counting ------------------------------------------------------------------------------------------------------

    def count(self, batch: Batch) -> int:
        """Add a batch, over all devices, to `images_seen`; return the number of images added."""
        self.batch_images = len(batch.x) * self.trainer.world_size
        self.images_seen += self.batch_images
        return self.batch_images

    def passed(self, every_images: int) -> bool:
        """Whether the latest batch passed a multiple of `every_images`."""
        return self.images_seen // every_images > (self.images_seen - self.batch_images) // every_images

    @abstractmethod
    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """Train on a batch, and count it."""

    # checkpoints ---------------------------------------------------------------------------------------------------

    def progress(self) -> dict[str, Any]:
        """The state that a subclass keeps in checkpoints beside the count, as plain data."""
        return {}

    def load_progress(self, progress: dict[str, Any]) -> None:
        """Restore the result of `progress`."""

    def own_state(self) -> dict[str, Any]:
        """The state of this process alone, that of its random numbers, as plain data."""
        return random_state(self.rng)

    def load_own_state(self, own: dict[str, Any]) -> None:
        """Restore the result of `own_state`."""
        set_random_state(self.rng, own)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the count and the state of each process; Lightning stores neither."""
        pending = self._resumption.pending  # not restored before the first batch of a resumed run
        own = of_all_devices(self.own_state()) if pending is None else pending
        built = {} if self._resumption.built is None else {"built": self._resumption.built}
        checkpoint["lightning_gen"] = {
            "images_seen": self.images_seen,
            "medium": described(self._medium),
            "classes": None if self.class_names is None else list(self.class_names),
            "processes": own,
            **built,
            **self.progress(),
        }
        checkpoints.serialize_states(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the count; the random state is restored at the first batch.

        Raises:
            InputError: The checkpoint is damaged, is of another class of module, or holds the weights of another model,
                weights that are not finite or the state of other optimizers.
        """
        trained = private.has_trainer(self)
        if trained and self.trainer.ckpt_path is not None:
            self._check_file(self.trainer.ckpt_path)
        described = checkpoint.get("hyper_parameters", {})
        check_class(self, described)
        checkpoint["state_dict"] = checkpoints.named_as(self, checkpoint["state_dict"])
        check_weights(self, checkpoint["state_dict"], self.strict_loading)
        checkpoints.check_finite(self, checkpoint["state_dict"])
        checkpoints.deserialize_states(checkpoint)
        if trained and self.trainer.state.fn == "fit":
            check_optimizers(described, self.hparams)
        progress = checkpoint.get("lightning_gen", {})
        self.images_seen = progress.get("images_seen", 0)
        self.medium = rebuilt(progress.get("medium"))
        self.class_names = classes_of(progress.get("classes"))
        if trained:
            self._resumption.load(progress, checkpoint.get("lr_schedulers", []))
        self.load_progress(progress)

    def _check_file(self, path: str | os.PathLike[str]) -> None:
        """Check the file of a checkpoint, where Lightning's own reader has read it."""
        if not isinstance(self.trainer.strategy.checkpoint_io, checkpoints.AtomicCheckpointIO) and os.path.isfile(path):
            checkpoints.check_whole(path)

    @classmethod
    def load_from_checkpoint(  # type: ignore[override]
        cls,
        checkpoint_path: str | os.PathLike[str],
        map_location: Any = "cpu",
        hparams_file: str | os.PathLike[str] | None = None,
        strict: bool | None = None,
        weights_only: bool | None = None,
        **given: Any,
    ) -> "GenerativeModule":
        """Build the module that a checkpoint describes, with its weights; the path alone is enough.

        Args:
            checkpoint_path: The file, or the run's folder; it is read as plain data, code in it is refused.
            map_location: Device for the weights.
            hparams_file: A YAML file whose constructor arguments win over those in the checkpoint: the ``config.yaml``
                of a run, or the arguments by name.
            strict: Whether the file must have all weights of the module and no others; None for yes. Weights of another
                shape are an error in any case.
            weights_only: Has no effect, for Lightning's signature: code in a file is never run.
            given: Constructor arguments that win over both, and those that the checkpoint could not keep.

        Raises:
            InputError: The file is not a whole checkpoint of this class.
        """
        stored = checkpoints.read(checkpoint_path, map_location)
        if hparams_file is not None:
            stored["hyper_parameters"] |= checkpoints.read_arguments(hparams_file)
        module = checkpoints.restore(cls, stored, str(checkpoint_path), strict is not False, **given)
        return module.to(map_location) if isinstance(map_location, (str, torch.device)) else module

    # starting and resuming --------------------------------------------------------------------------------------

    def configure_callbacks(self) -> list[Callback]:
        """The callbacks of every training of the module."""
        return [SkipUnused(), Quiet(self)]

    def setup(self, stage: str) -> None:
        """Check the first batches again."""
        self._checked_splits = set()

    def on_fit_start(self) -> None:
        """Refuse strategies and precisions under which training would go wrong, and data of other classes.

        Raises:
            InputError: The strategy splits the parameters, the precision keeps the weights themselves in another type
                than float32, the data have not the classes of the networks, the processes do not see the same data, or
                the checkpoint's optimizers have other groups, or what checkpoints would hold could not be read again.
        """
        self._axis.follow(self.trainer, self)
        checkpoints.check_states(self.trainer)
        data: Any = getattr(self.trainer, "datamodule", None)
        if isinstance(data, DataModule):  # its processes share batches; what other data share is not known
            check_equal_sizes(of_all_devices(sized_len(data.train_set) or 0))
        if self.num_classes is not None and hasattr(data, "num_classes"):
            check_classes(self.num_classes, data.num_classes)
        self.medium = medium_from(data) or self._medium
        self.class_names = classes_of(getattr(data, "classes", None)) or self.class_names
        described(self.medium)  # raises at once if checkpoints could not keep it
        check_strategy(self.trainer.strategy)
        check_synchronized(self)
        check_precision(self.trainer.precision)
        self._resumption.begin(self.trainer.optimizers, self._schedulers)  # their state is put back after this hook
        loaded = private.loaded_checkpoint(self.trainer)
        if "optimizer_states" in loaded:
            check_groups(loaded["optimizer_states"], self.trainer.optimizers)

    def on_train_start(self) -> None:
        """Take the names of classes from a plain DataLoader's dataset, and let settings that the user has changed
        replace those of the optimizers' state.
        """
        if getattr(getattr(self.trainer, "datamodule", None), "classes", None) is None:
            found = (classes_in(getattr(loader, "dataset", None)) for loader in private.train_loaders(self.trainer))
            self.class_names = next(filter(None, found), self.class_names)
        if self._resumption.progress is not None:
            if self.trainer.is_global_zero:
                self._resumption.warn_of_other_devices(self.trainer.world_size)
            self._resumption.apply_settings(self.trainer.optimizers, self._schedulers, self.images_seen)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Restore the state of this process in a resumed run, after the loaders have drawn their seeds.

        Raises:
            InputError: The first batch of a run cannot be trained on.
        """
        if "training" not in self._checked_splits:
            self._check_first(batch, batch_idx, "training")
        if self._resumption.progress is None:
            return
        own = self._resumption.own_state(self.global_rank, self.trainer.world_size)
        if own is not None:
            self.load_own_state(own)
        else:  # another seed, so that no numbers repeat
            self._rng = process_generator(self.device, torch.initial_seed() + self.images_seen, self.global_rank)
        self._resumption.progress = None

    def _check_first(self, batch: Any, index: int, split: str) -> None:
        """Check the first batch of a split alone: the check waits for the device."""
        if split not in self._checked_splits:
            self._checked_splits.add(split)
            place = f"batch {index} of the {split} data"
            shape, medium = self.data_shape, self.medium
            check_first_batch(self.batch_of(batch), place, shape, medium, self.num_classes, self.pixels_only)

    def after_rollback(self) -> None:
        """Called when a run went back to a checkpoint: the user's settings stay, and so does the random state.

        With the random state of the checkpoint the run would repeat the same steps.
        """
        self._resumption.apply_settings(self.trainer.optimizers, self._schedulers, self.images_seen)
        own = self._resumption.own_state(self.global_rank, self.trainer.world_size)
        if own is not None:
            numbers = random_state(self.rng)
            self.load_own_state(own)
            set_random_state(self.rng, numbers)
        self._resumption.progress = None
        self.batch_images = 0
        self.zero_grad(set_to_none=True)

    # optimizers ----------------------------------------------------------------------------------------------------

    @property
    def trained(self) -> dict[str, nn.Module]:
        """The trained networks by name."""
        return {"model": self}

    @property
    def averaged(self) -> dict[str, nn.Module]:
        """The averages of trained networks by name."""
        return {}

    @property
    def _schedulers(self) -> Sequence[LRScheduler]:
        return [config.scheduler for config in self.trainer.lr_scheduler_configs]

    def make_optimizer(
        self, make: OptimizerCallable, parameters: Iterable[nn.Parameter], called: str = "the optimizer"
    ) -> Optimizer:
        """Make an optimizer; see `lightning_gen.training.make_optimizer`."""
        return optimizers.make_optimizer(make, parameters, called)

    def make_scheduler(self, make: LRSchedulerCallable, optimizer: Optimizer) -> LRScheduler:
        """Make a learning-rate scheduler; see `lightning_gen.training.make_scheduler`."""
        return optimizers.make_scheduler(make, optimizer)

    def lr_scheduler_step(self, scheduler: LRScheduler, metric: Any = None) -> None:
        """Step a scheduler after an update; see `lightning_gen.training.step_scheduler`."""
        optimizers.step_scheduler(scheduler, self.images_seen)

    # logging -------------------------------------------------------------------------------------------------------

    @property
    def logs_now(self) -> bool:
        """Whether this batch is logged: by the Trainer's ``log_every_n_steps``, and often at first; see `is_logged`."""
        every = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        logged = every > 0 and is_logged(private.batches_counted(self.trainer) + 1, every)
        return logged and not private.accumulates(self.trainer)

    def log(self, *args: Any, **kwargs: Any) -> None:
        """Log a value as Lightning does, and note it: metrics are collected only after batches that logged some."""
        self.has_logged = True
        super().log(*args, **kwargs)

    def report(self, values: dict[str, Tensor | float], **options: Any) -> None:
        """Log values on the axis of images; detached tensors stay on the device.

        Args:
            values: Names and scalars.
            options: Passed on to Lightning's ``log_dict``.
        """
        detached = {k: v.detach() if isinstance(v, Tensor) else v for k, v in values.items()}
        self._axis.follow(self.trainer, self)
        self.log_dict(detached, batch_size=1, **options)

    def report_update(self, others: dict[str, Tensor | float] | None = None) -> None:
        """Log the `latest_metrics`, and others that are known for this update alone."""
        self._reported_images = self.images_seen
        self.report({**self.latest_metrics(), **(others or {})})

    def latest_metrics(self) -> dict[str, Tensor | float]:
        """What every update has to log, of the latest one: losses, terms and learning rates; empty before the first.

        Returns:
            Names, and numbers or detached scalars on the device.
        """
        return {}

    def on_train_end(self) -> None:
        """Log the last update, unless its batch was logged."""
        every = self.trainer.log_every_n_steps  # type: ignore[attr-defined]
        if every == 0 or self._reported_images == self.images_seen:
            return
        values = {name: float(value) for name, value in self.latest_metrics().items()}
        self.trainer.callback_metrics.update({name: torch.tensor(value) for name, value in values.items()})
        for logger in self.trainer.loggers if values else ():
            logger.log_metrics(values, step=self.images_seen)
            logger.save()

    # evaluation ----------------------------------------------------------------------------------------------------

    @abstractmethod
    def evaluation_step(self, batch: Batch) -> dict[str, Tensor]:
        """Metrics of a held-out batch: scalars, which the caller averages over the split."""

    def evaluation_start(self) -> None:
        """Begin a split; the previous one may have been left in the middle.

        Every split uses the same random numbers, so that metrics can be compared; each process has its own.
        """
        self.evaluation_rng = torch.Generator(self.device).manual_seed(EVALUATION_SEED + self.global_rank)

    def evaluation_end(self) -> dict[str, Tensor]:
        """Metrics of the whole split, equal on all devices."""
        return {}

    def on_validation_epoch_start(self) -> None:
        """Begin the validation split."""
        self.evaluation_start()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Log the metrics of a batch of the validation split."""
        self._check_first(batch, batch_idx, "validation")
        self._evaluate(self.batch_of(batch), "val")

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the whole validation split."""
        self._report_all("val")

    def on_test_epoch_start(self) -> None:
        """Begin the test split."""
        self.evaluation_start()

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Log the metrics of a batch of the test split."""
        self._check_first(batch, batch_idx, "test")
        self._evaluate(self.batch_of(batch), "test")

    def on_test_epoch_end(self) -> None:
        """Log the metrics of the test split."""
        self._report_all("test")

    def _evaluate(self, batch: Batch, stage: str) -> None:
        metrics = self.evaluation_step(batch)
        self.log_dict({f"{stage}/{k}": v for k, v in metrics.items()}, batch_size=len(batch.x), sync_dist=True)

    def _report_all(self, stage: str) -> None:
        self.report({f"{stage}/{k}": v for k, v in self.evaluation_end().items()}, sync_dist=True)
