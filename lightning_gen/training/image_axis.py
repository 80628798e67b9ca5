"""The x-axis of every logger: images."""

from collections.abc import Callable
from typing import Any

from lightning.pytorch import Trainer

from lightning_gen import private


class ImageAxis:
    """Tells the loggers at how many images the figures stand that are logged next.

    Lightning's own way is a figure called `step` among them. But each logged figure is a metric for callbacks too, and
    ModelCheckpoint would put this one in the place of the optimizers' steps in the names of its files, where it is the
    same for several of them: states would overwrite each other.
    """

    def __init__(self) -> None:
        self._images: int | None = None
        self._trainer: Trainer | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_images": self._images, "_trainer": None}  # a copy of a module has no Trainer

    def put(self, trainer: Trainer, images: int) -> None:
        """Let what is logged next stand at so many images."""
        self._images = images
        if self._trainer is not trainer:
            self._trainer = trainer
            private.replace_log_metrics(trainer, self._log)

    def _log(self, log: Callable[..., None], metrics: dict[str, Any], step: int | None) -> None:
        if step is None:
            images, self._images = self._images, None
            step = None if "step" in metrics else images  # there the user says where
        log(metrics, step)
