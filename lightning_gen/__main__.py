"""``python -m lightning_gen``."""

import torch

from lightning_gen.cli import main
from lightning_gen.signals import Preempted
from lightning_gen.terminal import prepare


def command() -> None:
    """Run the command line as a process of its own, which leaves the processes beside it in order.

    The process group ends before the interpreter does: its threads could abort a process that ends around them, and a
    scheduler would take a run that is complete, or asked to be started again, for one that failed. After an error it is
    left alone: others may still wait in it.
    """
    prepare()
    try:
        main()
    except Preempted:
        leave()
        raise
    leave()


def leave() -> None:
    """End the process group, where there is one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    command()
