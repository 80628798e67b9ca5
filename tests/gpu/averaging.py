"""A process of two that average tensors on one device: ``python averaging.py DEVICE FOLDER RANK``.

NCCL refuses two processes on one GPU; gloo takes tensors of a GPU through the host.
"""

import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import torch
from torch import Tensor

from lightning_gen.training.collectives import leave_group, means_over_devices


@dataclass(frozen=True)
class Case:
    """Tensors that are averaged together.

    Attributes:
        name: What they are.
        dtypes: Their types, one a tensor.
        memory_format: How those of four dimensions lie in memory.
        sent_as: The type in which they are sent, or None.
        tolerance: The largest relative error of a mean.
    """

    name: str
    dtypes: tuple[torch.dtype, ...]
    memory_format: torch.memory_format = torch.contiguous_format
    sent_as: torch.dtype | None = None
    tolerance: float = 1e-6


MIXED = (torch.float32, torch.bfloat16, torch.float32, torch.float16)
CASES = (
    Case("float32", (torch.float32,) * 3),
    Case("channels last", (torch.float32,) * 3, torch.channels_last),
    Case("mixed types", MIXED, tolerance=1e-2),
    Case("mixed types, channels last", MIXED, torch.channels_last, tolerance=1e-2),
    Case("sent in bfloat16", (torch.float32,) * 2, sent_as=torch.bfloat16, tolerance=2e-2),
)


def tensors(case: Case, rank: int, device: str) -> list[Tensor]:
    """The tensors of a process."""
    numbers = torch.Generator().manual_seed(rank)
    drawn = [torch.randn(4 + index, 3, 5, 2, generator=numbers) for index in range(len(case.dtypes))]
    laid = [x.to(device, dtype, memory_format=case.memory_format) for x, dtype in zip(drawn, case.dtypes, strict=True)]
    return [*laid, torch.full((7,), float(rank), device=device)]


def check(case: Case, rank: int, device: str) -> None:
    """Average the tensors of a case and hold them to their means.

    Raises:
        AssertionError: A mean is another one, or lies otherwise in memory.
    """
    both = [tensors(case, each, device) for each in range(2)]
    for own, mean, one, other in zip(both[rank], means_over_devices(both[rank], case.sent_as), *both, strict=True):
        assert mean.dtype == own.dtype, case.name
        assert mean.stride() == own.stride(), case.name
        assert mean.device == own.device, case.name
        expected = (one.double() + other.double()) / 2
        torch.testing.assert_close(mean.double(), expected, rtol=case.tolerance, atol=case.tolerance)


def main(device: str, folder: str, rank: str) -> None:
    """Join the other process and check all cases."""
    place = Path(folder, "meeting").as_uri()
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=place, rank=int(rank), world_size=2, timeout=timedelta(seconds=50)
    )
    for case in CASES:
        check(case, int(rank), device)
    leave_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
