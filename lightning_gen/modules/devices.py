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


def min_over_devices(x: Tensor) -> Tensor:
    """The least of a tensor over all processes, in place; the tensor itself where there is only one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(x, torch.distributed.ReduceOp.MIN)
    return x


def gradient_type(strategy: Strategy) -> torch.dtype | None:
    """The type in which a strategy's communication hook has gradients sent; None for their own.

    Raises:
        InputError: The hook does something else.
    """
    hook = getattr(strategy, "_ddp_comm_hook", None)
    if hook is None:
        return None
    # not at the top: a torch without distributed has no hooks
    from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook, fp16_compress_hook

    sent_as = {bf16_compress_hook: torch.bfloat16, fp16_compress_hook: torch.float16}.get(hook)
    if sent_as is None or getattr(strategy, "_ddp_comm_wrapper", None) is not None:
        raise InputError(
            "networks that take turns know the communication hooks bf16_compress_hook and fp16_compress_hook, without "
            f"a wrapper: give --trainer.strategy.ddp_comm_hook {bf16_compress_hook.__module__}.bf16_compress_hook"
        )
    return sent_as


@torch.no_grad()
def means_over_devices(tensors: list[Tensor], sent_as: torch.dtype | None = None) -> list[Tensor]:
    """Averages of tensors over all processes, with one collective a dtype; each with the strides of its tensor.

    Args:
        tensors: The same shapes and strides, without gaps in memory, in the same order on every process.
        sent_as: The type in which they are sent and summed; None for their own.

    Returns:
        Parts of one piece of memory a dtype.
    """
    means: dict[int, Tensor] = {}
    for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
        group = [tensor for tensor in tensors if tensor.dtype == dtype]
        flat = torch.cat([tensor.as_strided((tensor.numel(),), (1,)) for tensor in group])  # in the order of memory
        flat /= torch.distributed.get_world_size()  # first: the sum could be too large for float16
        sent = flat.to(sent_as or dtype)
        torch.distributed.all_reduce(sent)
        pieces = sent.to(dtype).split([tensor.numel() for tensor in group])
        for tensor, piece in zip(group, pieces, strict=True):
            means[id(tensor)] = piece.as_strided(tensor.shape, tensor.stride())
    return [means[id(tensor)] for tensor in tensors]


@torch.no_grad()
def all_reduce_mean(tensors: list[Tensor]) -> None:
    """Average tensors over all processes, in place; see `means_over_devices`."""
    if tensors:
        torch._foreach_copy_(tensors, means_over_devices(tensors))


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
