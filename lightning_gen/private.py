"""Every private name of torch, Lightning, torchmetrics, TensorBoard, jsonargparse and argparse that the package uses.

Each has one small function or name here, and one test in `tests/test_private_names.py`, which says what depends on it
when a release of theirs renames it. Only methods that a class of this package overrides are not here, but in that
class; they have their tests there too.
"""

import argparse
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import torchmetrics
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.overrides.distributed import _sync_module_states
from lightning.pytorch.strategies import Strategy
from lightning.pytorch.trainer.call import _call_callbacks_state_dict
from lightning.pytorch.trainer.connectors.logger_connector import _LoggerConnector
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as AnyBatchNorm
from torch.nn.utils.parametrizations import _SpectralNorm as SpectralParametrization
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils._pytree import tree_leaves
from torch.utils.data import DataLoader
from torch.utils.data._utils.collate import default_collate_fn_map

__all__ = ["AnyBatchNorm", "SpectralParametrization", "tree_leaves"]

# torch: many tensors at once ----------------------------------------------------------------------------------------


def copy_all(targets: list[Tensor], sources: list[Tensor]) -> None:
    """Copy each source into its target, in one kernel."""
    torch._foreach_copy_(targets, sources)


def lerp_all(targets: list[Tensor], ends: list[Tensor], weight: float) -> None:
    """Interpolate each target in place towards its end, with the same weight for all, in one kernel."""
    torch._foreach_lerp_(targets, ends, weight)


def clamp_all(tensors: list[Tensor], lowest: float, highest: float) -> None:
    """Clamp tensors in place, in two kernels."""
    torch._foreach_clamp_min_(tensors, lowest)
    torch._foreach_clamp_max_(tensors, highest)


# torch: modules -----------------------------------------------------------------------------------------------------


def batch_norms(modules: Iterable[nn.Module]) -> list[AnyBatchNorm]:
    """The BatchNorm layers among modules, for any number of dimensions."""
    return [module for module in modules if isinstance(module, AnyBatchNorm)]


def forward_pre_hooks(module: nn.Module) -> list[Callable[..., Any]]:
    """The hooks of a module that run before its forward pass."""
    return list(module._forward_pre_hooks.values())


# torch: data --------------------------------------------------------------------------------------------------------


def collate_by(kind: type, function: Callable[..., Any]) -> None:
    """Let torch's `default_collate` make batches of a class of samples by a function."""
    default_collate_fn_map[kind] = function


def batch_iterator(loader: DataLoader[Any]) -> Any:
    """The iterator of a loader whose workers are kept from epoch to epoch; None if there is none."""
    return loader._iterator


def set_batch_iterator(loader: DataLoader[Any], iterator: Any) -> None:
    """Set the `batch_iterator` of a loader; None ends its workers."""
    loader._iterator = iterator


# torch: schedulers --------------------------------------------------------------------------------------------------

INNER_SCHEDULERS = "_schedulers"
"""The key of the inner schedulers in the state of a scheduler such as SequentialLR."""


def inner_schedulers(scheduler: LRScheduler) -> list[LRScheduler]:
    """The inner schedulers of a scheduler such as SequentialLR; empty for others."""
    return list(getattr(scheduler, INNER_SCHEDULERS, []))


def set_latest_rates(scheduler: LRScheduler) -> None:
    """Set the latest learning rates of a scheduler to those of its optimizer."""
    scheduler._last_lr = [group["lr"] for group in scheduler.optimizer.param_groups]


# torch: optimizers in float16 ---------------------------------------------------------------------------------------


def unscale_before_step(optimizer: Optimizer) -> None:
    """Let the scaler of float16 unscale gradients before an optimizer's step, where a fused one would do it inside.

    What comes between, such as clipping, would see gradients times the scale.
    """
    if getattr(optimizer, "_step_supports_amp_scaling", False):
        optimizer._step_supports_amp_scaling = False  # type: ignore[attr-defined]


# torch: compiler and processes --------------------------------------------------------------------------------------


def uncompiled(value: Any) -> Any:
    """The network that ``torch.compile(network)`` wraps; any other value as it is."""
    return value._orig_mod if isinstance(value, torch._dynamo.OptimizedModule) else value


def donated_buffers() -> bool:
    """Whether compiled networks may overwrite what they saved for the backward pass, which forbids a second one."""
    return torch._functorch.config.donated_buffer


