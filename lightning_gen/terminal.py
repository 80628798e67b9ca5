"""What is printed: on every terminal, without obeying what names hold, and for nobody where the reader has left."""

import errno
import io
import os
import sys
import warnings
from typing import Any, TextIO


def printable(text: str) -> str:
    r"""Text in which all that a terminal would obey, or not show, is written out; lines stay lines.

    >>> printable("runs/\x1b[2Jx")
    'runs/\\x1b[2Jx'
    """
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode() for each in text
    )


def say(text: str, to: TextIO | None = None) -> None:
    """Print what a user is to read.

    Args:
        text: Lines; names in it may come from anywhere.
        to: ``sys.stderr`` for what is no result; None for ``sys.stdout``.
    """
    print(printable(text), file=to, flush=True)


class Output(io.FileIO):
    """A terminal or pipe to which nobody may listen any more: what is written then goes nowhere.

    A reader has seen enough, as in ``... | head -1``, or a terminal was closed: no reason for a run to end.
    """

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Write, as long as somebody reads."""
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
    """A stream of the process in the place of another, to which can be written whatever happens to its reader.

    Characters that a terminal does not know are written out.

    Args:
        stream: ``sys.stdout`` or ``sys.stderr``; None where the process was started without.
    """
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    stream.flush()
    raw = Output(stream.fileno(), "w", closefd=False)
    lines = stream.isatty() or stream is sys.stderr
    buffer: Any = io.BufferedWriter(raw)  # type: ignore[type-var]
    return io.TextIOWrapper(buffer, stream.encoding, "backslashreplace", line_buffering=lines)


def prepare() -> None:
    """Let this process print whatever is at the other end, warnings included."""
    sys.stdout, sys.stderr = outliving(sys.stdout), outliving(sys.stderr)
    warn = warnings.formatwarning
    warnings.formatwarning = lambda *args, **options: printable(warn(*args, **options))
