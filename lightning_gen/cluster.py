"""Runs of several processes: who starts them, and in one sentence what went wrong between them."""

import os
import re
from collections.abc import Sequence
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)

from lightning_gen.errors import InputError

GOES_ON = "start the same command again with --ckpt_path last"
TIMEOUT = "--trainer.strategy DDPStrategy --trainer.strategy.timeout 0:30:00"
TROUBLES = {
    r"EADDRINUSE|address already in use": "another program has port {port} of {address}: set MASTER_PORT (PORT of "
    "the scripts in configs/cluster) to a free one",
    r"clients joined": (
        "not all processes of the run came: start all of them, each node's with the same MASTER_ADDR and MASTER_PORT, "
        f"or wait for them longer ({TIMEOUT})"
    ),
    r"timed out|timeout": (
        f"another process of the run did not answer in time: see whether it printed why; {GOES_ON}, and with "
        f"{TIMEOUT} if it was only slow"
    ),
    r"gloo|nccl|connection (closed|reset|refused|was)|broken pipe|failed to recv|recv.*size": (
        f"another process of the run has ended: see what it printed; {GOES_ON}"
    ),
}
"""What torch.distributed says, by its words, and what it means."""


def environment(plugins: Sequence[Any]) -> list[ClusterEnvironment]:
    """SLURM's environment, for a Trainer that finds itself in it: Lightning's own would save inside a signal handler.

    Args:
        plugins: The user's, who may have chosen an environment.
    """
    chosen = any(isinstance(plugin, ClusterEnvironment) for plugin in plugins)
    if chosen or TorchElasticEnvironment.detect() or "SLURM_NTASKS" not in os.environ or not SLURMEnvironment.detect():
        return []
    return [SLURMEnvironment(auto_requeue=False)]


def check_launch(trainer: Trainer) -> None:
    """Refuse what would wait for processes that nobody starts.

    Raises:
        InputError: The run is of several nodes or tasks, and this is the only process of it.
        ValueError: The Trainer is of another size than what was started; the message is Lightning's.
    """
    launcher = trainer._accelerator_connector.cluster_environment
    if isinstance(launcher, LightningEnvironment) and trainer.num_nodes > 1 and "NODE_RANK" not in os.environ:
        raise InputError(
            f"--trainer.num_nodes {trainer.num_nodes} waits for processes that nobody starts: start the command with "
            "srun or torchrun on all nodes, as configs/cluster does"
        )
    if isinstance(launcher, SLURMEnvironment):
        tasks = os.environ.get("SLURM_NTASKS", "1")
        if tasks != "1" and "SLURM_STEP_ID" not in os.environ:
            raise InputError(f"this SLURM job has {tasks} tasks and only one was started: put srun before the command")
    launcher.validate_settings(trainer.num_devices, trainer.num_nodes)


def trouble(error: BaseException) -> str | None:
    """What an error between processes means, in one sentence; None for all other errors."""
    text = f"{type(error).__name__}: {error}"
    distributed = type(error).__name__.startswith("Dist") or re.search(r"gloo|nccl|TCPStore|ProcessGroup", text, re.I)
    if not distributed:
        return None
    told = next((told for words, told in TROUBLES.items() if re.search(words, text, re.I)), None)
    where = {"port": os.environ.get("MASTER_PORT", "?"), "address": os.environ.get("MASTER_ADDR", "this machine")}
    return told.format(**where) if told else None
