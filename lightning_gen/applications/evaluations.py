"""Evaluations of trained models, as ``evaluate --output`` writes them: read from files and from the folders of runs."""

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lightning_gen.checkpoint import FOLDER
from lightning_gen.errors import InputError
from lightning_gen.outputs import PNG, REPORT
from lightning_gen.paths import expanded

CONFIGURATION = "config.yaml"
"""The file in the folder of a run that holds its settings."""
OF_A_RUN = ("seed_everything", "name", "runs_dir", "ckpt_path", "config")
"""Settings that runs of one configuration do not share."""
GRIDS = ("samples.png", "samples/samples*.png", "samples/reconstructions*.png")
"""Pictures of what a model makes in the folder of its run, the first of which that are there is shown."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The figures of one evaluation and their protocol.

    Attributes:
        name: What it is called: its run, or its file without the ending.
        path: The file.
        figures: The numbers by name.
        card: The protocol.
        configuration: The settings of the model's run without its seed and name; None where they are not known.
        pictures: Images of its samples.
    """

    name: str
    path: Path
    figures: dict[str, float]
    card: dict[str, Any]
    configuration: str | None = None
    pictures: tuple[Path, ...] = ()

    @property
    def checkpoint(self) -> str:
        """The path of the model; that of the file where the card names none."""
        return str(self.card.get("checkpoint") or self.path)

    def meaning(self, figure: str) -> str:
        """What a figure measures; empty where the card does not say it."""
        return str(entry(self.card, "meanings").get(figure, ""))

    def spread(self, figure: str) -> tuple[float, float] | None:
        """The least and the greatest of the values of which a figure is the mean or median; None if it is of one."""
        found = entry(self.card, "spreads").get(figure)
        if not isinstance(found, list) or len(found) != 2 or not all(isinstance(end, (int, float)) for end in found):
            return None
        return float(found[0]), float(found[1])


def read_evaluations(given: str | Sequence[str]) -> list[Evaluation]:
    """Read evaluations; of one that is given twice, or copied, there is one.

    Args:
        given: Files that ``evaluate --output`` wrote, and folders of runs, in which such files lie.

    Raises:
        InputError: Nothing is given, or something is no evaluation or holds none.
    """
    words = [given] if isinstance(given, str) else list(given)
    if not words:
        raise InputError("nothing is given to compare: name the files that evaluate --output wrote, or their runs")
    found: list[Evaluation] = []
    for word in words:
        for each in of_path(expanded(word)):
            if not any(same(each, other) for other in found):
                found.append(each)
    return found


def same(one: Evaluation, other: Evaluation) -> bool:
    """Whether two evaluations are one: a file, or a copy of it."""
    if one.path.resolve() == other.path.resolve():
        return True
    return bool(one.card.get("checkpoint")) and (one.figures, one.card) == (other.figures, other.card)


def of_path(path: Path) -> list[Evaluation]:
    """The evaluation in a file, or all of those in the folder of a run.

    Raises:
        InputError: There is none.
    """
    if path.is_dir():
        return of_run(path)
    if not path.exists():
        raise InputError(f"there is no {path}: name a file that evaluate --output wrote, or the folder of a run")
    if path.suffix != REPORT.ending:
        raise InputError(
            f"{path} is no evaluation: evaluate the model first, lightning_gen evaluate {shlex.quote(str(path))} "
            f"--output {shlex.quote(path.stem + REPORT.ending)}, and compare the files that it writes"
            if path.suffix == ".ckpt"
            else f"{path} is no evaluation: give a .json file that evaluate --output wrote, or the folder of a run"
        )
    figures, card = read_report(path)
    run = run_of(card) or path.parent
    return [Evaluation(path.stem, path, figures, card, configuration(run), tuple(nearest(path)))]


