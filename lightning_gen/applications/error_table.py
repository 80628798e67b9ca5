"""The errors of reconstructions by the names of the samples, as a table, in a file and as a report."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from lightning_gen.media import Medium
from lightning_gen.metrics.comparison import Comparison, aligned
from lightning_gen.metrics.report import Measurement, Report
from lightning_gen.outputs import Kind, writing

ERRORS = Kind("table of errors", ".csv", re.compile(rb"name,mse"))
LISTED = 10
"""Number of samples whose errors are printed."""


@dataclass(frozen=True, eq=False)
class ErrorTable:
    """The errors of reconstructions.

    Attributes:
        names: The names of the samples.
        mse: The mean squared error of each, in the medium's `error_unit`, ``(n,)``.
        medium: The kind of the samples.
    """

    names: Sequence[str]
    mse: Tensor
    medium: Medium

    @property
    def psnr_db(self) -> Tensor | None:
        """The peak signal-to-noise ratio of each in dB, ``(n,)``; infinite for an error of 0, and None for media
        that do not have it.
        """
        return -10 * self.mse.log10() if self.medium.has_psnr else None

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return ("name", "mse") if self.psnr_db is None else ("name", "mse", "psnr_db")

    def rows(self, order: Sequence[int]) -> list[list[str]]:
        """The rows of some samples."""
        psnr = self.psnr_db
        rows = [[self.names[index], f"{self.mse[index]:.6g}"] for index in order]
        return rows if psnr is None else [[*row, f"{psnr[i]:.2f}"] for row, i in zip(rows, order, strict=True)]

    def to_text(self) -> list[str]:
        """Lines with the errors of all samples, or of those with the largest errors where there are many."""
        if len(self.names) <= LISTED:
            return aligned([list(self.columns), *self.rows(range(len(self.names)))])
        order = self.mse.argsort(descending=True, stable=True)[:LISTED].tolist()
        return [
            f"the {LISTED} largest errors of {len(self.names):,}",
            *aligned([list(self.columns), *self.rows(order)]),
        ]

    def write(self, target: Path) -> None:
        """Write all rows as comma-separated values in UTF-8, in the order of the names.

        Raises:
            InputError: The file cannot be written.
        """
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows([self.columns, *self.rows(range(len(self.names)))])
        with writing(target) as file:
            file.write(text.getvalue().encode(errors="surrogateescape"))

    def report(self, prefix: str = "", of: str = "the samples", title: str = "reconstructions") -> Report:
        """The means with their spreads, as a row of a table.

        Args:
            prefix: Prefix of the names of the measurements.
            of: What is measured, in words.
            title: The title of the row.
        """
        found = [
            measured(f"{prefix}mse", self.mse, f"mean squared error {self.medium.error_unit}, of {of}, lower is better")
        ]
        if self.psnr_db is not None:
            meaning = f"peak signal-to-noise ratio in dB, mean over {self.medium.noun}, of {of}, higher is better"
            found.append(measured(f"{prefix}psnr_db", self.psnr_db, meaning))
        return Report(tuple(found), comparison=Comparison(self.columns[1:], {prefix: title}))


def measured(name: str, values: Tensor, meaning: str) -> Measurement:
    """The mean of values with the least and the greatest one."""
    return Measurement(name, float(values.mean()), meaning, (float(values.min()), float(values.max())))
