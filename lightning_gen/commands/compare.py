"""The command ``compare``: evaluations of several models beside each other."""

import shutil

from lightning_gen.applications.comparison import compared
from lightning_gen.applications.comparison_tables import WRITERS, to_text
from lightning_gen.applications.evaluations import read_evaluations
from lightning_gen.commands.output import tell
from lightning_gen.errors import InputError
from lightning_gen.metrics.report import WIDTH
from lightning_gen.outputs import TABLES, check_product, writing
from lightning_gen.paths import written
from lightning_gen.terminal import say


def compare(
    evaluations: list[str], out: str | None = None, baseline: str | None = None, overwrite: bool = False
) -> None:
    """Print evaluations of models beside each other: only figures that were measured in the same way share a column.

    Runs of one configuration with other seeds become a mean with its standard deviation, and so do evaluations of one
    checkpoint with other seeds. Floors and ceilings are rows. The best figure is marked only where its 95 % interval
    overlaps with no other one.

    Args:
        evaluations: Files that evaluate --output wrote, and folders of runs that hold such files.
        out: A file for the table, ending in .md, .csv or .html; the page also shows the samples in the folders of the
            runs. Printed alone if left out.
        baseline: The name of the row from which all others are shown to differ.
        overwrite: Whether a table may be replaced.

    Raises:
        InputError: An evaluation cannot be read, no two share a figure, or the table cannot be written.
    """
    target = None if out is None else written(out)
    if target is not None:
        if target.suffix not in WRITERS:
            raise InputError(f"--out {target} is a table: give a name that ends in {', '.join(WRITERS)}")
        check_product(target, TABLES[target.suffix], overwrite)
    found = compared(read_evaluations(evaluations), baseline)
    tell(found.notes)
    say(to_text(found, shutil.get_terminal_size((WIDTH, 0)).columns))
    if target is not None:
        with writing(target) as file:
            file.write(WRITERS[target.suffix](found).encode())
        say(f"\nwritten to {target}")
