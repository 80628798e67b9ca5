"""Write the tables of the pages from the recipes and from stored results: ``python tests/benchmarks/gallery.py``.

A recipe is described once, in the comment that opens its file: a title, lines of ``Paper:``, a line ``For:``, and at
its end ``Unlike the paper:``, which the pages leave to the file.
Results are stored once, in ``results/``, one JSON file a table, into which `tables.py`, `speed.py`, `scaling.py`
and `peers/peers.py` write with ``--record``. A page asks for a table by a line ``<!-- table: NAME -->``; all from there
to ``<!-- end -->`` is written by this program. A test asserts that the pages are what it writes.
"""

import json
import platform
import re
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "configs"
RESULTS = Path(__file__).parent / "results"
PAGES = tuple(ROOT / page for page in ("README.md", "configs/README.md", "tests/benchmarks/README.md"))
BLOCK = re.compile(r"(<!-- table: ([^\n]+?) -->\n).*?(<!-- end -->)", re.DOTALL)
NOTHING = "–"


@dataclass(frozen=True)
class Header:
    """The comment that opens a recipe.

    Attributes:
        name: Short name of the recipe, such as ``gan/dcgan``.
        title: What it is called.
        papers: Where it comes from, each as ``(authors and year, address)``.
        no_paper: Why there is no paper; empty where there is one.
        purpose: What it is for.
        departures: Where it departs from the paper, and why; the paper's values are in brackets.
    """

    name: str
    title: str
    papers: tuple[tuple[str, str], ...]
    no_paper: str
    purpose: str
    departures: str

    @classmethod
    def read(cls, path: Path) -> "Header":
        """Read the header of a recipe; a part, such as data, has a title alone."""
        lines = []
        for line in path.read_text().splitlines():
            if not line.startswith("#"):
                break
            lines.append(line.removeprefix("#").strip())
        said = defaultdict(list)
        departures = " ".join(lines).partition("Unlike the paper: ")[2]
        for line in lines[1:]:
            key, colon, text = line.partition(": ")
            said[key if colon else ""].append(text)
        papers = [tuple(text.rsplit(", ", 1)) for text in said["Paper"]]
        return cls(
            name=path.relative_to(CONFIGS).with_suffix("").as_posix(),
            title=lines[0],
            papers=tuple(papers),  # type: ignore[arg-type]
            no_paper=" ".join(said["No paper"]),
            purpose=" ".join(said["For"]),
            departures=departures,
        )

    @property
    def cited(self) -> str:
        """The papers, linked; or why there is none."""
        return "; ".join(f"[{who}]({address})" for who, address in self.papers) or self.no_paper


@dataclass(frozen=True)
class Figure:
    """A measured number as it stands in a table.

    Attributes:
        value: A number; one a seed; ``{"mean", "sd"}``; ``{"median", "low", "high"}``; words; or None.
    """

    value: Any

    def __format__(self, spec: str) -> str:
        """In the given format; with "each" one number a seed, or the one that all seeds have."""
        match self.value:
            case None:
                return NOTHING
            case str():
                return self.value
            case list() if spec == "each":
                same = len(set(self.value)) == 1
                return ", ".join(f"{number:g}" for number in (self.value[:1] if same else self.value))
            case [number]:
                return format(number, spec)
            case list():
                return f"{statistics.fmean(self.value):{spec}} ± {statistics.stdev(self.value):{spec}}"
        spec = spec.removeprefix("each")
        match self.value:
            case {"mean": mean, "sd": sd}:
                return f"{mean:{spec}} ± {sd:{spec}}"
            case {"median": median, "low": low, "high": high}:
                return f"{median:{spec}} ({low:{spec}}-{high:{spec}})"
        return format(self.value, spec)


