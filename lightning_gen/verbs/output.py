"""Where a verb's report goes: to the terminal, and to a JSON file."""

import shutil
from pathlib import Path

from lightning_gen.errors import InputError
from lightning_gen.metrics import Report
from lightning_gen.metrics.report import WIDTH


def output_file(output: str | None, name: str) -> Path | None:
    """The file of ``--output``, checked before anything is measured.

    Args:
        output: What the user gave.
        name: What a file may be called where it is a folder.

    Raises:
        InputError: It is one.
    """
    target = None if output is None else Path(output)
    if target is not None and target.is_dir():
        raise InputError(f"--output {target} is a folder: give a file in it, such as {target / name}")
    return target


def show(report: Report, target: Path | None) -> None:
    """Print a report, and write it as JSON where there is a file for it."""
    print(report.to_text(shutil.get_terminal_size((WIDTH, 0)).columns))
    if target is not None:
        replaced = target.exists()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(report.to_json(), encoding="utf-8")
        print(f"\nwritten to {target}" + (" (an older file was replaced)" if replaced else ""))
