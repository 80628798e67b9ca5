"""The verbs beside fit, validate, test and predict: what is done with a trained model. One file a verb."""

from collections.abc import Callable

from lightning_gen.verbs.evaluate import evaluate
from lightning_gen.verbs.sample import sample

VERBS: dict[str, Callable[..., None]] = {"sample": sample, "evaluate": evaluate}
"""The verbs by name; a verb is a function, its arguments are the options and its docstring the help."""