def cell(template: str, figures: Mapping[str, Any]) -> str:
    """A cell of a table: a template such as ``"{psnr_db:.1f} ({pca_psnr_db:.1f})"``, brackets with nothing left out."""
    known = defaultdict(lambda: Figure(None), {name: Figure(value) for name, value in figures.items()})
    filled = template.format_map(known).replace(f" ({NOTHING})", "")
    return NOTHING if set(filled) <= set(f"{NOTHING}, ") else filled


def markdown(columns: list[str], rows: list[list[str]]) -> str:
    """A table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines).replace("|  |", "| |")


def measured(name: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
    """New rows of a table, each with its figures, in the columns of that table."""
    columns: dict[str, str] = results(name)["columns"]
    cells = [[label, *(cell(each, figures) for each in columns.values())] for label, figures in rows.items()]
    return markdown(["", *columns], cells)


def results(name: str) -> dict[str, Any]:
    """The stored results of a table."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def record(name: str, rows: Mapping[str, Mapping[str, Any]], options: Mapping[str, str], setting: str) -> None:
    """Store results, replacing earlier ones of the same rows, and rewrite the pages.

    Args:
        name: The table.
        rows: Metrics of each measured row.
        options: The options of ``fit`` for each.
        setting: How they were measured, such as "one thread a run, seeds 0 to 4".
    """
    table = results(name)
    where = f"{processor()}, torch {version('torch')}, {setting}, {date.today().isoformat()}"
    for label, figures in rows.items():
        row = {"options": options.get(label, ""), "setting": where, "figures": dict(figures)}
        table["rows"][label] = {**table["rows"].get(label, {}), **row}  # an aim is kept
    (RESULTS / f"{name}.json").write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n")
    for page in PAGES:
        page.write_text(written(page))


def processor() -> str:
    """The model of the processor, where the system tells it."""
    information = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", information.read_text()) if information.exists() else None
    return found[1].strip() if found else platform.machine()


def result_table(name: str) -> str:
    """Everything measured for a table, and below it how."""
    table = results(name)
    columns: dict[str, str] = table["columns"]
    rows = [
        [label, *(cell(template, {"aim": row.get("aim"), **row["figures"]}) for template in columns.values())]
        for label, row in table["rows"].items()
    ]
    settings = dict.fromkeys(row["setting"] for row in table["rows"].values() if "setting" in row)
    return f"{markdown(['', *columns], rows)}\n`{table['command']}`: {'; '.join(settings)}.\n"


MEASURED = {"autoencoder": "autoencoders", "gan": "recipes"}
"""The results of the recipes of a folder, which are all measured alike."""


def recipe_table(folder: str) -> str:
    """The recipes of a folder, with their results where there are any."""
    if folder not in MEASURED:
        rows = [[one.title, f"[`{one.name}`]({one.name}.yaml)", one.purpose, one.cited] for one in headers(folder)]
        return markdown(["", "recipe", "for", "paper"], rows)
    table = results(MEASURED[folder])
    rows = []
    for header in headers(folder):
        figures = table["rows"].get(Path(header.name).name, {}).get("figures", {})
        measured = [cell(template, figures) for template in table["columns"].values()]
        link = f"[`{header.name}`]({header.name}.yaml)"
        rows.append([header.title, link, header.purpose, header.cited, *measured])
    for label, row in table["rows"].items():
        if "source" in row:
            rows.append(
                [label, "", "", "", *(cell(template, row["figures"]) for template in table["columns"].values())]
            )
    settings = dict.fromkeys(row["setting"] for row in table["rows"].values() if "setting" in row)
    columns = ["", "recipe", "for", "paper", *table["columns"]]
    return f"{markdown(columns, rows)}\n`{table['command']}`: {'; '.join(settings)}.\n"


def part_table(folder: str) -> str:
    """The parts of a folder, which override recipes."""
    return markdown(["part", ""], [[f"[`{one.name}`]({one.name}.yaml)", one.title] for one in headers(folder)])


def headers(folder: str) -> list[Header]:
    """The headers of a folder, those with the oldest papers first."""

    def year(header: Header) -> tuple[str, str]:
        return min((re.findall(r"\d{4}", who)[0] for who, _ in header.papers), default=""), header.title

    return sorted((Header.read(path) for path in (CONFIGS / folder).glob("*.yaml")), key=year)


