"""Where the report of a command goes: to a JSON file, and to the terminal."""

import shutil
from pathlib import Path

from lightning_gen.errors import InputError
from lightning_gen.metrics import Report
from lightning_gen.metrics.report import WIDTH
from lightning_gen.outputs import REPORT, check_place, writing
from lightning_gen.paths import written
from lightning_gen.terminal import say


def output_file(output: str | None, name: str) -> Path | None:
    """The file of ``--output``, checked before anything is measured.

    Args:
        output: What the user gave.
        name: What a file may be called where it is a folder.

    Raises:
        InputError: It is an address or a folder, is not called as JSON is, or would replace something else than an
            older report.
    """
    if output is None:
        return None
    target = written(output)
    if target.is_dir():
        raise InputError(f"--output {target} is a folder: give a file in it, such as {target / name}")
    if target.suffix != REPORT.ending:
        raise InputError(f"--output {target} is written as JSON: give a name that ends in .json, such as {name}")
    check_place(target, REPORT)
    return target


def show(report: Report, target: Path | None) -> None:
    """Write a report as JSON where there is a file for it, and print it, also where the file cannot be written.

    Raises:
        InputError: It cannot.
    """
    replaced = target is not None and target.exists()
    try:
        if target is not None:
            with writing(target) as file:
                file.write(report.to_json().encode())
    finally:
        say(report.to_text(shutil.get_terminal_size((WIDTH, 0)).columns))
    if target is not None:
        say(f"\nwritten to {target}" + (" (an older file was replaced)" if replaced else ""))
