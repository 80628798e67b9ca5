"""Lengths and intervals in images, which do not depend on the batch size, discriminator updates or devices."""

import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from lightning_gen import private
from lightning_gen.errors import InputError
from lightning_gen.records import Batch
from lightning_gen.training.module import GenerativeModule


def counted(module: LightningModule) -> GenerativeModule:
    """The module as a `GenerativeModule`, which counts images.

    Raises:
        InputError: It is not one.
    """
    if not isinstance(module, GenerativeModule):
        raise InputError(
            f"{type(module).__name__} does not count images: derive it from lightning_gen.GenerativeModule, or use "
            "Trainer(max_epochs=...) and Lightning's own callbacks"
        )
    return module


def require_images(name: str, value: int) -> int:
    """Check a count of images.

    Raises:
        InputError: It is below 1.
    """
    if value < 1:
        raise InputError(f"{name} must be at least 1 image, not {value}")
    return value


def images_of(batch: Any, trainer: Trainer, module: LightningModule) -> int:
    """The images of a training batch that are counted, over all devices."""
    return len(Batch.unpacked(batch).x) * trainer.world_size // getattr(module, "batches_at_once", 1)


class MaxImages(Callback):
    """Ends training after a number of images, over all devices and with the earlier images of a resumed run.

    Use it with ``Trainer(max_epochs=-1)``; the Trainer's other limits apply too, whichever comes first. The last update
    is completed, so the count may pass the limit by less than the images of an update.

    Args:
        max_images: The length of the run in images, at least 1.

    Raises:
        InputError: `max_images` is below 1.
    """

    def __init__(self, max_images: int) -> None:
        self.max_images = require_images("max_images", max_images)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do not start a run whose length is reached already."""
        self._stop(trainer, counted(pl_module))

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Stop when the length is reached."""
        self._stop(trainer, counted(pl_module))

    def _stop(self, trainer: Trainer, module: GenerativeModule) -> None:
        reached = module.images_seen >= self.max_images and not private.accumulates(trainer)
        trainer.should_stop = trainer.should_stop or reached


class LogEveryImages(Callback):
    """Sets the Trainer's ``log_every_n_steps`` to a number of images.

    Args:
        every_images: Images between two logged batches, at least 1; less than a batch logs every batch.

    Raises:
        InputError: `every_images` is below 1.
    """

    def __init__(self, every_images: int) -> None:
        self.every_images = require_images("log_every_images", every_images)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Convert images to updates, by the size of the batch."""
        images = images_of(batch, trainer, pl_module) * trainer.accumulate_grad_batches
        trainer.log_every_n_steps = max(1, self.every_images // images)  # type: ignore[attr-defined]


class Throughput(Callback):
    """Logs the training speed as ``train/images_per_second``, over all devices, between two logged batches.

    The time of validation and of `Fidelity` between them is left out; the images of batches that a rollback undid are
    counted.
    """

    def __init__(self) -> None:
        self._images = 0
        self._since: tuple[float, int] | None = None
        self._paused = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget an earlier run."""
        self._since = None

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Count the batch, and log the images per second since the last time."""
        module = counted(pl_module)
        self._images += module.batch_images
        if not module.logs_now:
            return
        now = (time.perf_counter(), self._images)
        if self._since is not None:
            seconds, images = now[0] - self._since[0], now[1] - self._since[1]
            module.report({"train/images_per_second": images / seconds})
        self._since = now

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock."""
        self._paused = time.perf_counter()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock again."""
        self.leave_out(time.perf_counter() - self._paused)

    def leave_out(self, seconds: float) -> None:
        """Leave out the time of something else than training."""
        if self._since is not None:
            self._since = (self._since[0] + seconds, self._since[1])
