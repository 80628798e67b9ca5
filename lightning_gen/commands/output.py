"""The output of a command's report: to a JSON file and to the terminal."""

import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from torch import Tensor

from lightning_gen.data.decoder import extensions
from lightning_gen.errors import InputError
from lightning_gen.media.files import save
from lightning_gen.metrics.report import WIDTH
from lightning_gen.outputs import PNG, REPORT, check_place, writing
from lightning_gen.paths import expanded, written
from lightning_gen.terminal import say


class Shown(Protocol):
    """A report of a command."""

    def to_json(self) -> str:
        """The report as standard JSON."""

    def to_text(self, width: int) -> str:
        """The report as text, for a terminal of so many columns."""


def tell(notes: Iterable[str]) -> None:
    """Print what was done to inputs on stderr."""
    for note in notes:
        say(note, sys.stderr)


def check_apart(targets: Iterable[Path], inputs: Iterable[str]) -> None:
    """Check that no file is written twice or over an input, which is a file or a picture in a folder.

    Args:
        targets: The files that are written.
        inputs: What the command reads, as the user names it.

    Raises:
        InputError: One would be.
    """
    places = [target.resolve() for target in targets]
    for place, count in Counter(places).items():
        if count > 1:
            raise InputError(f"{place} would be written twice: give each option a file of its own")
    given = {path.resolve() for path in map(expanded, inputs) if path.exists()}
    for place in filter(Path.exists, places):
        read = place.name.lower().endswith(extensions()) and not given.isdisjoint(place.parents)
        if place in given or read:
            raise InputError(f"{place} is one of the inputs and would be lost: give another --out")


def output_file(output: str | None, name: str, *pictures: str) -> Path | None:
    """The file of ``--output``, checked before anything is measured.

    Args:
        output: The option's value.
        name: A file name to suggest where `output` is a folder.
        *pictures: Names of the images that are written beside it; see `beside`.

    Raises:
        InputError: It is a URL or a folder, does not end in ``.json``, or would replace a file that is no report.
    """
    if output is None:
        return None
    target = written(output)
    if target.is_dir():
        raise InputError(f"--output {target} is a folder: give a file in it, such as {shlex.quote(str(target / name))}")
    if target.suffix != REPORT.ending:
        raise InputError(f"--output {target} is written as JSON: give a name that ends in .json, such as {name}")
    check_place(target, REPORT)
    for picture in pictures:
        check_place(beside(target, picture), PNG)
    return target


def beside(target: Path, name: str) -> Path:
    """The file of an image that belongs to a report."""
    return target.with_name(f"{target.stem}_{name}.png")


def show(report: Shown, target: Path | None, pictures: Mapping[str, Tensor] | None = None) -> None:
    """Write a report as JSON if there is a file for it, its images beside that, and print it, even if the file cannot
    be written.

    Args:
        report: The report.
        target: The file, or None.
        pictures: Images of the report by name.

    Raises:
        InputError: The file cannot be written.
    """
    replaced = target is not None and target.exists()
    try:
        if target is not None:
            with writing(target) as file:
                file.write(report.to_json().encode())
            for name, picture in (pictures or {}).items():
                save(picture, beside(target, name))
    finally:
        say(report.to_text(shutil.get_terminal_size((WIDTH, 0)).columns))
    if target is not None:
        say(f"\nwritten to {target}" + (" (an older file was replaced)" if replaced else ""))
        for name in pictures or {}:
            say(f"written to {beside(target, name)}")
