"""Distributed training: the supported strategies, and checks that refuse all others."""

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.strategies import (
    DDPStrategy,
    DeepSpeedStrategy,
    SingleDeviceStrategy,
    Strategy,
    StrategyRegistry,
)
from torch import nn

from lightning_gen import private
from lightning_gen.errors import InputError

SPLITS = (
    "splits parameters over devices, and here every device needs all of them (alternating training, averages of "
    "weights, exact resume): use --trainer.strategy ddp"
)
"""Why FSDP, DeepSpeed and ModelParallel are refused."""


class UnwrappedDDPStrategy(DDPStrategy):
    """DDP for modules that average their gradients themselves: no DistributedDataParallel around the module.

    The reducer of DistributedDataParallel allocates a second buffer for the gradients of all trained parameters, 4
    bytes each, which an `AlternatingModule` never uses. Weights are the same as with ``ddp``, to the bit. Registered as
    ``ddp_unwrapped``.
    """

    def configure_ddp(self) -> None:
        """Broadcast the weights of rank 0 to all processes; nothing else is needed.

        Raises:
            InputError: The module relies on DistributedDataParallel to average its gradients.
        """
        assert self.lightning_module is not None
        if self.lightning_module.automatic_optimization:
            raise InputError(
                f"ddp_unwrapped would not average the gradients of {type(self.lightning_module).__name__}: use "
                "--trainer.strategy ddp"
            )
        private.broadcast_module(self.lightning_module)


StrategyRegistry.register(
    "ddp_unwrapped",
    UnwrappedDDPStrategy,
    description="DDP for alternating training, without the memory of DistributedDataParallel's buckets",
)


def gradient_type(strategy: Strategy) -> torch.dtype | None:
    """The type in which a strategy's communication hook sends gradients; None for the gradients' own type.

    Raises:
        InputError: The hook does something else.
    """
    hook, wrapper = private.communication_hook(strategy)
    if hook is None:
        return None
    # not at the top: a torch without distributed has no hooks
    from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook, fp16_compress_hook

    sent_as = {bf16_compress_hook: torch.bfloat16, fp16_compress_hook: torch.float16}.get(hook)
    if sent_as is None or wrapper is not None:
        raise InputError(
            "alternating training supports the communication hooks bf16_compress_hook and fp16_compress_hook, without "
            f"a wrapper: give --trainer.strategy.ddp_comm_hook {bf16_compress_hook.__module__}.bf16_compress_hook"
        )
    return sent_as


def check_strategy(strategy: Strategy) -> None:
    """Check that every device has all parameters.

    Raises:
        InputError: The strategy splits them.
    """
    kinds = (SingleDeviceStrategy, DDPStrategy)
    if not isinstance(strategy, kinds) or isinstance(strategy, DeepSpeedStrategy):
        raise InputError(f"{type(strategy).__name__} {SPLITS}")


def check_synchronized(module: LightningModule) -> None:
    """Check that synchronized BatchNorm is possible where it is asked for.

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
    """Check that all processes have the same number of training samples.

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


def check_precision(precision: object) -> None:
    """Check that the weights themselves are kept in float32.

    Raises:
        InputError: They are not.
    """
    if str(precision).endswith("-true") and precision != "32-true":
        raise InputError(
            f"--trainer.precision {precision} is not supported, an average of the weights would not move in it: use "
            "bf16-mixed, 16-mixed or 32-true"
        )
