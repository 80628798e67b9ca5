"""The modules of a user that a command imports first."""

import argparse
import importlib
import os
import sys

from lightning_gen import checkpoint as checkpoints
from lightning_gen.errors import InputError


def import_named(argv: list[str]) -> list[str]:
    """Import the modules that ``--import`` names, such as those of a user's own parts; returns the rest.

    This is how a user says that checkpoints may name the classes of a module.

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
