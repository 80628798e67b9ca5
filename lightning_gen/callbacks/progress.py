"""One progress bar for the whole run, in images; plain lines if the output is no terminal."""

import sys
import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from lightning_gen.callbacks.lengths import MaxImages
from lightning_gen.terminal import printable, say
from lightning_gen.training.module import GenerativeModule

REFRESH_SECONDS = 0.5
LINE_SECONDS = 10.0


class ImageProgress(ProgressBar):
    """Shows the number of images that are trained, the losses and the speed.

    On a terminal it is one bar for all epochs; otherwise a plain line every ten seconds, without control characters.
    The length of the run is that of `MaxImages` among the Trainer's callbacks, or the Trainer's own in epochs.
    """

    def __init__(self) -> None:
        super().__init__()
        self._enabled = True
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._shown = 0.0
        self._start = (0.0, 0)
        self._latest = 0

    def disable(self) -> None:
        """Show nothing, as all processes but the first do."""
        self._enabled = False

    def enable(self) -> None:
        """Show again."""
        self._enabled = True

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Print above the bar."""
        if self._bar is not None:
            self._bar.console.print(*args)
        elif self._enabled:
            print(*args)

    # training ------------------------------------------------------------------------------------------------------

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar."""
        self._open(trainer, "images", self._total(trainer, pl_module))
        self._start = (time.perf_counter(), seen(pl_module))
        self._shown, self._latest = time.monotonic(), seen(pl_module)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Move the bar, a few times a second at most."""
        if self._due():
            self._advance(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the final count, and close the bar."""
        if self._enabled and seen(pl_module) > self._latest:
            self._advance(trainer, pl_module)
        self._close()

    def _advance(self, trainer: Trainer, pl_module: LightningModule) -> None:
        done, total = seen(pl_module), self._total(trainer, pl_module)
        self._latest = done
        speed = f"{(done - self._start[1]) / (time.perf_counter() - self._start[0]):,.0f} images/s"
        text = "  ".join(filter(None, (losses(trainer), speed)))
        self._show("images", done, None if total is None else max(done, total), text)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Close the bar."""
        self._close()

    # validate, test, predict ---------------------------------------------------------------------------------------

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open a bar of batches; inside a fit the run's own bar stays."""
        if trainer.state.fn != "fit":
            self._open(trainer, "batches", None)

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Move the bar of batches."""
        if trainer.state.fn != "fit" and self._due():
            self._show("batches", args[2] + 1, None, "")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the bar of batches."""
        if trainer.state.fn != "fit":
            self._close()

    on_test_start = on_predict_start = on_validation_start
    on_test_batch_end = on_predict_batch_end = on_validation_batch_end  # type: ignore[assignment]
    on_test_end = on_predict_end = on_validation_end

    # display -------------------------------------------------------------------------------------------------------

    def _total(self, trainer: Trainer, pl_module: LightningModule) -> int | None:
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, MaxImages):
                return callback.max_images
        images = pl_module.batch_images if isinstance(pl_module, GenerativeModule) else 0
        if images and trainer.max_epochs and trainer.max_epochs > 0:
            return int(trainer.max_epochs * trainer.num_training_batches * images)
        return None

    def _open(self, trainer: Trainer, unit: str, total: int | None) -> None:
        console = Console(stderr=True)
        if self._enabled and sys.stderr.isatty():  # with FORCE_COLOR rich would also treat a file as a terminal
            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[unit]}"), TimeRemainingColumn())
            self._bar = Progress(*columns, TextColumn("{task.fields[text]}"), console=console, refresh_per_second=4)
            self._task = self._bar.add_task("", total=total, unit=unit, text="")
            self._bar.start()

    def _due(self) -> bool:
        wait = REFRESH_SECONDS if self._bar is not None else LINE_SECONDS
        now = time.monotonic()
        if not self._enabled or now - self._shown < wait:
            return False
        self._shown = now
        return True

    def _show(self, unit: str, done: int, total: int | None, text: str) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, text=text)
        else:
            of = f" of {total:,}" if total is not None else ""
            say(f"{done:,}{of} {unit}  {text}".rstrip(), sys.stderr)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def seen(module: LightningModule) -> int:
    """The images that a module has counted."""
    return module.images_seen if isinstance(module, GenerativeModule) else 0


def losses(trainer: Trainer) -> str:
    """The latest logged losses, as text."""
    values = {k: v for k, v in trainer.callback_metrics.items() if k.startswith("train/") and k.endswith("loss")}
    return "  ".join(f"{printable(k.removeprefix('train/'))} {float(v):.3f}" for k, v in values.items())
