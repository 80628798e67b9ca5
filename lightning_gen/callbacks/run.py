"""A run's folder: its configuration, its settings in TensorBoard, and the report at the end."""

import math
import os
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import yaml
from lightning.fabric.utilities.data import sized_len
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from lightning_gen.callbacks.command_lines import command_line, python
from lightning_gen.callbacks.lengths import MaxImages, counted
from lightning_gen.callbacks.loggers import RunLogger, RunTable, hide_after, tensorboards
from lightning_gen.callbacks.sampler_fit import SamplerFit
from lightning_gen.callbacks.samples import SampleGrid
from lightning_gen.checkpoint import Described, as_config, read
from lightning_gen.data import DataModule
from lightning_gen.errors import InputError
from lightning_gen.files import hold_folder, replacing
from lightning_gen.terminal import say

CONFIG = "config.yaml"
"""File name of a run's configuration in its folder."""
VALIDATION = "val/"
"""The beginning of the names of metrics that validation logs."""
UNSET = "none"
"""The value of a setting that is not set. TensorBoard compares only values, so each run writes all of its settings."""
OF_THE_FOLDER = ("name", "runs_dir", "ckpt_path", "model", "data")
"""Entries of a configuration that are no settings, or are described by the module and the data themselves."""


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as ``{"generator": "DCGANGenerator", "generator.width": 32}``.

    A group of settings is one itself, the names in it, so that a run in which it is empty or not set differs.
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and "class_path" in value:
            found[name] = value["class_path"].rpartition(".")[2]
            found |= flat({**(value.get("init_args") or {}), **(value.get("dict_kwargs") or {})}, f"{name}.")
        elif isinstance(value, dict):
            found |= {name: ", ".join(map(str, value)) or UNSET, **flat(value, f"{name}.")}
        else:
            plain = isinstance(value, (bool, int, float, str))
            found[name] = UNSET if value is None else value if plain else str(value)
    return found


def settings(trainer: Trainer, module: LightningModule, config: str) -> dict[str, Any]:
    """All settings of a run, flat: those of the module, of its optimizers, of the data and of the run.

    Args:
        trainer: The Trainer.
        module: Its module.
        config: The configuration as YAML.
    """
    found = {"model": type(module).__name__, **flat(as_config(dict(module.hparams))["init_args"])}
    for name, optimizer in zip(counted(module).trained, trainer.optimizers, strict=False):
        place = f"{name}_optimizer" if f"{name}_optimizer" in found else "optimizer"
        numbers = {key: value for key, value in optimizer.defaults.items() if type(value) in (int, float)}
        pairs = {key: list(value) for key, value in optimizer.defaults.items() if isinstance(value, (tuple, list))}
        found |= {place: type(optimizer).__name__, **flat(numbers | pairs, f"{place}.")}
    data = trainer.datamodule  # type: ignore[attr-defined]
    if isinstance(data, Described):
        found |= flat({"data": as_config(dict(data.hparams))})
    run = yaml.safe_load(config)
    return found | flat({key: value for key, value in (run or {}).items() if key not in OF_THE_FOLDER})


