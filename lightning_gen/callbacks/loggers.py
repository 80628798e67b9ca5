"""The loggers of a run: they write nothing before it has begun, and a resumed run continues their files."""

import csv
import io
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.utilities import rank_zero_only

from lightning_gen import private
from lightning_gen.files import replacing


def tensorboards(trainer: Trainer) -> list[TensorBoardLogger]:
    """The TensorBoard loggers of a Trainer; none in the processes that do not write."""
    loggers = trainer.loggers if trainer.is_global_zero else []
    return [logger for logger in loggers if isinstance(logger, TensorBoardLogger)]


def hide_after(trainer: Trainer, images: int) -> None:
    """Hide from TensorBoard, and remove from tables, all values so far with a higher count of images."""
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # here: it takes long to import

    for logger in tensorboards(trainer):
        start = SessionLog(status=SessionLog.START)
        logger.experiment.file_writer.add_event(Event(step=images + 1, session_log=start))
    for table in trainer.loggers if trainer.is_global_zero else []:
        if isinstance(table, RunTable):
            table.cut(images)


class Unwritten:
    """A placeholder for TensorBoard's writer before a run has begun: each call does nothing."""

    def __getattr__(self, name: str) -> "Unwritten":
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing."""


class RunLogger(TensorBoardLogger):
    """TensorBoard's logger without the ``hparams.yaml`` beside it: the run's ``config.yaml`` holds the settings.

    Attributes:
        begun: Whether the run has begun. Lightning requests the writer, which creates a folder and a file, before it
            loads the data; a run that is refused then creates neither.
    """

    begun = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        from lightning_gen.callbacks.event_files import keep_folders  # here: it takes long to import

        keep_folders()
        super().__init__(*args, **kwargs)

    @property
    def experiment(self) -> Any:
        """The writer."""
        return super().experiment if self.begun else Unwritten()

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write metrics.

        Raises:
            OSError: They cannot be written; Lightning raises a ValueError about the metric instead.
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


class RunTable(CSVLogger):
    """Lightning's logger of a table, ``metrics.csv`` in the run's folder, which a resumed run continues.

    Lightning's own deletes the table of an earlier run, before the data are loaded. Its ``hparams.yaml`` is left out:
    the run's ``config.yaml`` holds the settings.

    Attributes:
        begun: Whether the run has begun; see `RunLogger`.
    """

    begun = False

    def cut(self, images: int) -> None:
        """Continue after the rows so far up to this number of images."""
        self._experiment = Table(self.log_dir, images)

    @property
    def experiment(self) -> Any:
        """The writer."""
        return super().experiment if self.begun else Unwritten()


class Table(ExperimentWriter):
    """Writes the rows of a table.

    Args:
        log_dir: The folder of ``metrics.csv``.
        images: Rows of an existing table at more images are removed: a run that was interrupted has written them.
    """

    def __init__(self, log_dir: str, images: int) -> None:
        self._images = images
        super().__init__(log_dir)

    def _check_log_dir_exists(self) -> None:
        """Keep the earlier rows, where Lightning deletes the file."""
        path = Path(self.metrics_file_path)
        if not path.is_file():
            return
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            rows, self.metrics_keys = list(reader), list(reader.fieldnames or [])
        kept = [row for row in rows if (row.get("step") or "").isdecimal() and int(row["step"]) <= self._images]
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self.metrics_keys, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(kept)
        with replacing(path) as file:
            file.write(text.getvalue().encode())

    def save(self) -> None:
        """Write the rows that are still in memory; a folder that was removed is created again."""
        os.makedirs(self.log_dir, exist_ok=True)
        super().save()


def leave_to_caller(failed: threading.ExceptHookArgs) -> None:
    """Ignore an error in TensorBoard's writing thread, such as a full disk: the next value that is logged raises it.

    A replacement for ``threading.excepthook``.
    """
    if not private.writes_events(failed.thread):
        threading.__excepthook__(failed)
