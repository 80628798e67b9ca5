"""Commands of the package as a user types them in this folder."""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch import LightningModule

from lightning_gen.checkpoint import foreign_modules


def command_line(argv: Sequence[str], module: LightningModule) -> str:
    """A command of the package on a checkpoint of a module, as a user types it in this folder."""
    own = [word for name in foreign_modules(dict(module.hparams)) for word in ("--import", name)]
    return f"{python()} -m lightning_gen {shlex.join([*argv, *own])}"


def python() -> str:
    """The running Python as a command in this folder: ``python`` if that is it, else its path."""
    found = shutil.which("python")
    if found is not None and Path(found).absolute() == Path(sys.executable).absolute():
        return "python"
    try:
        return shlex.quote(os.fspath(Path(sys.executable).relative_to(Path.cwd())))
    except ValueError:
        return shlex.quote(sys.executable)
