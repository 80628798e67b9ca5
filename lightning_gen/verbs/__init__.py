"""The verbs beside fit, validate, test and predict: what is done without a Trainer, or around one. One file a verb."""

from collections.abc import Callable

from lightning_gen.verbs.bench import bench
from lightning_gen.verbs.evaluate import evaluate
from lightning_gen.verbs.sample import sample

VERBS: dict[str, Callable[..., None]] = {"sample": sample, "evaluate": evaluate, "bench": bench}
"""The verbs by name; a verb is a function, its arguments are the options and its docstring the help.

One that takes ``*words`` gets the words of the command that are none of its options.
"""
