"""What all devices must agree on."""

from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy, SingleDeviceStrategy, Strategy
from torch import Tensor, nn

from lightning_gen.errors import InputError

SPLITS = (
    "splits parameters over devices, and here every device needs them whole (networks that take turns, averages of "
    "weights, runs that go on to the bit): use --trainer.strategy ddp"
)
"""Why FSDP, DeepSpeed and ModelParallel are refused."""


def sum_over_devices(x: Tensor) -> Tensor:
    """The sum of a tensor over all processes, in place; the tensor itself where there is only one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(x)
    return x


@torch.no_grad()
def all_reduce_mean(tensors: list[Tensor]) -> None:
    """Average tensors over all processes, in place, with one collective a dtype.

    Args:
        tensors: The same shapes in the same order on every process.
    """
    for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
        group = [tensor for tensor in tensors if tensor.dtype == dtype]
        flat = torch.cat([tensor.reshape(-1) for tensor in group])
        torch.distributed.all_reduce(flat)
        flat /= torch.distributed.get_world_size()
        pieces = flat.split([tensor.numel() for tensor in group])
        torch._foreach_copy_(group, [piece.view_as(tensor) for piece, tensor in zip(pieces, group, strict=True)])


def of_all_devices(value: Any) -> list[Any]:
    """What each process has, by rank; a list of one where there is only one process."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [value]
    values: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values


def check_strategy(strategy: Strategy) -> None:
    """Check that every device has all parameters whole.

    Raises:
        InputError: The strategy splits them.
    """
    kinds = (SingleDeviceStrategy, DDPStrategy)
    if not isinstance(strategy, kinds) or isinstance(strategy, DeepSpeedStrategy):
        raise InputError(f"{type(strategy).__name__} {SPLITS}")


def check_synchronized(module: LightningModule) -> None:
    """Check that BatchNorm that is computed over all devices can be.

    Raises:
        InputError: The devices are CPUs, or a penalty asks for its second derivative.
    """
    if not any(isinstance(part, nn.SyncBatchNorm) for part in module.modules()):
        return
    leave = "leave out --trainer.sync_batchnorm; running statistics are averaged over the devices without it"
    if module.device.type == "cpu":
        raise InputError(f"BatchNorm is computed over all devices on GPUs only: {leave}")
    if len(getattr(module, "penalties", ())):
        raise InputError(f"BatchNorm over all devices has no second derivative, which gradient penalties need: {leave}")


def check_equal_sizes(sizes: list[int]) -> None:
    """Check that the processes share batches of the same data.

    Args:
        sizes: Training samples that each process sees.

    Raises:
        InputError: They differ.
    """
    other = next((rank for rank, size in enumerate(sizes) if size != sizes[0]), None)
    if other is not None:
        raise InputError(
            f"process 0 sees {sizes[0]:,} training samples and process {other} sees {sizes[other]:,}: give all "
            "machines the same files, a shared folder or copies of it"
        )
