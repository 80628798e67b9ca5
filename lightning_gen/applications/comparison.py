"""Evaluations beside each other: figures that were measured in the same way share a column, and no others do."""

import json
import math
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lightning_gen.applications.evaluations import Evaluation, common_name
from lightning_gen.errors import InputError
from lightning_gen.spelling import suggest

Protocol = dict[str, str]
"""How a figure was measured: values as text, by dotted names."""

MODEL = (
    "checkpoint",
    "module",
    "images_seen",
    "ema",
    "versions",
    "samples",
    "classes",
    "reconstruction",
    "conditional",
)
"""Topics of a card that describe the model and what is drawn from it: they tell rows apart."""
DRAWN = ("module", "ema", "samples", "classes")
"""Those by which evaluations of one configuration are different rows."""
RESULTS = ("meanings", "spreads", "omitted", "not_finite", "extractor_accuracy")
"""Topics that are results."""
EVERYWHERE = ("mode", "data", "split", "range")
"""Topics of all figures."""
CODES = r"mse|psnr_db|ssim|elbo_nats|bits_per_dim|nll_nats|active_units|knn_accuracy|probe_accuracy"
CLASSIFIED = r"frechet_distance|precision|recall|label_accuracy|modes|high_quality_percent|(reverse_)?kl"
TOPICS = {
    "observation": CODES,
    "ssim": r"ssim",
    "codebook": r"codebook_used_percent|perplexity",
    "knn_accuracy": r"knn_accuracy",
    "probe_accuracy": r"probe_accuracy",
    "elbo": r"elbo_nats|bits_per_dim",
    "nll": r"nll_nats",
    "active_units": r"active_units",
    "pca": r"pca_.*",  # which is a row for each width
    "disentanglement": r"mig|factor_vae_score",
    "dci": r"dci_.*",
    "sliced_wasserstein": r"sliced_wasserstein",
    "features_inception": r"fid|kid|inception_score|\w+_inception",
    "copies": r"authenticity_\w+|duplicates",
    "features": CLASSIFIED,
    "extractor": CLASSIFIED,
    "modes": r"modes|high_quality_percent|(reverse_)?kl|classifier_accuracy",
}
"""The figures that a topic is about, as patterns of their names without `PREFIXES` and `SUFFIXES`.

``features_NAME`` is about those that end in ``_NAME``. A topic that is not here is about all figures of its card.
"""
IGNORED = {
    "seed": r"(?!data\b).*",
    "iterations": r"probe_accuracy",
    "factor_vae_score": r"disentanglement",
    "codes": r"disentanglement",
    **dict.fromkeys(("batch_size", "num_workers", "mirror", "cache_dir", "on_error"), r"data\.init_args"),
}
"""Names in a card that tell no protocols apart, with patterns of the places where they stand: seeds of a measurement,
but not that of the data, which decides on the test split; what follows from the model; how the data are read for
training."""

QUALIFIED = {"bits_per_dim": "elbo_nats", "nll_nats": "elbo_nats"}
"""Figures that another one's meaning speaks of too: whether they are likelihoods."""

PREFIXES = {"pca_": "PCA", "raw_": "raw data"}
SUFFIXES = {"_floor": "real data", "_ceiling": "real data", "_real": "real data"}
"""Beginnings and ends of the names of floors and ceilings, and the rows that these are shown in."""
WIDTH = re.compile(r"PCA with (\d+) dimensions")
"""Where a meaning names the width of the PCA: each width is a row."""

T975 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
"""The 97.5 % quantile of Student's t for 1 to 30 degrees of freedom; for more the last one is a little too large."""


@dataclass(frozen=True)
class Column:
    """A figure, measured in one way.

    Attributes:
        figure: Its name.
        protocol: How it was measured.
        meaning: What it measures.
        differences: What tells it apart from the other columns of the figure; empty if there are none.
    """

    figure: str
    protocol: Protocol
    meaning: str = ""
    differences: Protocol = field(default_factory=dict)

    @property
    def best(self) -> Any:
        """The function that finds the better of numbers, `min` or `max`; None where the meaning names neither."""
        words = {"lower is better": min, "higher is better": max}
        return next((function for word, function in words.items() if word in self.meaning), None)