def set_donated_buffers(donated: bool) -> None:
    """Set `donated_buffers`, for the whole process."""
    torch._functorch.config.donated_buffer = donated


def is_compiler_error(error: BaseException) -> bool:
    """Whether an error comes from torch's compiler."""
    return isinstance(error, torch._dynamo.exc.TorchDynamoException)


def default_store() -> torch.distributed.Store:
    """The store through which the processes of the default group have met."""
    return torch.distributed.distributed_c10d._get_default_store()


# torchmetrics and TensorBoard ---------------------------------------------------------------------------------------

LPIPS_VGG16 = Path(torchmetrics.__file__).parent / "functional" / "image" / "lpips_models" / "vgg.pth"
"""The linear weights of LPIPS for VGG16, version 0.1, a file of 7 kB that comes with torchmetrics."""


def writes_events(thread: threading.Thread | None) -> bool:
    """Whether a thread is TensorBoard's writer of event files."""
    from tensorboard.summary.writer.event_file_writer import _AsyncWriterThread  # here: it takes long to import

    return isinstance(thread, _AsyncWriterThread)


# argparse and jsonargparse ------------------------------------------------------------------------------------------


def options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The options of a parser, without those of its commands."""
    return list(parser._actions)


def option_groups(parser: argparse.ArgumentParser) -> list[tuple[Any, list[argparse.Action]]]:
    """The groups of a parser's options, as ``--help`` shows them, each with its options."""
    return [(group, group._group_actions) for group in parser._action_groups]


def sort_option_groups(parser: argparse.ArgumentParser, key: Callable[[Any], Any]) -> None:
    """Sort the groups of a parser's options by a key."""
    parser._action_groups.sort(key=key)


def commands_action(parser: ArgumentParser) -> Any:
    """The action of a parser that holds its commands, by their names in ``choices``; None without commands."""
    return parser._subcommands_action


def command_entries(commands: Any) -> list[argparse.Action]:
    """The entries of a `commands_action` in ``--help``: the command is ``dest``, its sentence ``help``."""
    return list(commands._choices_actions)


# Lightning: modules and strategies ----------------------------------------------------------------------------------


def has_trainer(module: LightningModule) -> bool:
    """Whether a module belongs to a Trainer; `LightningModule.trainer` raises if it does not."""
    return module._trainer is not None


def broadcast_module(module: LightningModule) -> None:
    """Broadcast the weights and buffers of the first process to all others."""
    _sync_module_states(module)


def communication_hook(strategy: Strategy) -> tuple[Any, Any]:
    """The communication hook of a DDP strategy and its wrapper; None for each that it does not have."""
    return getattr(strategy, "_ddp_comm_hook", None), getattr(strategy, "_ddp_comm_wrapper", None)


# Lightning: the Trainer ---------------------------------------------------------------------------------------------


def replace_log_metrics(trainer: Trainer, log: Callable[..., None]) -> None:
    """Let a Trainer pass the metrics that it logs to ``log(original, metrics, step=None)`` from now on."""
    connector = trainer._logger_connector
    original = type(connector).log_metrics.__get__(connector)

    def log_metrics(metrics: dict[str, Any], step: int | None = None) -> None:
        log(original, metrics, step)

    connector.log_metrics = log_metrics  # type: ignore[method-assign]


def replace_log_rule(trainer: Trainer, rule: Callable[[bool], bool]) -> None:
    """Let a Trainer and its callbacks ask a function, given Lightning's own answer, whether a batch is logged."""
    own: Any = _LoggerConnector.should_update_logs
    asking = {"should_update_logs": property(lambda connector: rule(own.fget(connector)))}
    trainer._logger_connector.__class__ = type("AskingConnector", (_LoggerConnector,), asking)


def collect_only_if(trainer: Trainer, logged: Callable[[], bool]) -> None:
    """Let a Trainer collect metrics at the end of a batch only if a function says that the batch has logged any.

    Lightning collects all of the epoch at each batch; those of earlier batches were collected then.
    """
    connector = trainer._logger_connector
    original = type(connector).on_batch_end.__get__(connector)

    def on_batch_end() -> None:
        results = trainer._results
        if logged() or results is None:
            original()
        else:
            results.batch = results.batch_size = None

    connector.on_batch_end = on_batch_end  # type: ignore[method-assign]