def of_run(folder: Path) -> list[Evaluation]:
    """The evaluations in the folder of a run.

    Raises:
        InputError: There is none, or it is no folder of a run.
    """
    files = [path for path in sorted(folder.glob(f"*{REPORT.ending}")) if is_report(path)]
    quoted = shlex.quote(str(folder))
    if not files:
        runs = sorted(path.parent for path in folder.glob(f"*/{FOLDER}"))
        if runs and not (folder / FOLDER).is_dir():
            raise InputError(f"{folder} holds runs and is none: give them one after another, {quoted}/*")
        raise InputError(
            f"{folder} holds no evaluation: run lightning_gen evaluate {quoted} --output {quoted}/evaluation.json first"
        )
    name, settings = folder.resolve().name, configuration(folder)
    grids = [path for pattern in GRIDS for path in sorted(folder.glob(pattern))[-1:]][:1]
    found = []
    for path in files:
        figures, card = read_report(path)
        found.append(Evaluation(name, path, figures, card, settings, (*grids, *nearest(path))))
    return found


def is_report(path: Path) -> bool:
    """Whether a file begins as a report does that has figures."""
    with path.open("rb") as file:
        return REPORT.start.match(file.read(64)) is not None


def read_report(path: Path) -> tuple[dict[str, float], dict[str, Any]]:
    """The figures and the protocol in a file; figures that are not finite are those that the card names.

    Raises:
        InputError: The file holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON ({error}): evaluate the model again with --output") from None
    figures = content.get("figures") if isinstance(content, dict) else None
    card = content.get("card") if isinstance(content, dict) else None
    if not isinstance(figures, dict) or not isinstance(card, dict) or not figures:
        raise InputError(f"{path} holds no figures with a card: give a file that evaluate --output wrote")
    infinite = entry(card, "not_finite")
    values = {name: infinite.get(name, "nan") if value is None else value for name, value in figures.items()}
    try:
        return {name: float(value) for name, value in values.items()}, card
    except (TypeError, ValueError):
        raise InputError(f"{path} has figures that are no numbers: evaluate the model again with --output") from None


def entry(card: dict[str, Any], name: str) -> dict[str, Any]:
    """A mapping in a card; empty where there is none."""
    found = card.get(name)
    return found if isinstance(found, dict) else {}


# the run of an evaluation ---------------------------------------------------------------------------------------------


def run_of(card: dict[str, Any]) -> Path | None:
    """The folder of the run whose checkpoint a card names, if it is there."""
    checkpoint = Path(str(card.get("checkpoint") or ""))
    run = checkpoint.parent.parent
    return run if checkpoint.parent.name == FOLDER and (run / CONFIGURATION).is_file() else None


def configuration(run: Path) -> str | None:
    """The settings of a run, without those that runs of one configuration do not share; None if it has none."""
    try:
        settings = yaml.safe_load((run / CONFIGURATION).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return None
    if not isinstance(settings, dict):
        return None
    return json.dumps({name: value for name, value in settings.items() if name not in OF_A_RUN}, default=str)


def nearest(path: Path) -> list[Path]:
    """The picture of the samples nearest to training images, which `evaluate` writes beside its file."""
    picture = path.with_name(f"{path.stem}_nearest{PNG.ending}")
    return [picture] if picture.is_file() else []


def common_name(names: Sequence[str]) -> str:
    """What several runs that differ in their seed are called together.

    >>> common_name(["vae_seed_0", "vae_seed_1"]), common_name(["vae32_1", "vae32_2"]), common_name(["a", "b"])
    ('vae', 'vae32', 'a and others')
    """
    different = list(dict.fromkeys(names))
    if len(different) == 1:
        return different[0]
    prefix = next(
        (different[0][:end] for end in range(len(min(different, key=len)), 0, -1) if shared(different, end)), ""
    )
    return re.sub(r"[\W_]+(seed|run)?[\W_]*\d*$", "", prefix) or f"{different[0]} and others"


def shared(names: Sequence[str], end: int) -> bool:
    """Whether names begin with the same letters."""
    return all(name[:end] == names[0][:end] for name in names)
