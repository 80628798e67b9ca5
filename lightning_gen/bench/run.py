"""Measures a run of ``fit`` in this process."""

import contextlib
import io
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import torch
from lightning.pytorch import Trainer

from lightning_gen.bench.interleaving import Interleaving
from lightning_gen.bench.records import Run
from lightning_gen.reflection import class_path

Fit: TypeAlias = Callable[[Sequence[str]], Trainer]
"""Runs ``fit`` in this process with a command line; returns the Trainer that trained."""


def measured(fit: Fit, argv: Sequence[str], warm_up: int, steps: int, beside: bool = True) -> Run:
    """Measure a run of ``fit``, with its defaults but without validation, in a temporary folder.

    Args:
        fit: Runs ``fit`` with a command line and returns its Trainer.
        argv: The command line after ``fit``.
        warm_up: Steps that are not timed, at least 1.
        steps: Steps that are timed, at least 1.
        beside: Whether a reference loop is interleaved with it.

    Raises:
        InputError: The command cannot be run as given.
    """
    torch.compiler.reset()  # torch compiles a network only a limited number of times in a process
    arguments = {"since": time.perf_counter(), "warm_up": warm_up, "steps": steps, "beside": beside}
    interleaving = {"class_path": class_path(Interleaving), "init_args": arguments}
    with tempfile.TemporaryDirectory() as folder, quiet():
        trainer = fit(
            [
                *(*argv, "--runs_dir", folder),
                f"--trainer.callbacks+={json.dumps(interleaving)}",
                *("--trainer.devices", "1", "--trainer.num_nodes", "1"),
                *(
                    "--trainer.limit_val_batches",
                    "0",
                ),  # validation is not part of a step
                *("--max_images", str(10**9), "--sampler", "null"),
            ]
        )
    (found,) = (callback for callback in trainer.callbacks if isinstance(callback, Interleaving))  # type: ignore[attr-defined]
    assert found.run is not None
    return found.run


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop what a run prints."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
