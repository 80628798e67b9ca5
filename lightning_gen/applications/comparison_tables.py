"""Tables of compared evaluations: as text for a terminal, in Markdown, as CSV, and as a page for a browser."""

import base64
import csv
import html
import io
from collections.abc import Callable
from pathlib import Path

from lightning_gen.applications.comparison import ComparedEvaluations
from lightning_gen.metrics.report import wrapped
from lightning_gen.outputs import PNG

LONGEST = 60
"""Longest value of a protocol in the head of a column, in letters."""
ARROWS = {min: "↓", max: "↑", None: ""}
"""What the head of a column says of the better direction."""
FOOT = (
    "± is the standard deviation over runs, or over the evaluations of one run. Bold is better than every other model "
    "of the column: their 95 % intervals (Student's t) do not overlap. One evaluation has no interval and no rank. "
    "Figures that were measured in different ways stand in different columns."
)
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Comparison</title><style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem; color: #1c2330; background: #fff }}
div {{ overflow-x: auto; margin-bottom: 2rem }}
table {{ border-collapse: collapse }}
th, td {{ padding: .45rem .8rem; border-bottom: 1px solid #d8dde6; text-align: right }}
th, td {{ vertical-align: top; white-space: nowrap }}
th:first-child, td:first-child {{ text-align: left }}
thead th {{ border-bottom: 2px solid #8b95a7; cursor: help }}
tr.floor {{ color: #667085; font-style: italic }}
small {{ display: block; font-weight: normal; color: #667085; white-space: normal; max-width: 18rem }}
img {{ display: block; margin-top: .5rem; max-width: 320px; image-rendering: pixelated }}
</style></head><body>
{tables}
<p>{foot}</p>
</body></html>
"""


def cell_text(found: ComparedEvaluations, row: int, column: int) -> str:
    """A number with its deviation, and how much it differs from the baseline; empty where there is none."""
    cell = found.cells.get((row, column))
    if cell is None:
        return ""
    spread = "" if cell.deviation is None else f" ± {cell.deviation:.2g}"
    change = found.change(row, column)
    return f"{cell.mean:.5g}{spread}" + ("" if change is None else f" ({change:+.3g})")


def head_lines(found: ComparedEvaluations, column: int) -> list[str]:
    """The name of a figure with an arrow, and what tells the column apart from others of the figure."""
    each = found.columns[column]
    lines = [f"{name} {shortened(value)}" for name, value in each.differences.items()]
    return [f"{each.figure} {ARROWS[each.best]}".strip(), *lines]


def shortened(text: str) -> str:
    """A text of at most `LONGEST` letters."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def row_lines(found: ComparedEvaluations, row: int) -> list[str]:
    """The name of a row, and what it is of."""
    each = found.rows[row]
    name = each.name + (" (baseline)" if row == found.baseline else "")
    return [name, *([each.detail] if each.detail else [])]


# text -----------------------------------------------------------------------------------------------------------------


def to_text(found: ComparedEvaluations, width: int) -> str:
    """The tables for a terminal, cut between columns into as many as lines of so many letters need."""
    parts = []
    for _, columns in found.tables():
        blocks: list[list[int]] = []
        for column in columns:
            same = bool(blocks) and head_lines(found, column)[1:] == head_lines(found, blocks[-1][0])[1:]
            if not same or len(max(table_lines(found, [*blocks[-1], column]), key=len)) > width:
                blocks.append([])
            blocks[-1].append(column)
        for block in blocks:
            above = [line for name in head_lines(found, block[0])[1:] for line in wrapped(name, width)]
            parts.append("\n".join([*above, *table_lines(found, block)]))
    return "\n\n".join([*parts, "\n".join(wrapped(FOOT.replace("Bold", "*"), width))])


def table_lines(found: ComparedEvaluations, columns: list[int]) -> list[str]:
    """Aligned columns, with the rows that have numbers in them: names to the left and numbers to the right."""
    rows = found.rows_of(columns)
    cells = [["", *(", ".join(row_lines(found, row)) for row in rows)]]
    for column in columns:
        numbers = (cell_text(found, row, column) + "*" * is_best(found, row, column) for row in rows)
        cells.append([head_lines(found, column)[0], *numbers])
    widths = [max(map(len, column)) for column in cells]
    return [
        "  ".join([name.ljust(widths[0]), *map(str.rjust, numbers, widths[1:])]).rstrip()
        for name, *numbers in zip(*cells, strict=True)
    ]


def is_best(found: ComparedEvaluations, row: int, column: int) -> bool:
    """Whether a cell is the best of its column for certain."""
    return (row, column) in found.cells and found.cells[row, column].best


# files ----------------------------------------------------------------------------------------------------------------


def to_markdown(found: ComparedEvaluations) -> str:
    """The tables in GitHub's Markdown."""
    parts = []
    for rows, columns in found.tables():
        heads = ["<br>".join(map(plain_cell, head_lines(found, column))) for column in columns]
        lines = [f"| | {' | '.join(heads)} |", f"| --- |{' ---: |' * len(columns)}"]
        for row in rows:
            cells = [cell_text(found, row, column) for column in columns]
            bold = [
                f"**{cell}**" if is_best(found, row, column) else cell
                for cell, column in zip(cells, columns, strict=True)
            ]
            lines.append(f"| {plain_cell(', '.join(row_lines(found, row)))} | {' | '.join(bold)} |")
        parts.append("\n".join(lines))
    return "\n\n".join([*parts, FOOT]) + "\n"


def plain_cell(text: str) -> str:
    """A text for a cell of Markdown, without a meaning of its own."""
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|")


def to_csv(found: ComparedEvaluations) -> str:
    """A line for each number, for programs: row, kind, figure, protocol, mean, deviation, interval, count, best."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(
        ["row", "kind", "figure", "differs_in", "mean", "deviation", "interval_low", "interval_high", "n", "best"]
    )
    for (row, column), cell in sorted(found.cells.items()):
        each = found.columns[column]
        differs = "; ".join(f"{name}={value}" for name, value in each.differences.items())
        kind = "floor or ceiling" if found.rows[row].floor else "model"
        interval = cell.interval or ("", "")
        deviation = "" if cell.deviation is None else cell.deviation
        place = [found.rows[row].name, kind, each.figure, differs]
        writer.writerow([*place, cell.mean, deviation, *interval, cell.count, str(cell.best).lower()])
    return lines.getvalue()


def to_html(found: ComparedEvaluations) -> str:
    """A page that needs no other file: the tables, with pictures of samples beside the figures of each model."""
    parts, pictured = [], set[int]()
    for rows, columns in found.tables():
        heads = "".join(
            f'<th title="{html.escape(found.columns[column].meaning)}">{lines_html(head_lines(found, column))}</th>'
            for column in columns
        )
        body = ""
        for row in rows:
            pictures = "" if row in pictured else "".join(map(picture_html, found.rows[row].pictures))
            pictured.add(row)
            cells = "".join(f"<td>{cell_html(found, row, column)}</td>" for column in columns)
            kind = ' class="floor"' if found.rows[row].floor else ""
            body += f"<tr{kind}><td>{lines_html(row_lines(found, row))}{pictures}</td>{cells}</tr>\n"
        parts.append(f"<div><table><thead><tr><th></th>{heads}</tr></thead>\n<tbody>{body}</tbody></table></div>")
    return PAGE.format(tables="\n".join(parts), foot=html.escape(FOOT))


def lines_html(lines: list[str]) -> str:
    """The first line, and the others in small letters."""
    first, *others = map(html.escape, lines)
    return first + "".join(f"<small>{line}</small>" for line in others)


def cell_html(found: ComparedEvaluations, row: int, column: int) -> str:
    """A number, in bold letters if it is the best."""
    text = html.escape(cell_text(found, row, column))
    return f"<b>{text}</b>" if is_best(found, row, column) else text


def picture_html(path: Path) -> str:
    """An image with its bytes in the page; nothing where the file is none."""
    try:
        content = path.read_bytes()
    except OSError:
        return ""
    if PNG.start.match(content) is None:
        return ""
    name = html.escape(path.name)
    coded = base64.b64encode(content).decode()
    return f'<img alt="{name}" src="data:image/png;base64,{coded}"><small>{name}</small>'


WRITERS: dict[str, Callable[[ComparedEvaluations], str]] = {".md": to_markdown, ".csv": to_csv, ".html": to_html}
"""The form of a file by its ending."""
