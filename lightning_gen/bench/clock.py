"""The time of what a device does."""

import torch
from lightning.pytorch.profilers import Profiler

from lightning_gen.bench.records import Spent

GETS_DATA = ("train_dataloader_next", "batch_to_device")
"""The actions that the Trainer tells its profiler of, as far as they get data."""


class Clock:
    """A clock that waits for the device.

    Args:
        device: What is waited for.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def now(self) -> Spent:
        """The time at which everything is done that was asked for."""
        if self.device.type != "cpu":
            torch.accelerator.synchronize(self.device)
        return Spent.now()


class Fetching(Profiler):
    """A profiler that adds up what the Trainer takes to get batches and to scale them on the device.

    Args:
        clock: Tells the time.

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
