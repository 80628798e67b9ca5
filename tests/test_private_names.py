"""The private names of other libraries that this one uses: where one is renamed, its test says what depends on it."""

import importlib
import operator

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from torch.optim.lr_scheduler import ChainedScheduler, SequentialLR, StepLR

from lightning_gen.cli import CLI, Parser

OF_A_TRAINER = {
    "_logger_connector.log_metrics": "figures on the axis of images, modules/axis.py",
    "_checkpoint_connector._loaded_checkpoint": "the check of optimizer groups on resume, modules/base.py",
    "_checkpoint_connector.resume_start": "going back to a checkpoint, callbacks/nonfinite.py",
    "_checkpoint_connector.restore_model": "going back to a checkpoint, callbacks/nonfinite.py",
    "_checkpoint_connector.restore_precision_plugin_state": "going back to a checkpoint, callbacks/nonfinite.py",
    "_checkpoint_connector.restore_optimizers_and_schedulers": "going back to a checkpoint, callbacks/nonfinite.py",
    "_checkpoint_connector.resume_end": "going back to a checkpoint, callbacks/nonfinite.py",
    "_accelerator_connector.cluster_environment": "the check of who starts the processes, cli/launch.py",
    "_signal_connector.register_signal_handlers": "leaving by a signal, callbacks/preemption.py",
    "fit_loop._combined_loader": "checkpoints before a batch, callbacks/checkpoints.py",
    "fit_loop._should_accumulate": "logging, lengths and checkpoints between updates, callbacks/checkpoints.py",
    "fit_loop.epoch_loop._batches_that_stepped": "which batches are logged, modules/base.py and checkpoints.py",
    "fit_loop.epoch_loop._broadcast_sigterm_tensor": "leaving by a signal, callbacks/preemption.py",
    "fit_loop.epoch_loop.batch_progress.total.ready": "exact resume, callbacks/checkpoints.py and data/base.py",
    "fit_loop.epoch_loop.batch_progress.total.started": "exact resume, callbacks/checkpoints.py and data/base.py",
    "fit_loop.epoch_loop.batch_progress.current.ready": "exact resume, callbacks/checkpoints.py",
}
"""Names below a Trainer, and what depends on them."""
OF_CLASSES = {
    (CLI, "_parse_ckpt_path"): "what a checkpoint says lies under what the user says, cli/trainer_commands.py",
    (CLI, "_set_seed"): "checks before anything is built, cli/trainer_commands.py",
    (CLI, "_add_instantiators"): "descriptions of what the command line has built, checkpoint/descriptions.py",
}
"""Names of classes that are overridden or called, and what depends on them."""
OF_MODULES = {
    "lightning.pytorch.overrides.distributed._sync_module_states": "ddp_unwrapped, modules/strategy.py",
    "lightning.pytorch.trainer.call._call_callbacks_state_dict": "the final state of a run, callbacks/checkpoints.py",
    "lightning.pytorch.cli.instantiate_module": "checkpoints that Lightning's own reader rebuilds",
    "tensorboard.summary.writer.event_file_writer._AsyncWriterThread": "a full disk, callbacks/run.py",
    "tensorboard.compat.tensorflow_stub.io.gfile.LocalFileSystem": "a removed folder, callbacks/event_files.py",
    "torch._foreach_copy_": "averages and gradients, modules/ema.py and modules/devices.py",
    "torch._foreach_lerp_": "averages, modules/ema.py",
    "torch._foreach_clamp_min_": "the weight clipping of WGAN, regularizers/constraint.py",
    "torch._foreach_clamp_max_": "the weight clipping of WGAN, regularizers/constraint.py",
    "torch._functorch.config.donated_buffer": "--compile of losses differentiated twice, callbacks/execution.py",
    "torch._dynamo.exc.TorchDynamoException": "the sentence where a network cannot be compiled, callbacks/execution.py",
    "torch.distributed.distributed_c10d._get_default_store": "one error for all processes, cli/processes.py",
    "torch.utils.data._utils.collate.default_collate_fn_map": "datasets that yield Batch, records.py",
    "torch.utils._pytree.tree_leaves": "bench's memory, bench/memory.py",
}
"""Names of modules, and what depends on them."""


@pytest.fixture(scope="module")
def trainer():
    return Trainer(accelerator="cpu", max_steps=1, logger=False, enable_checkpointing=False, enable_progress_bar=False)


def has(thing, name):
    try:
        operator.attrgetter(name)(thing)
    except AttributeError:
        return False
    return True


def test_a_trainer_has_what_is_used(trainer):
    assert not {name: use for name, use in OF_A_TRAINER.items() if not has(trainer, name)}


def test_classes_have_what_is_used():
    assert not {name: use for (owner, name), use in OF_CLASSES.items() if not has(owner, name)}


def test_modules_have_what_is_used():
    found = {name: name.rpartition(".") for name in OF_MODULES}
    gone = [name for name, (module, _, part) in found.items() if not has(importlib.import_module(module), part)]
    assert not {name: OF_MODULES[name] for name in gone}


def test_the_state_of_the_loops_counts_batches_as_corrected_checkpoints_expect(trainer):
    state = trainer.fit_loop.epoch_loop.state_dict()
    assert "_batches_that_stepped" in state["state_dict"], "which batches a resumed run logs, callbacks/checkpoints.py"


def test_a_module_knows_whether_it_has_a_trainer():
    assert LightningModule()._trainer is None, "loading without a Trainer, modules/base.py"


def test_schedulers_of_several_keep_them():
    optimizer = torch.optim.SGD([torch.zeros(1)])
    parts = [StepLR(optimizer, 1), StepLR(optimizer, 2)]
    for several in (SequentialLR(optimizer, parts, [3]), ChainedScheduler(parts, optimizer)):
        assert several._schedulers, "schedules in images inside others, modules/base.py and modules/resume.py"
        assert "_schedulers" in several.state_dict()
    assert "_last_lr" in parts[0].state_dict(), "rates of a resumed run, modules/resume.py"


def test_ddp_says_how_gradients_are_sent():
    from lightning.pytorch.strategies import DDPStrategy

    for name in ("_ddp_comm_hook", "_ddp_comm_wrapper"):
        assert hasattr(DDPStrategy(), name), f"DDPStrategy.{name}: gradients in 16 bits, modules/devices.py"


def test_the_parser_knows_its_commands_and_the_groups_of_its_options():
    parser = Parser()
    commands = parser.add_subcommands()
    commands.add_subcommand("fit", Parser(), help="train")
    assert parser._subcommands_action is commands, "--help, cli/trainer_commands.py"
    assert [choice.dest for choice in commands._choices_actions] == ["fit"], "--help, cli/trainer_commands.py"
    assert all(hasattr(group, "_group_actions") for group in parser._action_groups), "--help, cli/help.py"
