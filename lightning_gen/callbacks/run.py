"""A run's folder: its configuration at the start, its settings and where everything is at the end."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from torch.utils.tensorboard.summary import hparams as summaries

from lightning_gen.callbacks.lengths import MaxImages, counted
from lightning_gen.callbacks.objective import objective_lines
from lightning_gen.callbacks.samples import SampleGrid
from lightning_gen.checkpoint import Described, as_config, foreign_modules
from lightning_gen.data import DataModule
from lightning_gen.modules import Autoencoder


def tensorboards(trainer: Trainer) -> list[TensorBoardLogger]:
    """The TensorBoard loggers of a Trainer; none in the processes that do not write."""
    loggers = trainer.loggers if trainer.is_global_zero else []
    return [logger for logger in loggers if isinstance(logger, TensorBoardLogger)]


def hide_after(trainer: Trainer, images: int) -> None:
    """Let TensorBoard show nothing of what was written so far about more images than these."""
    for logger in tensorboards(trainer):
        start = SessionLog(status=SessionLog.START)
        logger.experiment.file_writer.add_event(Event(step=images + 1, session_log=start))


class RunLogger(TensorBoardLogger):
    """TensorBoard's logger without the ``hparams.yaml`` beside it: the run's ``config.yaml`` says it all."""

    @rank_zero_only
    def save(self) -> None:
        """Write what is still in memory."""
        self.experiment.flush()


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as ``{"generator": "DCGANGenerator", "generator.width": 32}``, without those that are not set."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}".removesuffix(".class_path").replace("init_args.", "")
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        elif key == "class_path":
            found[name] = value.rsplit(".")[-1]
        elif value is not None:
            found[name] = value if isinstance(value, (bool, int, float, str)) else str(value)
    return found


class RunFolder(Callback):
    """Writes the run's configuration when training starts, and its settings, as HPARAMS, when it ends.

    Nothing is written before the first batch could be trained on, so a mistake leaves no folder behind.

    Args:
        folder: The run's folder; ``config.yaml`` goes there.
        config: The whole configuration as YAML; it also goes to TensorBoard as text.

    Attributes:
        started: Whether training has started.
    """

    def __init__(self, folder: str | Path, config: str) -> None:
        self.folder = Path(folder)
        self.config = config
        self.started = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the configuration."""
        self.started = True
        if not trainer.is_global_zero:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "config.yaml").write_text(self.config)
        hide_after(trainer, counted(pl_module).images_seen)  # what a run wrote after the checkpoint that is resumed
        for logger in tensorboards(trainer):
            logger.experiment.add_text("config", "    " + self.config.replace("\n", "\n    "))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the settings, so that TensorBoard can show them beside the latest value of every figure."""
        settings = flat(as_config(dict(pl_module.hparams))["init_args"])
        data = trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(data, Described):
            settings |= flat({"data": as_config(dict(data.hparams))})
        # a list of columns is left out: TensorBoard takes that of one run for all, and finds them by itself otherwise
        _, start, end = summaries(settings, {})
        for logger in tensorboards(trainer):
            for summary in (start, end):
                logger.experiment.file_writer.add_summary(summary)


class Report(Callback):
    """Prints, when training has ended, where everything is and what to type next.

    Args:
        folder: The run's folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._start = (0.0, 0)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what is trained, on what and where."""
        self._start = (time.perf_counter(), counted(pl_module).images_seen)
        if trainer.is_global_zero:
            print("\n".join(self._opening(trainer, pl_module)), flush=True)

    def _opening(self, trainer: Trainer, pl_module: LightningModule) -> list[str]:
        module, data = counted(pl_module), trainer.datamodule  # type: ignore[attr-defined]
        sizes = {
            name: sum(p.numel() for p in child.parameters() if p.requires_grad)
            for name, child in module.named_children()
        }
        parts = ", ".join(f"{name} {size:,}" for name, size in sizes.items() if size)
        shape = " x ".join(map(str, module.data_shape))
        count = f"{len(data.train_set):,} training samples of " if hasattr(data, "train_set") else ""
        lines = [
            f"{type(module).__name__}: {parts} parameters",
            f"{type(data).__name__}: {count}{shape}",
            *(data.contents() if isinstance(data, DataModule) else []),
            f"{self.folder}: on {trainer.world_size} x {module.device.type}, {trainer.precision}",
        ]
        if isinstance(module, Autoencoder):
            lengths = [callback.max_images for callback in trainer.callbacks if isinstance(callback, MaxImages)]  # type: ignore[attr-defined]
            lines += objective_lines(module, min(lengths, default=None))
        return lines + ([f"going on after {module.images_seen:,} images"] if module.images_seen else [])

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print."""
        if trainer.is_global_zero:
            print("\n".join(self._lines(trainer, pl_module)), flush=True)

    def _lines(self, trainer: Trainer, pl_module: LightningModule) -> list[str]:
        seconds = time.perf_counter() - self._start[0]
        images = counted(pl_module).images_seen - self._start[1]
        last = self.folder / "checkpoints" / "last.ckpt"
        grids = [callback for callback in trainer.callbacks if isinstance(callback, SampleGrid)]  # type: ignore[attr-defined]
        pictures = [path for grid in grids for path in grid.latest]
        python = command()
        verbs = ["evaluate"] if isinstance(pl_module, Autoencoder) else []
        verbs += ["sample"] if counted(pl_module).has_prior else []
        done = counted(pl_module).images_seen
        if not images:
            return ["", f"Nothing was left to train: the run has {done:,} images, raise --max_images to go on."]
        lines = ["", f"Trained on {images:,} images in {int(seconds) // 60} min {int(seconds) % 60:02d} s."]
        lines += [f"  pictures     {path}" for path in pictures]
        lines += [f"  checkpoint   {last}"] if last.exists() else []
        lines += [f"  TensorBoard  {self.folder}"] if tensorboards(trainer) else []
        lines += ["", "Next:"]
        own = "".join(f" --import {name}" for name in foreign_modules(dict(pl_module.hparams)))
        lines += [f"  {python} -m lightning_gen {verb} {last}{own}" for verb in verbs if last.exists()]
        lines += [f"  {python} -m tensorboard.main --logdir {self.folder.parent}"] if tensorboards(trainer) else []
        return lines


def command() -> str:
    """How the running Python is called from this folder: by its path where it is below it, else ``python``."""
    try:
        return os.fspath(Path(sys.executable).relative_to(Path.cwd()))
    except ValueError:
        return "python"
