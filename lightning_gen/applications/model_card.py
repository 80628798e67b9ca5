"""The README of an exported model: what it is, how it is loaded, and its figures with their protocol."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_gen.applications.evaluations import is_report, read_report
from lightning_gen.applications.trained import Trained
from lightning_gen.checkpoint import FOLDER
from lightning_gen.metrics.report import compact
from lightning_gen.outputs import REPORT

Report = tuple[dict[str, float], dict[str, Any]]
"""The figures and the protocol of an evaluation."""


def evaluation_beside(path: Path) -> Path | None:
    """The latest evaluation of a checkpoint among the files beside it and in the folder of its run; None for none."""
    folders = [path.parent, *([path.parent.parent] if path.parent.name == FOLDER else [])]
    files = [file for folder in folders for file in folder.glob(f"*{REPORT.ending}") if is_report(file)]
    own = [file for file in files if Path(str(read_report(file)[1].get("checkpoint"))).name == path.name]
    return max(own, key=lambda file: file.stat().st_mtime, default=None)


def model_card(trained: Trained, report: Report | None) -> str:
    """The text of the README, in Markdown.

    Args:
        trained: The model.
        report: Its evaluation, or None.
    """
    module, data = trained.module, trained.described_data
    kind = type(module).__name__
    networks = ", ".join(f"{name} `{type(each).__name__}`" for name, each in module.applied_networks.items())
    shape = " x ".join(map(str, module.data_shape))
    classes = "" if module.num_classes is None else f" of {module.num_classes} classes"
    source = f", from {described(data)}" if "_class_path" in data else ""
    parts = [
        "---\nlibrary_name: lightning_gen\n---",
        f"# {kind}",
        f"Trained on {module.images_seen:,} {module.medium.noun} of shape {shape}{classes}{source}. "
        f"Networks: {networks}.",
        usage(module.reconstructs, module.has_prior, module.medium.unit),
    ]
    return "\n\n".join([*parts, *(unmeasured() if report is None else measured(*report))]) + "\n"


def described(data: Mapping[str, Any]) -> str:
    """Training data in words."""
    arguments = {name: value for name, value in data.items() if not name.startswith("_")}
    return f"`{compact({'class_path': data['_class_path'], 'init_args': arguments})}`"


def usage(reconstructs: bool, draws: bool, unit: str) -> str:
    """How the model is loaded and applied, in Python."""
    lines = ["from lightning_gen.applications import load", "", 'model = load("this_folder")']
    lines += ["samples = model.sample(8)  # (8, *shape)"] * draws
    lines += ["codes = model.encode(x)  # of x (n, *shape)", "rebuilt = model.decode(codes)"] * reconstructs
    code = "\n".join(lines)
    return f"```python\n{code}\n```\n\nLoading runs no code from the files. Values are {unit}."


def unmeasured() -> list[str]:
    """What the card says without an evaluation."""
    return ["It was not evaluated: `lightning_gen evaluate CHECKPOINT --output evaluation.json` measures it."]


def measured(figures: Mapping[str, float], card: Mapping[str, Any]) -> list[str]:
    """The figures with their meanings, and the protocol."""
    meanings = card.get("meanings", {})
    lines = ["| figure | value | |", "| --- | ---: | --- |"]
    lines += [
        f"| {name} | {value:.5g} | {str(meanings.get(name, '')).replace('|', ' ')} |" for name, value in figures.items()
    ]
    kept = {name: value for name, value in card.items() if name not in ("meanings", "checkpoint")}
    return [
        "## Figures",
        "\n".join(lines),
        "A figure can only be compared with one that was measured in the same way:",
        f"```json\n{json.dumps(kept, indent=2)}\n```",
    ]
