"""The loggers of a run: TensorBoard, and beside it those that the user names, all in the run's folder."""

import inspect
import os
import re
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from lightning_gen.callbacks import RunLogger, RunTable
from lightning_gen.cli.links import configured
from lightning_gen.errors import InputError
from lightning_gen.reflection import class_path, imported

PLACE = "save_dir"
"""The argument of Lightning's loggers for their folder; one that is not given it writes into the run's."""
TRACKING = "MLFLOW_TRACKING_URI"
"""The environment variable that names MLflow's server or file."""
CONTINUED: dict[type, type[Logger]] = {TensorBoardLogger: RunLogger, CSVLogger: RunTable}
"""Loggers that write files, and those that write none before a run begins and continue those of a resumed run."""


def defaults_of(kind: type | None, folder: Path, title: str) -> dict[str, Any]:
    """The defaults of a logger's arguments in a run, where they differ from Lightning's.

    Args:
        kind: The class of the logger.
        folder: The run's folder.
        title: The run's name.
    """
    # MLflow keeps runs in a database: it has given up files in folders
    store = {"tracking_uri": f"sqlite:///{folder / 'mlflow.db'}", "artifact_location": str(folder / "mlartifacts")}
    directly = {"name": "", "version": ""}  # into the folder itself, not into one of a name and a version in it
    own: dict[type | None, dict[str, Any]] = {
        TensorBoardLogger: {**directly, "default_hp_metric": False},
        CSVLogger: directly,
        WandbLogger: {"name": title},
        MLFlowLogger: {**({} if TRACKING in os.environ else store), "run_name": title},
    }
    return {PLACE: str(folder), **own.get(kind, {})}


def run_loggers(given: Sequence[Namespace], folder: Path, title: str) -> Iterator[Logger]:
    """Build the loggers of a run: TensorBoard's first, unless one of the given ones is.

    Args:
        given: The descriptions of the user's loggers.
        folder: The run's folder.
        title: The run's name.

    Raises:
        InputError: A logger cannot be built, as without a package that it needs.
    """
    described = [Namespace(class_path=class_path(TensorBoardLogger)), *given]
    if any(issubclass(imported(part.class_path) or object, TensorBoardLogger) for part in given):
        described = list(given)
    places: set[tuple[type, str]] = set()
    for part in described:
        kind = imported(part.class_path)
        completed = with_defaults(part, defaults_of(kind, folder, title))
        if completed is not part and kind in CONTINUED:
            completed.class_path = class_path(CONTINUED[kind])
        logger = built(completed)
        if kind is not None and kind in CONTINUED:
            place = kind, str(logger.log_dir)
            if place in places:
                raise InputError(f"two loggers would write one file in {place[1]}: give one a {PLACE} of its own")
            places.add(place)
        yield logger


def other_loggers(given: Sequence[Namespace], folder: Path, title: str) -> Iterator[Logger]:
    """Build the loggers of a command that does not train: only the given ones; see `run_loggers`.

    Those that write files do so in a folder of a new version for each call.
    """
    for part in given:
        defaults = defaults_of(imported(part.class_path), folder, title)
        yield built(with_defaults(part, {name: value for name, value in defaults.items() if name != "version"}))


def with_defaults(part: Namespace, defaults: dict[str, Any]) -> Namespace:
    """A logger's description with other defaults; unchanged if it names the folder.

    Args:
        part: The description, with Lightning's defaults for arguments that were not given.
        defaults: Values of arguments that were not given.
    """
    kind, given = imported(part.class_path), vars(part.get("init_args") or Namespace())
    parameters = inspect.signature(kind).parameters if kind is not None else {}
    if given.get(PLACE) is not None or kind is None:
        return part
    usual = {name: parameters[name].default for name in defaults if name in parameters}
    ours = {name: defaults[name] for name, value in usual.items() if name == PLACE or given.get(name, value) == value}
    return Namespace(**{**vars(part), "init_args": Namespace(**{**given, **ours})})


def forget_place(part: Any) -> None:
    """Remove the folder that was not given from a logger's description, as configurations hold it."""
    if isinstance(part, Namespace) and PLACE in (part.get("init_args") or {}) and part.init_args[PLACE] is None:
        del part.init_args[PLACE]


def built(part: Namespace) -> Logger:
    """Build a logger.

    Raises:
        InputError: A package that it needs is missing.
    """
    try:
        return configured(part)
    except ModuleNotFoundError as error:
        name = part.class_path.rpartition(".")[2]
        raise InputError(f"{name} needs a package that is not installed: {installing(error)}") from error


def installing(error: ModuleNotFoundError) -> str:
    """The command that installs a missing package, from the hint in Lightning's message or the name of the module."""
    hint = re.search(r"pip install (?:-U )?'?([\w.\-]+)", str(error))
    return f"pip install {hint[1] if hint else error.name}"


def explanation(error: BaseException) -> str | None:
    """The explanation of an error of the service of a logger, as without an account; None for other errors."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        logger = frame.f_locals.get("self")
        writes = isinstance(logger, (TensorBoardLogger, CSVLogger))
        if isinstance(logger, Logger) and not writes and frame.f_globals["__name__"].startswith("lightning."):
            text = next(iter(str(error).strip().splitlines()), type(error).__name__)
            return f"{type(logger).__name__} failed: {text.rstrip('.')}; correct that, or leave the logger out"
    return None
