"""A run of ``fit`` in this process, measured."""

import contextlib
import io
import json
import tempfile
import time
from collections.abc import Iterator, Sequence

import torch

from lightning_gen.bench.records import Run
from lightning_gen.bench.turns import Turns
from lightning_gen.reflection import class_path


def measured(words: Sequence[str], warm_up: int, steps: int, beside: bool = True) -> Run:
    """Run ``fit`` with all that it does by default but validation, in a folder that does not stay, and measure it.

    Args:
        words: What ``fit`` is told.
        warm_up: Steps that are not timed, at least 1.
        steps: Steps that are, at least 1.
        beside: Whether a loop by hand takes turns with it.

    Raises:
        InputError: It cannot be done as asked.
    """
    from lightning_gen import cli  # it knows all verbs, and one of them is made of this

    torch.compiler.reset()  # it compiles a network only so many times in a process
    arguments = {"since": time.perf_counter(), "warm_up": warm_up, "steps": steps, "beside": beside}
    turns = {"class_path": class_path(Turns), "init_args": arguments}
    with tempfile.TemporaryDirectory() as folder, quiet():
        done = cli.lightning(
            [
                *("fit", *words, "--runs_dir", folder),
                f"--trainer.callbacks+={json.dumps(turns)}",
                *("--trainer.devices", "1", "--trainer.num_nodes", "1"),
                *("--trainer.limit_val_batches", "0"),  # how often to validate is the user's choice, no cost of a step
                *("--max_images", str(10**9)),
            ]
        )
    (found,) = (callback for callback in done.trainer.callbacks if isinstance(callback, Turns))  # type: ignore[attr-defined]
    assert found.run is not None
    return found.run


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop what a run says."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