def loaded_checkpoint(trainer: Trainer) -> dict[str, Any]:
    """The checkpoint from which a Trainer is about to resume; empty if there is none."""
    return trainer._checkpoint_connector._loaded_checkpoint


def restore(trainer: Trainer, path: Any) -> None:
    """Restore from a checkpoint all that a Trainer restores at a start but the loops, the callbacks and the data."""
    connector = trainer._checkpoint_connector
    connector.resume_start(path, weights_only=True)
    connector.restore_model()
    connector.restore_precision_plugin_state()
    connector.restore_optimizers_and_schedulers()
    connector.resume_end()


def cluster_environment(trainer: Trainer) -> Any:
    """The environment that has started the processes of a run."""
    return trainer._accelerator_connector.cluster_environment


def callbacks_state(trainer: Trainer) -> dict[str, Any]:
    """The states of all callbacks, as a checkpoint holds them."""
    return _call_callbacks_state_dict(trainer)


def disable_signal_handlers(trainer: Trainer) -> None:
    """Keep Lightning from registering signal handlers, until `restore_signals`."""
    trainer._signal_connector.register_signal_handlers = _do_nothing  # type: ignore[method-assign]


def disable_signal_broadcast(trainer: Trainer) -> None:
    """Keep Lightning from telling all processes, after each batch, of a SIGTERM, until `restore_signals`."""
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = _do_nothing  # type: ignore[method-assign]


def restore_signals(trainer: Trainer) -> None:
    """Undo `disable_signal_handlers` and `disable_signal_broadcast`."""
    vars(trainer.fit_loop.epoch_loop).pop("_broadcast_sigterm_tensor", None)
    vars(trainer._signal_connector).pop("register_signal_handlers", None)


def _do_nothing() -> None:
    pass


# Lightning: loops and their counts ----------------------------------------------------------------------------------


def known_step_arguments(trainer: Trainer) -> tuple[Any, str, Callable[..., Any]]:
    """An object, the name of its method that looks up at each batch which arguments ``training_step`` has, and a
    function in its place that knows them.
    """
    loop: Any = trainer.fit_loop.epoch_loop
    names = tuple(loop._build_kwargs(OrderedDict(), None, 0))

    def build(arguments: Any, *given: Any) -> Any:
        arguments.update(zip(names, given))  # noqa: B905 -- a step may take the batch alone
        return arguments

    return loop, "_build_kwargs", build


UNMOVED = "_on_before_batch_transfer"
"""The method of a module that looks, at each batch, for a hook to call before the batch is moved."""


def uncalled_before_zero_grad(trainer: Trainer) -> tuple[Any, str, Callable[..., Any]]:
    """An object, the name of its method that calls the hooks before gradients are set to zero and counts them, and a
    function in its place that only counts.
    """
    loop: Any = trainer.fit_loop.epoch_loop.automatic_optimization

    def count(optimizer: Optimizer) -> None:
        progress = loop.optim_progress.optimizer.zero_grad
        progress.increment_ready()
        progress.increment_started()

    return loop, "_on_before_zero_grad", count


def train_loaders(trainer: Trainer) -> Sequence[Any]:
    """The loaders of the training data; empty before they are made."""
    combined = trainer.fit_loop._combined_loader
    return [] if combined is None else combined.flattened


def accumulates(trainer: Trainer) -> bool:
    """Whether more batches come before the next optimizer step, by ``accumulate_grad_batches``."""
    return trainer.fit_loop._should_accumulate()


def batches_counted(trainer: Trainer) -> int:
    """Number of batches with an optimizer step, by which Lightning decides which batches are logged."""
    return trainer.fit_loop.epoch_loop._batches_that_stepped


def uncount_batch(checkpoint: dict[str, Any]) -> None:
    """Subtract one from the `batches_counted` in a checkpoint."""
    checkpoint["loops"]["fit_loop"]["epoch_loop.state_dict"]["_batches_that_stepped"] -= 1


def prefetched_batches(trainer: Trainer) -> int:
    """Number of batches of this epoch that the loader has yielded and that training has not begun."""
    current: Any = trainer.fit_loop.epoch_loop.batch_progress.current
    return current.ready - current.started


def forget_prefetched(trainer: Trainer) -> None:
    """Set the number of yielded batches of the whole run to that of begun ones."""
    total: Any = trainer.fit_loop.epoch_loop.batch_progress.total
    total.ready = total.started
