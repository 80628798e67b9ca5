"""``python -m lightning_gen``."""

import torch

from lightning_gen.cli import main
from lightning_gen.signals import Preempted
from lightning_gen.terminal import prepare


def command() -> None:
    """Run the command line as a process, and destroy the process group at its end.

    The process group is destroyed before the interpreter exits: its threads could abort an exiting process, and a
    scheduler would then count a run that is complete or asks for a requeue as failed. After an error it is not
    destroyed, because other processes may still wait in it.
    """
    prepare()
    try:
        main()
    except Preempted:
        leave()
        raise
    leave()


def leave() -> None:
    """Destroy the process group, if there is one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    command()