class RunFolder(Callback):
    """Writes the run's configuration after its first batch, and its settings, as TensorBoard's HPARAMS, at its end.

    Nothing is written before, so a run that fails at the start creates and replaces no file. The folder is locked for
    other processes during training.

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
        """The path of the configuration."""
        return self.folder / CONFIG

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record the images at which the run begins."""
        self._begun, self._images = False, counted(pl_module).images_seen

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Write the configuration after the first batch."""
        if not self._begun:
            self._begin(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Write the configuration again if the folder was removed, so that the run is not lost."""
        if self._begun and trainer.is_global_zero and not self.path.exists():
            say(f"{self.folder} was removed during training: it is written again", sys.stderr)
            self._write()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the settings, so that TensorBoard shows them with the latest value of every metric."""
        from torch.utils.tensorboard.summary import hparams as summaries  # here: it takes long to import

        if not self._begun:  # there was nothing to train
            self._begin(trainer, pl_module)
        # without a list of columns: TensorBoard would use that of one run for all, and finds the columns by itself
        _, start, end = summaries(settings(trainer, pl_module, self.config), {})
        for logger in tensorboards(trainer):
            for summary in (start, end):
                logger.experiment.file_writer.add_summary(summary)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Unlock the folder."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Unlock the folder."""
        self.teardown(trainer, pl_module, "fit")

    def _begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lock the folder, and write the configuration there and to the loggers.

        Raises:
            InputError: Another process has begun a run there meanwhile.
        """
        self._begun = True
        if trainer.is_global_zero:
            self._lock = hold_folder(self.folder)
            if text_of(self.path) != self._found:
                raise InputError(f"another run was started in {self.folder} meanwhile: start again with another --name")
            noun = counted(pl_module).medium.noun
            set_aside(self.folder / "checkpoints" / "last.ckpt", trainer.ckpt_path, self._images, noun)
            self._write()
            self._found = self.config
        for each in trainer.loggers:
            if isinstance(each, (RunLogger, RunTable)):
                each.begun = True
            elif not isinstance(each, (TensorBoardLogger, CSVLogger)):
                each.log_hyperparams(settings(trainer, pl_module, self.config))
        hide_after(trainer, self._images)  # the values that a run logged after the checkpoint that is resumed
        for logger in tensorboards(trainer):
            logger.experiment.add_text("config", "    " + self.config.replace("\n", "\n    "))

    def _write(self) -> None:
        with replacing(self.path) as file:
            file.write(self.config.encode())


def text_of(path: Path) -> str | None:
    """The text of a file; None if it does not exist."""
    return path.read_text() if path.is_file() else None


def set_aside(last: Path, resumed: str | os.PathLike[str] | None, images: int, noun: str) -> None:
    """Rename the last state of a run that resumes from an earlier state, before its file is overwritten.

    Args:
        last: The file of the last state.
        resumed: The checkpoint from which the run resumes; None for a new run.
        images: Images seen in that checkpoint.
        noun: What they are, in the plural.
    """
    if not last.is_file() or (resumed is not None and last.samefile(resumed)):
        return
    later = read(last)["lightning_gen"]["images_seen"]
    if later > images:
        kept = last.with_name(f"last-{later:09d}.ckpt")
        last.rename(kept)
        say(f"{last} has {later:,} {noun} and the run resumes from {images:,}: it is kept as {kept}", sys.stderr)


class Report(Callback):
    """Prints the run's parts at its start, and its files and the next commands at its end.

    Args:
        folder: The run's folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._start = (0.0, 0)

    def on_sanity_check_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print what callbacks wait for in vain so far; that it never comes is known after the first validation.

        The module's own metric is missing only where there is no validation split, which is no mistake.
        """
        logged = {name for name in trainer.callback_metrics if name.startswith(VALIDATION)}
        known = {*logged, counted(pl_module).monitor}
        for callback in trainer.callbacks if trainer.is_global_zero else ():  # type: ignore[attr-defined]
            monitor = getattr(callback, "monitor", None) or ""
            if monitor.startswith(VALIDATION) and monitor not in known:
                say(
                    f"{type(callback).__name__} waits for '{monitor}', which the first batches of validation did not "
                    f"log: they logged {', '.join(sorted(logged)) or 'nothing'}",
                    sys.stderr,
                )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the networks, the data and the device."""
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
        known = sized_len(getattr(data, "train_set", None))
        count = "" if known is None else f"{known:,} training samples of "
        lines = [
            f"{type(module).__name__}, trained parameters: {parts}",
            f"{'data' if data is None else type(data).__name__}: {count}{shape}",
            *(data.contents() if isinstance(data, DataModule) else []),
            f"{self.folder}: on {trainer.world_size} x {module.device.type}, {trainer.precision}",
        ]
        if math.inf == trainer.num_training_batches == trainer.val_check_batch:
            lines.append(
                "the training data have no length: validation runs where they end, or with --trainer.val_check_interval"
                " 1000 every 1,000 batches"
            )
        lengths = [callback.max_images for callback in trainer.callbacks if isinstance(callback, MaxImages)]  # type: ignore[attr-defined]
        lines += module.summary(min(lengths, default=None))
        return lines + ([f"resuming after {module.images_seen:,} {module.medium.noun}"] if module.images_seen else [])

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the report."""
        if trainer.is_global_zero:
            say("\n".join(self._lines(trainer, pl_module)))

    def _lines(self, trainer: Trainer, pl_module: LightningModule) -> list[str]:
        module, callbacks = counted(pl_module), trainer.callbacks  # type: ignore[attr-defined]
        fits = [each for each in callbacks if isinstance(each, SamplerFit) and each.fitted]
        seconds = time.perf_counter() - self._start[0] - sum(each.seconds for each in fits)
        images = module.images_seen - self._start[1]
        last = self.folder / "checkpoints" / "last.ckpt"
        grids = [callback for callback in callbacks if isinstance(callback, SampleGrid)]
        image_files = [path for grid in grids for path in grid.latest]
        data = trainer.datamodule  # type: ignore[attr-defined]
        known = isinstance(data, DataModule) and sized_len(data.train_set) and sized_len(data.test_set)
        done, noun = module.images_seen, module.medium.noun
        if images:
            lines = ["", f"Trained on {images:,} {noun} in {minutes(seconds)}."]
        elif fits:
            lines = ["", f"There was nothing to train: the run has {done:,} {noun}."]
        else:
            return ["", f"There was nothing to train: the run has {done:,} {noun}, raise --max_images to train on."]
        stopped = [each for each in callbacks if isinstance(each, EarlyStopping) and each.stopped_epoch]
        lines += [f"  EarlyStopping ended it: {each.stopping_reason_message}" for each in stopped]
        lines += [f"Fitted {type(each.sampler).__name__} to the codes in {minutes(each.seconds)}." for each in fits]
        lines += [f"  images       {path}" for path in image_files]
        lines += [f"  checkpoint   {last}"] if last.exists() else []
        lines += [f"  TensorBoard  {self.folder}"] if tensorboards(trainer) else []
        tables = [each for each in trainer.loggers if isinstance(each, CSVLogger)]
        lines += [f"  metrics      {Path(each.log_dir, 'metrics.csv')}" for each in tables]
        asked = [["evaluate", str(last)]] if known else []
        if module.has_prior or fits:
            unfitted = module.unfitted_sampler
            asked.append(["sample", str(last), *(["--sampler", unfitted] if unfitted else [])])
        asked += [["translate", str(last), "test"]] if module.translates and known else []
        following = [command_line(argv, pl_module) for argv in asked if last.exists()]
        if tensorboards(trainer):
            following.append(f"{python()} -m tensorboard.main {shlex.join(['--logdir', str(self.folder.parent)])}")
        return lines + (["", "Next:", *(f"  {each}" for each in following)] if following else [])


def minutes(seconds: float) -> str:
    """A duration, such as ``"12 min 05 s"``."""
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