@dataclass(frozen=True)
class Cell:
    """A figure of a row.

    Attributes:
        mean: The mean of the values, or the only one.
        count: Number of values.
        deviation: Their standard deviation, with n - 1; None for one value.
        interval: The 95 % interval of the mean by Student's t, for one value its spread; None if that is unknown.
        best: Whether it is better than all others of its column, and its interval overlaps with none of theirs.
    """

    mean: float
    count: int = 1
    deviation: float | None = None
    interval: tuple[float, float] | None = None
    best: bool = False


@dataclass(frozen=True)
class Row:
    """A configuration, or a floor or ceiling.

    Attributes:
        name: What it is called.
        detail: How many runs or evaluations of how many images it is of; empty for floors.
        floor: Whether it is a floor or a ceiling.
        pictures: Images of samples.
    """

    name: str
    detail: str = ""
    floor: bool = False
    pictures: tuple[Path, ...] = ()


@dataclass(frozen=True)
class ComparedEvaluations:
    """Figures of several models.

    Attributes:
        rows: The models, then floors and ceilings.
        columns: The figures.
        cells: The numbers, by the indices of row and column.
        baseline: Index of the row with which the others are compared; None for none.
        notes: Sentences for the user.
    """

    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    cells: Mapping[tuple[int, int], Cell]
    baseline: int | None = None
    notes: tuple[str, ...] = ()

    def tables(self) -> Iterator[tuple[list[int], list[int]]]:
        """Rows and columns that fill a table: columns that the same models have stand together."""
        models = {
            column: tuple(row for row, each in enumerate(self.rows) if not each.floor and (row, column) in self.cells)
            for column in range(len(self.columns))
        }
        for shared in dict.fromkeys(models.values()):
            columns = [column for column, found in models.items() if found == shared]
            yield self.rows_of(columns), columns

    def rows_of(self, columns: Sequence[int]) -> list[int]:
        """The rows that have a number in one of some columns."""
        return [row for row in range(len(self.rows)) if any((row, column) in self.cells for column in columns)]

    def change(self, row: int, column: int) -> float | None:
        """By how much a model's figure differs from that of the baseline; None for others and without one."""
        reference = None if self.baseline is None else self.cells.get((self.baseline, column))
        if reference is None or row == self.baseline or self.rows[row].floor:
            return None
        return self.cells[row, column].mean - reference.mean


def compared(evaluations: Sequence[Evaluation], baseline: str | None = None) -> ComparedEvaluations:
    """Put evaluations beside each other.

    A figure's protocol is its card without the model and seeds. Evaluations of one configuration become a mean with its
    deviation: that of its runs, of each the mean of its evaluations, or that of the evaluations of its only run.

    Args:
        evaluations: From `read_evaluations`.
        baseline: The name of the row from which differences are shown, or None.

    Raises:
        InputError: No figure of two of them was measured in the same way, or there is no such row.
    """
    groups = grouped(evaluations)
    columns: list[Column] = []
    values: dict[tuple[Row, int], list[tuple[Evaluation, str]]] = {}
    models = named_rows(list(groups.values()))
    for row, members in zip(models, groups.values(), strict=True):
        for each in members:
            for name in each.figures:
                figure, floor = base_of(each, name)
                if figure not in each.figures:  # a figure whose name only looks like that of a floor
                    figure, floor = name, None
                column = index_of(columns, Column(figure, protocol_of(each, figure), each.meaning(figure)))
                values.setdefault((floor or row, column), []).append((each, name))
    floors = sorted({row for row, _ in values if row.floor}, key=lambda row: row.name)
    rows = [*models, *floors]
    cells = {
        (rows.index(row), column): floor_cell(found) if row.floor else cell_of(found)
        for (row, column), found in values.items()
    }
    notes = tuple(unshared(models, columns, cells, evaluations, list(groups.values())))
    return ComparedEvaluations(
        tuple(rows), tuple(with_differences(columns)), marked(cells, rows, columns), index_named(rows, baseline), notes
    )


# rows -----------------------------------------------------------------------------------------------------------------


