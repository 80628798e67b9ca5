"""Every private name of torch and Lightning that the package uses: one function or name each, and one test each.

A release of theirs may rename what is here without a word; `tests/test_private_names.py` then says what depends on it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.overrides.distributed import _sync_module_states
from lightning.pytorch.strategies import Strategy
from lightning.pytorch.trainer.call import _call_callbacks_state_dict
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm
from torch.nn.utils.parametrizations import _SpectralNorm as SpectralParametrization
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data._utils.collate import default_collate_fn_map

__all__ = ["AnyBatchNorm", "SpectralParametrization"]

# torch --------------------------------------------------------------------------------------------------------------


def copy_all(targets: list[Tensor], sources: list[Tensor]) -> None:
    """Copy each of the sources into its target, in one kernel."""
    torch._foreach_copy_(targets, sources)


def lerp_all(targets: list[Tensor], ends: list[Tensor], weight: float) -> None:
    """Move each of the targets towards its end by a share of the way, in one kernel."""
    torch._foreach_lerp_(targets, ends, weight)


def clamp_all(tensors: list[Tensor], lowest: float, highest: float) -> None:
    """Clamp tensors in place, in two kernels."""
    torch._foreach_clamp_min_(tensors, lowest)
    torch._foreach_clamp_max_(tensors, highest)


def collate_by(kind: type, function: Callable[..., Any]) -> None:
    """Let torch's `default_collate` make batches of a class of samples by a function."""
    default_collate_fn_map[kind] = function


INNER_SCHEDULERS = "_schedulers"
"""What the state of a scheduler that is made of others calls theirs."""


def inner_schedulers(scheduler: LRScheduler) -> list[LRScheduler]:
    """The schedulers that a scheduler is made of, such as SequentialLR; empty for others."""
    return list(getattr(scheduler, INNER_SCHEDULERS, []))


def set_latest_rates(scheduler: LRScheduler) -> None:
    """Let a scheduler say that its latest learning rates are those which its optimizer has now."""
    scheduler._last_lr = [group["lr"] for group in scheduler.optimizer.param_groups]


# Lightning: modules and strategies ----------------------------------------------------------------------------------


def has_trainer(module: LightningModule) -> bool:
    """Whether a module belongs to a Trainer; `LightningModule.trainer` raises where it does not."""
    return module._trainer is not None


def broadcast_module(module: LightningModule) -> None:
    """Give all processes the weights and buffers of the first one."""
    _sync_module_states(module)


def communication_hook(strategy: Strategy) -> tuple[Any, Any]:
    """The communication hook of a DDP strategy and its wrapper; None for each that it has not."""
    return getattr(strategy, "_ddp_comm_hook", None), getattr(strategy, "_ddp_comm_wrapper", None)


# Lightning: the Trainer ---------------------------------------------------------------------------------------------


def replace_log_metrics(trainer: Trainer, log: Callable[..., None]) -> None:
    """Let a Trainer hand what it logs to ``log(original, metrics, step=None)`` from now on."""
    connector = trainer._logger_connector
    original = type(connector).log_metrics.__get__(connector)

    def log_metrics(metrics: dict[str, Any], step: int | None = None) -> None:
        log(original, metrics, step)

    connector.log_metrics = log_metrics  # type: ignore[method-assign]


def loaded_checkpoint(trainer: Trainer) -> dict[str, Any]:
    """The checkpoint that a Trainer is about to go on from; empty where there is none."""
    return trainer._checkpoint_connector._loaded_checkpoint


def restore(trainer: Trainer, path: Any) -> None:
    """Put back what a Trainer puts back at a start, apart from the loops, the callbacks and the data."""
    connector = trainer._checkpoint_connector
    connector.resume_start(path, weights_only=True)
    connector.restore_model()
    connector.restore_precision_plugin_state()
    connector.restore_optimizers_and_schedulers()
    connector.resume_end()


def cluster_environment(trainer: Trainer) -> Any:
    """Who has started the processes of a run."""
    return trainer._accelerator_connector.cluster_environment


def callbacks_state(trainer: Trainer) -> dict[str, Any]:
    """The states of all callbacks, as a checkpoint holds them."""
    return _call_callbacks_state_dict(trainer)


def leave_signals(trainer: Trainer) -> None:
    """Keep Lightning's handlers of signals from being registered, until `take_signals`."""
    trainer._signal_connector.register_signal_handlers = _do_nothing  # type: ignore[method-assign]


def leave_broadcast(trainer: Trainer) -> None:
    """Keep Lightning from telling all processes, after each batch, of a SIGTERM, until `take_signals`."""
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = _do_nothing  # type: ignore[method-assign]


def take_signals(trainer: Trainer) -> None:
    """Undo `leave_signals` and `leave_broadcast`."""
    vars(trainer.fit_loop.epoch_loop).pop("_broadcast_sigterm_tensor", None)
    vars(trainer._signal_connector).pop("register_signal_handlers", None)


def _do_nothing() -> None:
    pass


# Lightning: loops and their counts ----------------------------------------------------------------------------------


def train_loaders(trainer: Trainer) -> Sequence[Any]:
    """The loaders of the training data; none before they are made."""
    combined = trainer.fit_loop._combined_loader
    return combined.flattened if combined else []


def accumulates(trainer: Trainer) -> bool:
    """Whether the batch at hand is followed by another before the next update, by ``accumulate_grad_batches``."""
    return trainer.fit_loop._should_accumulate()


def batches_counted(trainer: Trainer) -> int:
    """Batches that were followed by an update, by which Lightning decides which batches are logged."""
    return trainer.fit_loop.epoch_loop._batches_that_stepped


def uncount_batch(checkpoint: dict[str, Any]) -> None:
    """Take one off the `batches_counted` in a checkpoint."""
    checkpoint["loops"]["fit_loop"]["epoch_loop.state_dict"]["_batches_that_stepped"] -= 1


def prefetched_batches(trainer: Trainer) -> int:
    """Batches of this epoch that the loader has handed out and that were not begun."""
    current: Any = trainer.fit_loop.epoch_loop.batch_progress.current
    return current.ready - current.started


def forget_prefetched(trainer: Trainer) -> None:
    """Count no batch of the whole run that was handed out and not begun."""
    total: Any = trainer.fit_loop.epoch_loop.batch_progress.total
    total.ready = total.started


def batch_norms(modules: Iterable[torch.nn.Module]) -> list[AnyBatchNorm]:
    """Those of some modules that are BatchNorm of any number of dimensions."""
    return [module for module in modules if isinstance(module, AnyBatchNorm)]
