"""``python -m lightning_gen``."""

from lightning_gen.cli import main
from lightning_gen.signals import Preempted
from lightning_gen.terminal import prepare
from lightning_gen.training.collectives import leave_group


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
        leave_group()
        raise
    leave_group()


if __name__ == "__main__":
    command()
