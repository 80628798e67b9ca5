"""Plain DDP without what networks that take turns never use of it."""

from lightning.pytorch.overrides.distributed import _sync_module_states
from lightning.pytorch.strategies import DDPStrategy, StrategyRegistry

from lightning_gen.errors import InputError


class UnwrappedDDPStrategy(DDPStrategy):
    """DDP for modules that average their gradients themselves: no DistributedDataParallel around the module.

    Its reducer sets aside room for the gradients of all trained parameters once more, 4 bytes each, which an
    `AlternatingModule` never fills. Weights are equal to the bit to those of ``ddp``. Registered as ``ddp_unwrapped``.
    """

    def configure_ddp(self) -> None:
        """Give all processes the weights of the first one, which is all that is left to do.

        Raises:
            InputError: The module waits for DistributedDataParallel to average its gradients.
        """
        assert self.lightning_module is not None
        if self.lightning_module.automatic_optimization:
            raise InputError(
                f"ddp_unwrapped would not average the gradients of {type(self.lightning_module).__name__}: use "
                "--trainer.strategy ddp"
            )
        _sync_module_states(self.lightning_module)


StrategyRegistry.register(
    "ddp_unwrapped",
    UnwrappedDDPStrategy,
    description="DDP for networks that take turns, without the memory of DistributedDataParallel's buckets",
)
