"""The peak memory of a training step: what is kept from step to step, and what a step allocates on top."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lightning_gen import private


class Peak(Protocol):
    """A context manager that records the memory of one side's steps."""

    def __enter__(self) -> Any: ...

    def __exit__(self, *error: object) -> None: ...

    def size(self, own: Iterable[Tensor], others: Iterable[Tensor]) -> int:
        """The peak memory of a side in bytes.

        Args:
            own: The tensors that it holds after its steps.
            others: The tensors that the other side holds.
        """


class Allocations:
    """The peak on a CPU, from the allocations that torch's profiler lists.

    It does not see that earlier allocations end: run two steps, so that the second one is complete.
    """

    def __init__(self) -> None:
        self._watching = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True)
        self._steps = contextlib.ExitStack()

    def __enter__(self) -> None:
        self._steps.enter_context(silence())
        self._steps.enter_context(self._watching)

    def __exit__(self, *error: object) -> None:
        self._steps.close()

    def size(self, own: Iterable[Tensor], others: Iterable[Tensor] = ()) -> int:
        """The peak memory of a side in bytes; see `Peak`."""
        alive: dict[int, int] = {}
        most = total = 0
        for address, size in self._events():
            total += size if size > 0 else -alive.pop(address, 0)
            if size > 0:
                alive[address] = size
            most = max(most, total)
        return most + sum(size for address, size in blocks(own).items() if address not in alive)

    def _events(self) -> list[tuple[int, int]]:
        """Address and bytes of each allocation and, with negative bytes, of its end, in the order of time."""
        with tempfile.TemporaryDirectory() as folder, silence():
            file = Path(folder, "trace.json")
            self._watching.export_chrome_trace(str(file))
            events = json.loads(file.read_text())["traceEvents"]
        found = [event for event in events if event.get("name") == "[memory]"]
        found.sort(key=lambda event: event["ts"])
        return [(event["args"]["Addr"], event["args"]["Bytes"]) for event in found]


class DevicePeak:
    """The peak on a GPU, from the counters of torch's allocator."""

    def __enter__(self) -> None:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()

    def __exit__(self, *error: object) -> None:
        torch.cuda.synchronize()
        self._most = torch.cuda.max_memory_allocated()

    def size(self, own: Iterable[Tensor], others: Iterable[Tensor]) -> int:
        """The peak memory of a side in bytes; see `Peak`."""
        return self._most - sum(blocks(others).values())


PEAKS: dict[str, type[Peak]] = {"cpu": Allocations, "cuda": DevicePeak}
"""The measurement of the peak on each type of device."""


def held(networks: Iterable[nn.Module], optimizers: Iterable[Optimizer]) -> list[Tensor]:
    """The tensors that are kept from step to step: parameters, gradients, buffers, optimizer states."""
    parts = list(networks)
    parameters = [parameter for part in parts for parameter in part.parameters()]
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    buffers = [buffer for part in parts for buffer in part.buffers()]
    state = [leaf for each in optimizers for leaf in private.tree_leaves(dict(each.state)) if isinstance(leaf, Tensor)]
    return [*parameters, *gradients, *buffers, *state]


def blocks(tensors: Iterable[Tensor]) -> dict[int, int]:
    """Bytes by address of the memory behind tensors, each block once."""
    return {x.untyped_storage().data_ptr(): x.untyped_storage().nbytes() for x in tensors}


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Drop the process's standard error, to which the profiler's C++ code writes messages."""
    original, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(original, 2)
        os.close(original)
        os.close(nowhere)
