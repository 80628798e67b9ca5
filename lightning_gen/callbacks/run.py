"""A run's folder: its configuration at the start, its settings and where everything is at the end."""

import os
import shlex
import shutil
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from torch.utils.tensorboard.summary import hparams as summaries

from lightning_gen import private
from lightning_gen.callbacks.event_files import keep_folders
from lightning_gen.callbacks.lengths import MaxImages, counted
from lightning_gen.callbacks.samples import SampleGrid
from lightning_gen.checkpoint import Described, as_config, foreign_modules, read
from lightning_gen.data import DataModule
from lightning_gen.errors import InputError
from lightning_gen.files import hold_folder, replacing
from lightning_gen.terminal import say

CONFIG = "config.yaml"
"""What the configuration of a run is called in its folder."""


def tensorboards(trainer: Trainer) -> list[TensorBoardLogger]:
    """The TensorBoard loggers of a Trainer; none in the processes that do not write."""
    loggers = trainer.loggers if trainer.is_global_zero else []
    return [logger for logger in loggers if isinstance(logger, TensorBoardLogger)]


def hide_after(trainer: Trainer, images: int) -> None:
    """Let TensorBoard show nothing of what was written so far about more images than these."""
    for logger in tensorboards(trainer):
        start = SessionLog(status=SessionLog.START)
        logger.experiment.file_writer.add_event(Event(step=images + 1, session_log=start))


class Unwritten:
    """Stands for a writer to TensorBoard before there is anything to write: takes each call and does nothing."""

    def __getattr__(self, name: str) -> "Unwritten":
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""


class RunLogger(TensorBoardLogger):
    """TensorBoard's logger without the ``hparams.yaml`` beside it: the run's ``config.yaml`` says it all.

    Attributes:
        begun: Whether there is something to write. Lightning asks for the writer, which makes a folder and a file,
            before it looks at the data; a run that is refused then leaves neither.
    """

    begun = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        keep_folders()
        super().__init__(*args, **kwargs)

    @property
    def experiment(self) -> Any:
        """The writer."""
        return super().experiment if self.begun else Unwritten()

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write figures.

        Raises:
            OSError: They cannot be written; Lightning blames the figure.
        """
        try:
            super().log_metrics(metrics, step)
        except ValueError as error:
            if isinstance(error.__cause__, OSError):
                raise error.__cause__ from None
            raise

    @rank_zero_only
    def save(self) -> None:
        """Write what is still in memory."""
        self.experiment.flush()


def leave_to_caller(failed: threading.ExceptHookArgs) -> None:
    """Say nothing where TensorBoard's writing thread fails, as on a full disk: the next figure raises its error again.

    To be put in the place of ``threading.excepthook``.
    """
    if not private.writes_events(failed.thread):
        threading.__excepthook__(failed)


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
    """Writes the run's configuration once it has trained on a batch, and its settings, as HPARAMS, when it ends.

    Nothing is written before, so that a mistake leaves nothing behind and takes nothing away. The folder is this
    process's alone as long as it trains.

    Args:
        folder: The run's folder; ``config.yaml`` goes there.
        config: The whole configuration as YAML; it also goes to TensorBoard as text.
    """

    def __init__(self, folder: str | Path, config: str) -> None:
        self.folder = Path(folder)
        self.config = config
        self._found = text_of(self.path)
        self._images = 0
        self._lock: IO[bytes] | None = None
        self._begun = False

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / CONFIG

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note where the run begins."""
        self._begun, self._images = False, counted(pl_module).images_seen

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Begin the folder after the first batch."""
        if not self._begun:
            self._begin(trainer)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Write the configuration again where somebody has removed the folder: a run is not lost by that."""
        if self._begun and trainer.is_global_zero and not self.path.exists():
            say(f"{self.folder} was removed while the run trains: it is written again", sys.stderr)
            self._write()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the settings, so that TensorBoard can show them beside the latest value of every figure."""
        if not self._begun:  # nothing was left to train
            self._begin(trainer)
        settings = flat(as_config(dict(pl_module.hparams))["init_args"])
        data = trainer.datamodule  # type: ignore[attr-defined]
        if isinstance(data, Described):
            settings |= flat({"data": as_config(dict(data.hparams))})
        # a list of columns is left out: TensorBoard takes that of one run for all, and finds them by itself otherwise
        _, start, end = summaries(settings, {})
        for logger in tensorboards(trainer):
            for summary in (start, end):
                logger.experiment.file_writer.add_summary(summary)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Let go of the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Let go of the folder."""
        self.teardown(trainer, pl_module, "fit")

    def _begin(self, trainer: Trainer) -> None:
        """Take the folder and write the configuration.

        Raises:
            InputError: Another process has begun a run there meanwhile.
        """
        self._begun = True
        if trainer.is_global_zero:
            self._lock = hold_folder(self.folder)
            if text_of(self.path) != self._found:
                raise InputError(
                    f"another run was made in {self.folder} meanwhile: start again with a name of its own, "
                    f"--name {self.folder.name}-2"
                )
            set_aside(self.folder / "checkpoints" / "last.ckpt", trainer.ckpt_path, self._images)
            self._write()
            self._found = self.config
        for each in trainer.loggers:
            if isinstance(each, RunLogger):
                each.begun = True
        hide_after(trainer, self._images)  # what a run wrote after the checkpoint that is resumed
        for logger in tensorboards(trainer):
            logger.experiment.add_text("config", "    " + self.config.replace("\n", "\n    "))

    def _write(self) -> None:
        with replacing(self.path) as file:
            file.write(self.config.encode())


