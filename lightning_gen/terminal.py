"""Printing: on every terminal, without control characters from names, and also after the reader has gone."""

import errno
import io
import os
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, TextIO


def printable(text: str) -> str:
    r"""Text with all characters escaped that are not printable, but for line breaks.

    >>> printable("runs/\x1b[2Jx")
    'runs/\\x1b[2Jx'
    """
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode() for each in text
    )


def say(text: str, to: TextIO | None = None) -> None:
    """Print a text for the user.

    Args:
        text: Lines; they may contain names from untrusted files.
        to: ``sys.stderr`` for everything but results; None for ``sys.stdout``.
    """
    print(printable(text), file=to, flush=True)


class Output(io.FileIO):
    """A terminal or pipe that discards what is written after its reader has gone.

    A reader that has ended, as in ``... | head -1``, or a terminal that was closed is no reason for a run to end.
    """

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Write, or discard the data if nobody reads."""
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EIO):
                raise
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(data)


def outliving(stream: TextIO | None) -> TextIO:
    """A replacement for a stream of the process that can be written to after its reader has gone.

    It escapes characters that the terminal's encoding does not have.

    Args:
        stream: ``sys.stdout`` or ``sys.stderr``; None if the process has none.
    """
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    stream.flush()
    raw = Output(stream.fileno(), "w", closefd=False)
    lines = stream.isatty() or stream is sys.stderr
    buffer: Any = io.BufferedWriter(raw)  # type: ignore[type-var]
    return io.TextIOWrapper(buffer, stream.encoding, "backslashreplace", line_buffering=lines)


def prepare() -> None:
    """Replace this process's streams by `outliving` ones, and print warnings by `warning_line`."""
    sys.stdout, sys.stderr = outliving(sys.stdout), outliving(sys.stderr)
    warnings.formatwarning = partial(warning_line, warnings.formatwarning)


def warning_line(usual: Callable[..., str], message: Warning | str, category: Any, file: str, *place: Any) -> str:
    """A warning as it is printed, `printable`: one of this package without its place, which says nothing to users.

    Args:
        usual: How those of others are printed.
        message: The warning.
        category: Its class.
        file: The file that it is from.
        place: The line in the file, and its text.
    """
    own = file.startswith(os.path.dirname(__file__))
    return printable(f"warning: {message}\n" if own else usual(message, category, file, *place))