START = (
    ("gan/rpgan", "recipes", "Fréchet {frechet_distance:.1f}"),
    ("gan/dcgan", "recipes", "Fréchet {frechet_distance:.1f}"),
    ("gan/cgan", "recipes", "class as asked {label_accuracy:.0%}"),
    ("autoencoder/vae", "autoencoders", "Fréchet {frechet_distance:.1f}"),
    ("autoencoder/convolutional", "autoencoders", "PSNR {psnr_db:.1f} dB (PCA {pca_psnr_db:.1f})"),
    ("autoencoder/vq_vae", "autoencoders", "PSNR {psnr_db:.1f} dB"),
    ("autoencoder/kl", "autoencoders", "PSNR {psnr_db:.1f} dB"),
    ("gan/grid25", "modes", "{modes:each} of 25 modes on every seed"),
)
"""Recipes to start with, and the most informative metric of each."""


def start_table() -> str:
    """A few recipes to start with."""
    rows = []
    for name, table, template in START:
        header = Header.read(CONFIGS / f"{name}.yaml")
        row = next(row for row in results(table)["rows"].values() if row.get("options", "").split()[1:2] == [name])
        rows.append([f"[`{name}`](configs/{name}.yaml)", header.purpose, cell(template, row["figures"])])
    return markdown(["recipe", "for", "measured"], rows)


SUMMARY = (
    (
        *("modes of 25 found, on each of five seeds", "modes"),
        *("grid: `gan/grid25`", "{modes:each}", "grid: `gan/grid25_plain`", "plain GAN: {modes:each}"),
    ),
    (
        *("Fréchet distance on Fashion-MNIST, ten minutes of a core", "fashion"),
        *(
            "DCGAN",
            "DCGAN: {frechet_distance:.2f}",
            "as many training images",
            "training images: {frechet_distance:.2f}",
        ),
    ),
    (
        *("error of Fashion-MNIST from 32 numbers, MSE", "embedding"),
        *("convolutional autoencoder, 32 numbers", "{mse:.5f}", "PCA, 32 numbers", "PCA: {mse:.5f}"),
    ),
    (
        *("negative log-likelihood of Fashion-MNIST, nats", "likelihood"),
        *("hierarchical VAE, 784-512-(32, 16) and back", "hierarchical VAE: {nll_nats:.1f}"),
        *("VAE, 784-200-200-50 and back", "VAE: {nll_nats:.1f}"),
    ),
    (
        *("a training step of `gan/dcgan` on a CPU, ms", "speed"),
        *("gan/dcgan", "{step_ms:.1f}", "gan/dcgan", "the same in plain PyTorch: {bare_step_ms:.1f}"),
    ),
)
"""A question, its table, the row and the cell of the answer, and those to compare with."""


def summary_table() -> str:
    """One metric of each comparison."""
    rows = []
    for question, table, ours, our_cell, theirs, their_cell in SUMMARY:
        found = results(table)["rows"]
        rows.append([question, cell(our_cell, found[ours]["figures"]), cell(their_cell, found[theirs]["figures"])])
    return markdown(["", "lightning_gen", "beside"], rows)


TABLES: dict[str, Callable[..., str]] = {
    "results": result_table,
    "recipes": recipe_table,
    "parts": part_table,
    "start": start_table,
    "summary": summary_table,
}
"""Kinds of table that a page can ask for."""


def written(page: Path) -> str:
    """A page with its tables updated."""

    def block(found: re.Match[str]) -> str:
        kind, *names = found[2].split()
        return f"{found[1]}{TABLES[kind](*names)}{found[3]}"

    return BLOCK.sub(block, page.read_text())


def main() -> None:
    """Write the pages."""
    for page in PAGES:
        page.write_text(written(page))


if __name__ == "__main__":
    main()
