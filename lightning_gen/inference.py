"""How networks run that are applied and not trained: device, precision and compilation; and how fast they were."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lightning_gen import private
from lightning_gen.errors import InputError

AUTOCAST: dict[str, torch.dtype | None] = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""The precisions of ``--precision``, named as the Trainer's, with the type in which their networks compute."""

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Inference:
    """Where and how networks run.

    Attributes:
        device: Where they are.
        precision: One of `AUTOCAST`.
        compiled: Whether torch compiles them, which takes time at the first batch.

    Raises:
        InputError: There is no such precision, or the device does not have it.
    """

    device: torch.device = CPU
    precision: str = "32-true"
    compiled: bool = False

    def __post_init__(self) -> None:
        if self.precision not in AUTOCAST:
            raise InputError(f"there is no --precision {self.precision}: give one of {', '.join(AUTOCAST)}")
        if self.precision == "16-mixed" and self.device.type == "cpu":
            raise InputError("--precision 16-mixed is for GPUs: give bf16-mixed, or leave it out")

    def __str__(self) -> str:
        """``cuda in bf16-mixed, compiled``."""
        return f"{self.device} in {self.precision}{', compiled' if self.compiled else ''}"

    @property
    def protocol(self) -> dict[str, Any]:
        """What results depend on, beside the device, where they are not those of float32 without compilation."""
        precise = {} if AUTOCAST[self.precision] is None else {"precision": self.precision}
        return precise | ({"compiled": True} if self.compiled else {})

    def run(self, apply: Callable[..., Tensor], *given: Any, **options: Any) -> Tensor:
        """A result of networks on the device, float32 on the CPU.

        Args:
            apply: Computes it.
            given: Its arguments.
            options: Its arguments by name.

        Raises:
            InputError: The networks cannot be compiled.
        """
        kind = AUTOCAST[self.precision]
        try:
            with torch.autocast(self.device.type, kind or torch.bfloat16, enabled=kind is not None):
                return apply(*given, **options).float().cpu()
        except Exception as error:
            if not private.is_compiler_error(error):
                raise
            reason = str(error).strip().partition("\n")[0]
            raise InputError(f"the networks cannot be compiled ({reason}): leave out --compile") from error

    def compile(self, networks: Iterable[nn.Module]) -> None:
        """Let networks be compiled when they first run, for batches of any size, if that is asked for."""
        for network in networks if self.compiled else ():
            network.compile(dynamic=True)


class Pace:
    """How many images a second pass through networks.

    Args:
        left_out: Number of the first batches that do not count, such as one in which networks are compiled.

    Attributes:
        images: Images that passed, without those that do not count.
        seconds: The time that they took.
    """

    def __init__(self, left_out: int = 0) -> None:
        self.images = 0
        self.seconds = 0.0
        self._left_out = left_out

    @contextmanager
    def timed(self, images: int) -> Iterator[None]:
        """Time a batch of so many images."""
        start = time.perf_counter()
        yield
        if self._left_out:
            self._left_out -= 1
            return
        self.images += images
        self.seconds += time.perf_counter() - start

    @property
    def rate(self) -> float:
        """Images a second; NaN before the first."""
        return self.images / self.seconds if self.seconds else float("nan")
