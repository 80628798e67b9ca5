"""``--import``: a user's modules that a command imports first."""

import argparse
import importlib
import os
import sys

from lightning_gen import checkpoint as checkpoints
from lightning_gen.errors import InputError


def import_named(argv: list[str]) -> list[str]:
    """Import the modules that ``--import`` names, and let checkpoints name their classes.

    Args:
        argv: The command line after the program's name.

    Returns:
        The command line without ``--import``.

    Raises:
        InputError: There is no such module.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--import", action="append", default=[], dest="modules")
    known, others = parser.parse_known_args(argv)
    for name in known.modules:
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise InputError(f"--import {name}: {error}; run from the folder that holds it, or install it") from error
        checkpoints.trust(name)
    return others
