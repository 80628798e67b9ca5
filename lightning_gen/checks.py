"""What is refused before anything is built or written, because it would do nothing or destroy something."""

import os
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from lightning_gen import recipes
from lightning_gen.callbacks.run import CONFIG
from lightning_gen.errors import InputError
from lightning_gen.files import require_free
from lightning_gen.training.strategies import SPLITS


def check_trainer(trainer: Namespace) -> None:
    """Refuse lengths that the Trainer would accept and do nothing with, and strategies that split parameters.

    Raises:
        InputError: A length is zero or negative, or the strategy is one of them.
    """
    strategy = trainer.strategy if isinstance(trainer.strategy, str) else trainer.strategy.class_path.rsplit(".")[-1]
    if any(word in strategy.lower() for word in ("fsdp", "deepspeed", "model_parallel", "modelparallel")):
        raise InputError(f"--trainer.strategy {strategy} {SPLITS}")
    for name in ("max_epochs", "max_steps"):
        value = trainer.get(name)
        if value is not None and value < 1 and value != -1:
            raise InputError(f"--trainer.{name} must be at least 1, or -1 for no limit, not {value}")


def check_alternating(trainer: Namespace) -> None:
    """Refuse the Trainer's own clipping and accumulation for networks that take turns, and name the module's.

    Raises:
        InputError: One of them is set.
    """
    if trainer.gradient_clip_val is not None:
        raise InputError(
            "networks that take turns are clipped each for itself: use --model.generator_clip, or "
            "--model.autoencoder_clip, and --model.discriminator_clip"
        )
    if trainer.accumulate_grad_batches != 1:
        raise InputError("networks that take turns accumulate by splitting each batch: use --model.accumulate")


def check_folder(folder: Path, ckpt_path: str | None, goes_on: bool, model: str) -> None:
    """Refuse to write over a run that is not being resumed, or into one that another process trains.

    Args:
        folder: The run's folder.
        ckpt_path: The checkpoint to start from.
        goes_on: Whether ``last`` was asked for; a run that left before its first checkpoint starts anew then.
        model: Path of the class that is to be trained.

    Raises:
        InputError: The folder holds a run, or another process has it.
    """
    check_place(folder)
    require_free(folder)
    config, states = folder / CONFIG, checkpoints_in(folder)
    if ckpt_path is not None and folder.resolve() in Path(ckpt_path).resolve().parents:
        return
    if goes_on and config.is_file() and not states:
        check_same_model(config, model)
    elif config.exists() or states:
        raise InputError(
            f"{folder} already holds a run: go on with it by adding --ckpt_path {last_or(states)}, or give the new run "
            f"a name of its own with --name {folder.name}-2"
        )


def check_place(folder: Path) -> None:
    """Check that a folder is there or can be made.

    Raises:
        InputError: A file is in its place or above it, or nothing may be written there.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InputError(f"{there} is a file and no folder for runs: give another --runs_dir or --name")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"nothing may be written to {there}: give another --runs_dir")


def checkpoints_in(folder: Path) -> list[Path]:
    """The checkpoints of a run, by name."""
    return sorted((folder / "checkpoints").glob("*.ckpt"))


def last_or(states: Sequence[Path]) -> str:
    """What goes on with a run: ``last``, or the path of a state where that one is missing."""
    return "last" if not states or any(state.name == "last.ckpt" for state in states) else str(states[-1])


def check_same_model(config: Path, model: str) -> None:
    """Check that a run that starts anew is the one whose configuration is in its folder.

    Raises:
        InputError: It is of another class of module.
    """
    ours = model.rsplit(".")[-1]
    theirs = str((recipes.load(config).get("model") or {}).get("class_path", ours)).rsplit(".")[-1]
    if ours != theirs:
        raise InputError(
            f"{config.parent} is a run of {theirs} and this is {ours}: leave out --config to go on with that run as it "
            f"is, or give the new run a name of its own with --name {config.parent.name}-2"
        )