def grouped(evaluations: Sequence[Evaluation]) -> dict[str, list[Evaluation]]:
    """The evaluations of each configuration, in order."""
    found: dict[str, list[Evaluation]] = {}
    for each in evaluations:
        state = Path(each.checkpoint).name if each.configuration is not None else each.checkpoint
        drawn = {topic: each.card.get(topic) for topic in DRAWN}
        key = json.dumps([each.configuration, state, drawn], sort_keys=True, default=str)
        found.setdefault(key, []).append(each)
    return found


def named_rows(groups: Sequence[Sequence[Evaluation]]) -> list[Row]:
    """A row for each group; where groups have one name, they are called after their files too."""
    names = [common_name([each.name for each in members]) for members in groups]
    for index, members in enumerate(groups):
        if names.count(names[index]) > 1 or names[index] in {*PREFIXES.values(), *SUFFIXES.values()}:
            names[index] = str(members[0].path.with_suffix(""))
    return [
        Row(name, detail_of(members), pictures=tuple(dict.fromkeys(members[0].pictures)))
        for name, members in zip(names, groups, strict=True)
    ]


def detail_of(members: Sequence[Evaluation]) -> str:
    """How many runs or evaluations a row is of, and of how many images."""
    seen = sorted({count for each in members if isinstance(count := each.card.get("images_seen"), int)})
    images = f"{seen[0]:,}" + (f" to {seen[-1]:,}" if len(seen) > 1 else "") + " images" if seen else ""
    runs = len({each.checkpoint for each in members})
    number = f"{runs} runs" if runs > 1 else f"{len(members)} evaluations" if len(members) > 1 else ""
    return ", ".join(filter(None, (number, images)))


def base_of(evaluation: Evaluation, name: str) -> tuple[str, Row | None]:
    """The figure that a floor or ceiling belongs to, and its row; the name itself and None for others."""
    for prefix, title in PREFIXES.items():
        if name.startswith(prefix):
            width = WIDTH.search(evaluation.meaning(name))
            return name[len(prefix) :], Row(f"{title}, {width[1]} numbers" if width else title, floor=True)
    for suffix, title in SUFFIXES.items():
        if name.endswith(suffix):
            return name[: -len(suffix)], Row(title, floor=True)
    return name, None


def index_named(rows: Sequence[Row], name: str | None) -> int | None:
    """The index of the row with a name.

    Raises:
        InputError: There is none.
    """
    names = [row.name for row in rows]
    if name is not None and name not in names:
        raise InputError(f"there is no row '{name}'{suggest(name, names)}: --baseline is one of {', '.join(names)}")
    return None if name is None else names.index(name)


def unshared(
    models: Sequence[Row],
    columns: Sequence[Column],
    cells: Mapping[tuple[int, int], Cell],
    evaluations: Sequence[Evaluation],
    groups: Sequence[Sequence[Evaluation]],
) -> Iterator[str]:
    """Sentences about models that share no figure with others.

    Raises:
        InputError: None does.
    """
    having = [[row for row in range(len(models)) if (row, column) in cells] for column in range(len(columns))]
    alone = [row for row in range(len(models)) if not any(row in rows and len(rows) > 1 for rows in having)]
    if len(models) > 1 and len(alone) == len(models):
        files = [str(members[0].path) for members in groups]
        listed = f"{', '.join(files[:-1])} and {files[-1]}"
        raise InputError(f"{listed} share no figure measured the same way: evaluate all of them with the same --data")
    if len(models) > 1:
        for row in alone:
            yield f"{models[row].name} shares no figure measured the same way with another model"


# columns --------------------------------------------------------------------------------------------------------------


def protocol_of(evaluation: Evaluation, figure: str) -> Protocol:
    """How a figure was measured: the topics of its card that are about it, and its meaning."""
    topics = {
        topic: value
        for topic, value in evaluation.card.items()
        if topic not in (*MODEL, *RESULTS) and concerns(topic, figure)
    }
    meanings = [evaluation.meaning(name) for name in (figure, QUALIFIED.get(figure)) if name is not None]
    found = {"meaning": "; ".join(filter(None, meanings))} if any(meanings) else {}
    return {**found, **dict(flat(topics, ""))}


