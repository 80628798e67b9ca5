"""One progress bar for the whole run, in samples; plain lines if the output is no terminal."""

import math
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text
from torch import Tensor

from lightning_gen.callbacks.lengths import MaxImages
from lightning_gen.terminal import printable, say
from lightning_gen.training.image_axis import is_shown
from lightning_gen.training.module import GenerativeModule

REFRESH_SECONDS = 0.5
LINE_SECONDS = 10.0
ONE = {"batches": "batch", "series": "series"}
"""The words for one of what is counted, where they are not the plural without its last letter."""


class HostCopy:
    """Scalars on their way from the device to the host, which does not wait for them.

    Args:
        values: Names and scalars, on the device or on the host.
    """

    def __init__(self, values: Mapping[str, Tensor | float]) -> None:
        self._names = list(values)
        device = next((value.device for value in values.values() if isinstance(value, Tensor)), None)
        scalars = [torch.as_tensor(value, device=device).detach().float() for value in values.values()]
        stacked = torch.stack(scalars) if scalars else torch.empty(0)
        self._copy = stacked.to("cpu", non_blocking=stacked.is_cuda)
        self._event = torch.cuda.Event() if stacked.is_cuda else None
        if self._event is not None:
            self._event.record()

    @property
    def arrived(self) -> bool:
        """Whether the host has them."""
        return self._event is None or self._event.query()

    def values(self) -> dict[str, float]:
        """Names and numbers; waits until the host has them."""
        if self._event is not None:
            self._event.synchronize()
        return dict(zip(self._names, self._copy.tolist(), strict=True))


class Bar(Progress):
    """A bar, with a line of text below it, so that the text takes no width from the counts.

    Attributes:
        text: The line; none if it is empty.
    """

    text = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bar and the line."""
        yield from super().get_renderables()
        if self.text:
            yield Text(self.text, no_wrap=True, overflow="ellipsis")


class ImageProgress(ProgressBar):
    """Shows the number of samples that are trained, such as images, the losses of the latest update and the speed.

    On a terminal it is one bar for all epochs; otherwise a plain line after the first batch and then every ten seconds,
    without control characters. The length of the run is that of `MaxImages` among the Trainer's callbacks, or the
    Trainer's own in epochs.
    """

    def __init__(self) -> None:
        super().__init__()
        self._enabled = True
        self._bar: Bar | None = None
        self._task = TaskID(0)
        self._shown = 0.0
        self._start = (0.0, 0)
        self._latest = 0
        self._losses: HostCopy | None = None

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
        self._open(trainer, noun(pl_module), self._total(trainer, pl_module))
        self._start = (time.perf_counter(), seen(pl_module))
        self._shown, self._latest, self._losses = -math.inf, seen(pl_module), None

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Move the bar, a few times a second at most, once the losses have come from the device."""
        if self._losses is None and self._due():
            self._losses = losses(trainer, pl_module)
        if self._losses is not None and self._losses.arrived:
            self._advance(trainer, pl_module, self._losses)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the final count, and close the bar."""
        if self._enabled and seen(pl_module) > self._latest:
            self._advance(trainer, pl_module, losses(trainer, pl_module))
        self._close()

    def _advance(self, trainer: Trainer, pl_module: LightningModule, copied: HostCopy) -> None:
        done, total = seen(pl_module), self._total(trainer, pl_module)
        self._latest, self._losses = done, None
        shown = [f"{printable(name.removeprefix('train/'))} {value:.3f}" for name, value in copied.values().items()]
        unit, passed = noun(pl_module), time.perf_counter() - self._start[0]
        speed = f"{(done - self._start[1]) / passed:,.0f} {unit}/s"
        self._show(unit, done, None if total is None else max(done, total), "  ".join([*shown, speed]))

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
        batches = trainer.num_training_batches  # infinite for data without a length
        if images and trainer.max_epochs and trainer.max_epochs > 0 and math.isfinite(batches):
            return int(trainer.max_epochs * batches * images)
        return None

    def _open(self, trainer: Trainer, unit: str, total: int | None) -> None:
        console = Console(stderr=True)
        if self._enabled and sys.stderr.isatty():  # with FORCE_COLOR rich would also treat a file as a terminal
            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[unit]}"), TimeRemainingColumn())
            self._bar = Bar(*columns, console=console, refresh_per_second=4)
            self._task = self._bar.add_task("", total=total, unit=unit)
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
            self._bar.text = text
            self._bar.update(self._task, completed=done, total=total)
        else:
            of = f" of {total:,}" if total is not None else ""
            say(f"{done:,}{of} {unit if done != 1 or of else ONE.get(unit, unit[:-1])}  {text}".rstrip(), sys.stderr)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def seen(module: LightningModule) -> int:
    """The images that a module has counted."""
    return module.images_seen if isinstance(module, GenerativeModule) else 0


def noun(module: LightningModule) -> str:
    """What the samples of a module are, in the plural."""
    return module.medium.noun if isinstance(module, GenerativeModule) else "images"


def losses(trainer: Trainer, module: LightningModule) -> HostCopy:
    """The losses of the latest update; for a module that does not keep them, those that were logged last."""
    latest = module.latest_metrics() if isinstance(module, GenerativeModule) else {}
    found = {name: value for name, value in (latest or trainer.callback_metrics).items() if is_shown(name)}
    return HostCopy(found)
