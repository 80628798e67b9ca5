"""The commands beside fit, validate, test and predict: they need no Trainer, or are around one. One file a command."""

from collections.abc import Callable

from lightning_gen.commands.bench import bench
from lightning_gen.commands.evaluate import evaluate
from lightning_gen.commands.sample import sample

COMMANDS: dict[str, Callable[..., None]] = {"sample": sample, "evaluate": evaluate, "bench": bench}
"""The commands by name; a command is a function, its arguments are the options and its docstring the help.

One that takes ``*argv`` gets the words of the command line that are none of its options. One that takes ``fit`` gets
the function that runs ``fit`` with such words and returns its Trainer.
"""
