"""The x-axis of every logger: images."""

from collections.abc import Callable
from typing import Any

from lightning.pytorch import Trainer

from lightning_gen import private


class ImageAxis:
    """Sets the number of images as the step of the metrics that are logged next.

    Lightning would take it from a logged metric called `step`. But callbacks see every logged metric, and
    ModelCheckpoint would use this one instead of the optimizer steps in its file names. Several checkpoints can have
    the same number of images, so they would overwrite each other.
    """

    def __init__(self) -> None:
        self._images: int | None = None
        self._trainer: Trainer | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_images": self._images, "_trainer": None}  # a copy of a module has no Trainer

    def put(self, trainer: Trainer, images: int) -> None:
        """Log the next metrics at this number of images."""
        self._images = images
        if self._trainer is not trainer:
            self._trainer = trainer
            private.replace_log_metrics(trainer, self._log)

    def _log(self, log: Callable[..., None], metrics: dict[str, Any], step: int | None) -> None:
        if step is None:
            images, self._images = self._images, None
            step = None if "step" in metrics else images  # there the user says where
        log(metrics, step)
