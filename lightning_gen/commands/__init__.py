"""The commands that do not run a Trainer themselves, a file each."""

from collections.abc import Callable

from lightning_gen.commands.bench import bench
from lightning_gen.commands.doctor import doctor
from lightning_gen.commands.evaluate import evaluate
from lightning_gen.commands.reconstruct import reconstruct
from lightning_gen.commands.sample import sample

COMMANDS: dict[str, Callable[..., None]] = {
    "sample": sample,
    "evaluate": evaluate,
    "reconstruct": reconstruct,
    "bench": bench,
    "doctor": doctor,
}
"""The commands by name; a command is a function whose arguments are the options and whose docstring is the help.

A command with ``*argv`` gets the part of the command line that is none of its options. A command with ``fit`` gets a
function that runs ``fit`` with such a command line and returns its Trainer.
"""
