"""Clocks that wait for the device."""

import torch
from lightning.pytorch.profilers import Profiler

from lightning_gen.bench.records import Spent

GETS_DATA = ("train_dataloader_next", "batch_to_device")
"""The Trainer's profiled actions that get data."""


class Clock:
    """A clock that waits for the device.

    Args:
        device: The device to wait for.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def now(self) -> Spent:
        """The time, once the device has finished all work."""
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)
        return Spent.now()


class Fetching(Profiler):
    """A profiler that sums the time in which the Trainer gets batches and scales them on the device.

    Args:
        clock: The clock.

    Attributes:
        seconds: The sum since it was last set to 0.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.seconds = 0.0

    def start(self, action_name: str) -> None:
        """Start the clock."""
        if action_name.endswith(GETS_DATA):
            self._since = self.clock.now()

    def stop(self, action_name: str) -> None:
        """Stop it."""
        if action_name.endswith(GETS_DATA):
            self.seconds += self.clock.now().since(self._since).wall
