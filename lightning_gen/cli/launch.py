"""Checks of how the processes of a run are started."""

import os
import socket
from collections.abc import Sequence
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from lightning.pytorch.strategies import ParallelStrategy

from lightning_gen import private
from lightning_gen.environment import RANKS
from lightning_gen.errors import InputError

PROCESSES_ON_A_CPU = 8
"""Number of processes that a CPU run may have even on fewer processors, to try out a run of several devices."""


def environment(plugins: Sequence[Any]) -> list[ClusterEnvironment]:
    """SLURM's environment for a Trainer in a SLURM job, without Lightning's saving inside a signal handler.

    Args:
        plugins: The user's plugins, which may include an environment.
    """
    chosen = any(isinstance(plugin, ClusterEnvironment) for plugin in plugins)
    if chosen or TorchElasticEnvironment.detect() or "SLURM_NTASKS" not in os.environ or not SLURMEnvironment.detect():
        return []
    return [SLURMEnvironment(auto_requeue=False)]


def check_launch(trainer: Trainer) -> None:
    """Refuse a run that would wait for processes that are not started, and more processes than a machine can run.

    Raises:
        InputError: The run has several nodes or tasks and this is its only process, the environment variables of a
            launcher do not fit the run, or it has too many processes for this machine.
        ValueError: The Trainer and the launcher differ in the number of processes; the message is Lightning's.
    """
    launcher = private.cluster_environment(trainer)
    if trainer.world_size == 1:
        check_alone()
    if isinstance(launcher, LightningEnvironment):
        check_own_launch(trainer, launcher)
    if isinstance(launcher, SLURMEnvironment):
        tasks = os.environ.get("SLURM_NTASKS", "1")
        if tasks != "1" and "SLURM_STEP_ID" not in os.environ:
            raise InputError(f"this SLURM job has {tasks} tasks and only one was started: put srun before the command")
    launcher.validate_settings(trainer.num_devices, trainer.num_nodes)


def check_alone() -> None:
    """Refuse a run of one process whose environment gives it a rank above 0: it would write and print nothing.

    Raises:
        InputError: The environment has such a rank.
    """
    name = next((name for name in RANKS if name in os.environ), None)
    if name is not None and os.environ[name] != "0":
        raise InputError(
            f"{name} is {os.environ[name]} in the environment, as in a process of a run on several devices, but this "
            f"run is on one: enter unset {name}, or set --trainer.devices, and --trainer.num_nodes, to the devices of "
            "all processes"
        )


def check_own_launch(trainer: Trainer, launcher: LightningEnvironment) -> None:
    """Check a run whose processes Lightning or the user starts, without a launcher.

    Raises:
        InputError: The others are not started, could not connect to this one, or are too many.
    """
    if trainer.num_nodes > 1 and "NODE_RANK" not in os.environ:
        raise InputError(
            f"--trainer.num_nodes {trainer.num_nodes} waits for processes that are not started: start the command with "
            "srun or torchrun on all nodes, as configs/cluster does"
        )
    if not isinstance(trainer.strategy, ParallelStrategy):
        return
    if trainer.num_nodes == 1 and launcher.node_rank() > 0:
        name = "NODE_RANK" if "NODE_RANK" in os.environ else "GROUP_RANK"
        raise InputError(
            f"{name} is {os.environ[name]} in the environment, but this run is on one node: enter unset {name}, or set "
            "--trainer.num_nodes"
        )
    if launcher.creates_processes_externally and trainer.world_size > 1:
        check_started_by_user(trainer)
        return
    if trainer.num_nodes == 1 and not is_here(launcher.main_address):
        raise InputError(
            f"MASTER_ADDR is {launcher.main_address} in the environment, which is no address of this machine, but the "
            "run is on one: enter unset MASTER_ADDR"
        )
    most = max(os.cpu_count() or 1, PROCESSES_ON_A_CPU)
    if isinstance(trainer.accelerator, CPUAccelerator) and trainer.num_devices > most:
        raise InputError(
            f"--trainer.devices {trainer.num_devices} would start as many processes on the {os.cpu_count()} processors "
            f"of this machine: set it to {most} or less; 1 is fastest where one process can use all of them"
        )


def check_started_by_user(trainer: Trainer) -> None:
    """Check one of several processes that the user has started.

    Raises:
        InputError: It could not connect to the others, or its rank is too high.
    """
    rank = os.environ["LOCAL_RANK"]
    fits = rank.isdecimal() and int(rank) < trainer.num_devices
    if fits and "MASTER_PORT" in os.environ:
        return
    why = "MASTER_PORT is not set, so they could not connect" if fits else "none of them has that rank"
    raise InputError(
        f"LOCAL_RANK is {rank} in the environment, as if you had started the {trainer.num_devices} processes of "
        f"this run, but {why}: enter unset LOCAL_RANK to let Lightning start them"
    )


def is_here(address: str) -> bool:
    """Whether an address is one of this machine, on which a socket can listen."""
    try:
        found = socket.getaddrinfo(address, 0, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, place in found:
            with socket.socket(family, kind, protocol) as listener:
                listener.bind(place)
    except OSError:
        return False
    return True
