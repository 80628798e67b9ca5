"""Drawing samples for a command: the precision of the networks, and how fast they drew."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lightning_gen.errors import InputError
from lightning_gen.terminal import say

AUTOCAST: dict[str, torch.dtype | None] = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""The precisions of ``--precision``, named as the Trainer's, with the type in which their networks compute."""


@dataclass(frozen=True)
class Drawing:
    """Draws samples in a precision, and says how many a second.

    Attributes:
        device: Where the model is.
        precision: One of `AUTOCAST`.

    Raises:
        InputError: There is no such precision, or the device does not have it.
    """

    device: torch.device
    precision: str = "32-true"

    def __post_init__(self) -> None:
        if self.precision not in AUTOCAST:
            raise InputError(f"there is no --precision {self.precision}: give one of {', '.join(AUTOCAST)}")
        if self.precision == "16-mixed" and self.device.type == "cpu":
            raise InputError("--precision 16-mixed is for GPUs: give bf16-mixed, or leave it out")

    def part(self, draw: Callable[..., Tensor], *given: Any, **options: Any) -> Tensor:
        """Samples ``(n, *shape)``, float32 on the CPU.

        Args:
            draw: Draws them on the device.
            given: Its arguments.
            options: Its arguments by name.
        """
        kind = AUTOCAST[self.precision]
        with torch.autocast(self.device.type, kind or torch.bfloat16, enabled=kind is not None):
            return draw(*given, **options).float().cpu()

    def timed(self, count: int, draw: Callable[..., Tensor], **options: Any) -> Tensor:
        """The same for a number of samples; prints on stderr how many a second were drawn."""
        start = time.perf_counter()
        found = self.part(draw, count, **options)
        rate = count / (time.perf_counter() - start)
        say(f"{rate:,.0f} samples a second on {self.device} in {self.precision}", sys.stderr)
        return found
