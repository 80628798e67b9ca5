"""When a Trainer logs a batch, and where: more often at the start of a run, on an axis of images."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import Logger

from lightning_gen import private


class Counting(Protocol):
    """A module that counts images."""

    images_seen: int
    has_logged: bool

    @property
    def logs_now(self) -> bool:
        """Whether the current batch is logged."""


def is_logged(batch: int, every: int) -> bool:
    """Whether a batch is logged: every `every`-th, and before the first of these the 1st, 2nd, 4th, 8th and so on.

    So a run shows a loss at once, and its curves begin where they change fastest.

    Args:
        batch: Number of the batch in the run, from 1.
        every: Interval of the logged batches, at least 1.
    """
    return batch % every == 0 or (batch < every and batch & (batch - 1) == 0)


def is_shown(name: str) -> bool:
    """Whether a logged value is a loss of the training, which displays of the progress show."""
    return name.startswith("train/") and name.endswith("loss")


class ImageAxis:
    """Sets the number of images as the step of all that a Trainer and its callbacks log, and logs when the module says.

    Lightning would take the step from a logged metric called `step`. But callbacks see every logged metric, and
    ModelCheckpoint would use this one instead of the optimizer steps in its file names. Several checkpoints can have
    the same number of images, so they would overwrite each other.

    Callbacks such as LearningRateMonitor write to the loggers themselves, at Lightning's number of batches: during
    training that number is replaced too.
    """

    def __init__(self) -> None:
        self._trainer: Trainer | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_trainer": None}  # a copy of a module has no Trainer

    def follow(self, trainer: Trainer, module: Counting) -> None:
        """Let a Trainer log as the module says; a second call for the same Trainer does nothing."""
        if self._trainer is trainer:
            return
        self._trainer = trainer

        def log(original: Callable[..., None], metrics: dict[str, Any], step: int | None) -> None:
            at = None if "step" in metrics else module.images_seen  # with a metric `step` the user says where
            original(metrics, at if step is None else step)
            shown = {name: float(value) for name, value in metrics.items() if is_shown(name)}
            trainer.progress_bar_metrics.update(shown)

        private.replace_log_metrics(trainer, log)

        def logged() -> bool:
            found, module.has_logged = module.has_logged, False
            return found

        private.collect_only_if(trainer, logged)
        private.replace_log_rule(trainer, lambda lightnings: module.logs_now if trainer.training else lightnings)
        for logger in trainer.loggers:
            at_images(logger, trainer, module)


def at_images(logger: Logger, trainer: Trainer, module: Counting) -> None:
    """Let a logger replace Lightning's number of batches by the number of images, while a Trainer trains."""
    original = type(logger).log_metrics.__get__(logger)

    def log_metrics(metrics: Mapping[str, float], step: int | None = None) -> None:
        counted = trainer.training and step == private.batches_counted(trainer)
        original(metrics=metrics, step=module.images_seen if counted else step)

    logger.log_metrics = log_metrics  # type: ignore[method-assign]