def text_of(path: Path) -> str | None:
    """The text of a file; None where there is none."""
    return path.read_text() if path.is_file() else None


def set_aside(last: Path, resumed: str | os.PathLike[str] | None, images: int) -> None:
    """Keep the last state of a run that goes on from an earlier one: its file is about to be written anew.

    Args:
        last: The file.
        resumed: What the run goes on from; None where it starts.
        images: Images seen there.
    """
    if not last.is_file() or (resumed is not None and last.samefile(resumed)):
        return
    later = read(last)["lightning_gen"]["images_seen"]
    if later > images:
        kept = last.with_name(f"last-{later:09d}.ckpt")
        last.rename(kept)
        say(f"{last} has {later:,} images and the run goes on from {images:,}: it is kept as {kept}", sys.stderr)


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
            say("\n".join(self._opening(trainer, pl_module)))

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
        lengths = [callback.max_images for callback in trainer.callbacks if isinstance(callback, MaxImages)]  # type: ignore[attr-defined]
        lines += module.summary(min(lengths, default=None))
        return lines + ([f"going on after {module.images_seen:,} images"] if module.images_seen else [])

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print."""
        if trainer.is_global_zero:
            say("\n".join(self._lines(trainer, pl_module)))

    def _lines(self, trainer: Trainer, pl_module: LightningModule) -> list[str]:
        seconds = time.perf_counter() - self._start[0]
        images = counted(pl_module).images_seen - self._start[1]
        last = self.folder / "checkpoints" / "last.ckpt"
        grids = [callback for callback in trainer.callbacks if isinstance(callback, SampleGrid)]  # type: ignore[attr-defined]
        pictures = [path for grid in grids for path in grid.latest]
        commands = ["evaluate"] if counted(pl_module).reconstructs else []
        commands += ["sample"] if counted(pl_module).has_prior else []
        done = counted(pl_module).images_seen
        if not images:
            return ["", f"Nothing was left to train: the run has {done:,} images, raise --max_images to go on."]
        lines = ["", f"Trained on {images:,} images in {int(seconds) // 60} min {int(seconds) % 60:02d} s."]
        lines += [f"  pictures     {path}" for path in pictures]
        lines += [f"  checkpoint   {last}"] if last.exists() else []
        lines += [f"  TensorBoard  {self.folder}"] if tensorboards(trainer) else []
        lines += ["", "Next:"]
        lines += [f"  {command_line([command, str(last)], pl_module)}" for command in commands if last.exists()]
        lines += [f"  {python()} -m tensorboard.main --logdir {self.folder.parent}"] if tensorboards(trainer) else []
        return lines


def command_line(words: Sequence[str], module: LightningModule) -> str:
    """A command of the package on a checkpoint of a module, as it is typed in this folder."""
    own = [word for name in foreign_modules(dict(module.hparams)) for word in ("--import", name)]
    return f"{python()} -m lightning_gen {shlex.join([*words, *own])}"


def python() -> str:
    """How the running Python is called from this folder: ``python`` where that is it, else by its path."""
    found = shutil.which("python")
    if found is not None and Path(found).absolute() == Path(sys.executable).absolute():
        return "python"
    try:
        return os.fspath(Path(sys.executable).relative_to(Path.cwd()))
    except ValueError:
        return shlex.quote(sys.executable)
