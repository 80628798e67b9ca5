"""Errors between the processes of a run, explained in one sentence that one of the processes prints."""

import os
import re
from datetime import timedelta

import torch
from lightning.pytorch.plugins.environments import TorchElasticEnvironment

from lightning_gen import private

AGAIN = "start the same command again with --ckpt_path last"
TIMEOUT = "--trainer.strategy DDPStrategy --trainer.strategy.timeout 0:30:00"
MEANINGS = {
    r"EADDRINUSE|address already in use": "another program has port {port} of {address}: set MASTER_PORT (PORT of "
    "the scripts in configs/cluster) to a free one",
    r"clients joined": (
        "not all processes of the run have connected: start all of them, each node's with the same MASTER_ADDR "
        f"and MASTER_PORT, or wait for them longer ({TIMEOUT})"
    ),
    r"timed out|timeout": (
        f"another process of the run did not answer in time: see whether it printed why; {AGAIN}, and with "
        f"{TIMEOUT} if it was only slow"
    ),
    r"gloo|nccl|connection (closed|reset|refused|was)|broken pipe|failed to recv|recv.*size": (
        f"another process of the run has ended: see what it printed; {AGAIN}"
    ),
}
"""Patterns of torch.distributed's messages, and what they mean."""
ANSWER = timedelta(seconds=5)
"""How long a process with an error waits for the answer whether another process has printed it."""


def prints(sentence: str) -> bool:
    """Whether this process prints an error: of the processes of a run, the first that has it does.

    A counter in the store of the processes decides, so an error that all of them have is printed once. Before they are
    connected, or after the process that keeps the store has ended, each of them prints its error: twice is better than
    never.
    """
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    try:
        store = shared_store()
        return store is None or store.add(f"lightning_gen/printed/{attempt}/{sentence}", 1) == 1
    except RuntimeError:
        return True


def shared_store() -> torch.distributed.Store | None:
    """The store that the processes of this run share: that of their group, else that of torchrun; None without one.

    Raises:
        RuntimeError: It does not answer.
    """
    if not torch.distributed.is_available():
        return None
    if torch.distributed.is_initialized():
        found = private.default_store()
        found.set_timeout(ANSWER)
        return found
    if not TorchElasticEnvironment.detect() or os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return torch.distributed.TCPStore(address, port, is_master=False, timeout=ANSWER)


def explanation(error: BaseException) -> str | None:
    """The explanation of an error between processes, in one sentence; None for all other errors."""
    text = f"{type(error).__name__}: {error}"
    distributed = type(error).__name__.startswith("Dist") or re.search(r"gloo|nccl|TCPStore|ProcessGroup", text, re.I)
    if not distributed:
        return None
    found = next((meaning for pattern, meaning in MEANINGS.items() if re.search(pattern, text, re.I)), None)
    where = {"port": os.environ.get("MASTER_PORT", "?"), "address": os.environ.get("MASTER_ADDR", "this machine")}
    return found.format(**where) if found else None
