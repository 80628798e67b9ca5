"""``--import``: a user's modules that a command imports first."""

import argparse
import importlib
import os
import sys
import traceback

from lightning_gen import checkpoint as checkpoints
from lightning_gen import signals
from lightning_gen.errors import InputError

IMPORTING = ("<", os.path.dirname(importlib.__file__), __file__)
"""The beginnings of the names of files that import others, in which a module that cannot be read fails."""


def import_named(argv: list[str]) -> list[str]:
    """Import the modules that ``--import`` names, and let checkpoints name their classes.

    Args:
        argv: The command line after the program's name.

    Returns:
        The command line without ``--import``.

    Raises:
        InputError: There is no such module, or it cannot be imported.
    """
    if argv and argv[-1] == "--import":
        raise InputError("--import needs the name of a module after it, such as my_parts for my_parts.py")
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--import", action="append", default=[], dest="modules")
    known, others = parser.parse_known_args(argv)
    for name in known.modules:
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        import_module(name)
        checkpoints.trust(name)
    return others


def import_module(name: str) -> None:
    """Import a module.

    Raises:
        InputError: There is no such module, or its code raises an error.
    """
    if not name or name.startswith(".") or name.endswith(".py") or os.sep in name:
        raise InputError(f"--import '{name}' is no name of a module: {correct_name(name)}")
    try:
        importlib.import_module(name)
    except (InputError, signals.Preempted):
        raise
    except ModuleNotFoundError as error:
        raise InputError(f"--import {name}: {error}; {not_found(name, error)}") from error
    except (Exception, SystemExit) as error:
        raise InputError(
            f"--import {name} fails{place_of(error)} with {type(error).__name__}: {getattr(error, 'msg', error)}; "
            f"correct it, `python -c 'import {name}'` prints the traceback"
        ) from error


def not_found(name: str, error: ModuleNotFoundError) -> str:
    """What to do where a module, or one that it imports, is not found."""
    if f"{name}.".startswith(f"{error.name}."):
        return "run from the folder that holds it, or install it"
    return f"{name} imports it: install it, or run from the folder that holds it"


def correct_name(name: str) -> str:
    """The name of the module in a file, for a path instead of a name."""
    parts = [part.strip(".") for part in name.removesuffix(".py").split(os.sep) if part.strip(".")]
    return f"give {'.'.join(parts)}" if parts else "give my_parts for my_parts.py"


def place_of(error: BaseException) -> str:
    """The file and the line where a module raised an error, for a message; empty if they are unknown."""
    if isinstance(error, SyntaxError):
        places = [(error.filename, error.lineno)]
    else:
        places = [(each.filename, each.lineno) for each in traceback.extract_tb(error.__traceback__)]
    known = [(file, line) for file, line in places if file and line and not file.startswith(IMPORTING)]
    return f" in {known[-1][0]}, line {known[-1][1]}," if known else ""