def concerns(topic: str, figure: str) -> bool:
    """Whether a topic of a card is about a figure."""
    if topic in EVERYWHERE:
        return True
    if topic in TOPICS:
        return re.fullmatch(TOPICS[topic], figure) is not None
    features = re.fullmatch(r"features_(\w+)", topic)
    return features is None or figure.endswith(f"_{features[1]}") or figure == "duplicates"


def flat(value: Any, place: str) -> Iterator[tuple[str, str]]:
    """The values in nested plain data as text, by dotted names, without `IGNORED` ones."""
    if not isinstance(value, dict):
        yield place, json.dumps(value, sort_keys=True) if isinstance(value, list) else str(value)
        return
    for name, item in value.items():
        inside = f"{place}.{name}" if place else str(name)
        if name not in IGNORED or re.fullmatch(IGNORED[name], place) is None:
            yield from flat(item, inside)


def index_of(columns: list[Column], column: Column) -> int:
    """The index of a column; it is appended if there is none of that figure and protocol."""
    for index, each in enumerate(columns):
        if (each.figure, each.protocol) == (column.figure, column.protocol):
            return index
    columns.append(column)
    return len(columns) - 1


def with_differences(columns: Sequence[Column]) -> Iterator[Column]:
    """Columns with what tells those of one figure apart."""
    for column in columns:
        others = [each.protocol for each in columns if each.figure == column.figure]
        names = dict.fromkeys(name for protocol in others for name in protocol)
        differing = [name for name in names if len({protocol.get(name) for protocol in others}) > 1]
        # a meaning repeats in words what other entries say in numbers
        shown = [name for name in differing if name != "meaning"] or differing
        own = {short(name, shown): column.protocol[name] for name in shown if name in column.protocol}
        yield replace(column, differences=own or {short(name, shown): "none" for name in shown})


def short(name: str, among: Sequence[str]) -> str:
    """The last word of a dotted name, or all of it where others end in the same."""
    last = name.rsplit(".", 1)[-1]
    return last if sum(each.rsplit(".", 1)[-1] == last for each in among) == 1 else name


# cells ----------------------------------------------------------------------------------------------------------------


def cell_of(found: Sequence[tuple[Evaluation, str]]) -> Cell:
    """The figure of a configuration."""
    runs: dict[str, list[float]] = {}
    for each, name in found:
        runs.setdefault(each.checkpoint, []).append(each.figures[name])
    values = [statistics.fmean(each) for each in runs.values()] if len(runs) > 1 else next(iter(runs.values()))
    if len(values) > 1:
        return of_values(values)
    (each, name), *_ = found
    return Cell(values[0], interval=each.spread(name))


def floor_cell(found: Sequence[tuple[Evaluation, str]]) -> Cell:
    """A floor or ceiling: evaluations with one seed have the same one."""
    values = list(dict.fromkeys(each.figures[name] for each, name in found))
    return of_values(values) if len(values) > 1 else Cell(values[0])


def of_values(values: Sequence[float]) -> Cell:
    """Mean, deviation and interval of at least two values."""
    mean, count = statistics.fmean(values), len(values)
    if not all(map(math.isfinite, values)):
        return Cell(mean, count)
    deviation = statistics.stdev(values)
    half = T975[min(count - 1, len(T975)) - 1] * deviation / math.sqrt(count)
    return Cell(mean, count, deviation, (mean - half, mean + half))


def marked(
    cells: Mapping[tuple[int, int], Cell], rows: Sequence[Row], columns: Sequence[Column]
) -> dict[tuple[int, int], Cell]:
    """Cells, of which those are marked that are the best of their column for certain."""
    found = dict(cells)
    for index, column in enumerate(columns):
        own = [(row, cells[row, index]) for row, each in enumerate(rows) if not each.floor and (row, index) in cells]
        if column.best is None or len(own) < 2:
            continue
        row, best = column.best(own, key=lambda pair: pair[1].mean)
        if all(apart(best, other) for number, other in own if number != row):
            found[row, index] = replace(best, best=True)
    return found


def apart(one: Cell, other: Cell) -> bool:
    """Whether the intervals of two cells are known and do not overlap."""
    if one.interval is None or other.interval is None:
        return False
    return one.interval[1] < other.interval[0] or other.interval[1] < one.interval[0]
