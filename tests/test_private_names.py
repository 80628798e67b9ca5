"""The private names of other libraries that this one uses: where one is renamed, its test says what depends on it."""

import argparse
import importlib
import inspect
import operator
import threading
from collections import OrderedDict

import pytest
import torch
from jsonargparse import ArgumentParser
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities.combined_loader import CombinedLoader
from torch import nn
from torch.optim.lr_scheduler import ChainedScheduler, SequentialLR, StepLR
from torch.utils.data import DataLoader, default_collate

from lightning_gen import private
from lightning_gen.cli import CLI, Parser
from lightning_gen.cli.help import HelpFormatter
from lightning_gen.training.collectives import leave_group

OF_A_TRAINER = {
    "_logger_connector.log_metrics": "metrics on the axis of images, training/image_axis.py",
    "_logger_connector.should_update_logs": "more logged batches at the start of a run, training/image_axis.py",
    "_checkpoint_connector._loaded_checkpoint": "the check of optimizer groups on resume, training/module.py",
    "_checkpoint_connector.resume_start": "going back to a checkpoint, callbacks/nonfinite.py",
    "_checkpoint_connector.restore_model": "going back to a checkpoint, callbacks/nonfinite.py",
    "_checkpoint_connector.restore_precision_plugin_state": "going back to a checkpoint, callbacks/nonfinite.py",
    "_checkpoint_connector.restore_optimizers_and_schedulers": "going back to a checkpoint, callbacks/nonfinite.py",
    "_checkpoint_connector.resume_end": "going back to a checkpoint, callbacks/nonfinite.py",
    "_accelerator_connector.cluster_environment": "the check of who starts the processes, cli/launch.py",
    "_signal_connector.register_signal_handlers": "leaving by a signal, callbacks/preemption.py",
    "fit_loop._combined_loader": "checkpoints before a batch, callbacks/checkpoints.py",
    "fit_loop._should_accumulate": "logging, lengths and checkpoints between updates, callbacks/checkpoints.py",
    "fit_loop.epoch_loop._batches_that_stepped": "which batches are logged, training/module.py",
    "fit_loop.epoch_loop._build_kwargs": "the arguments of a training step, training/overhead.py",
    "fit_loop.epoch_loop.automatic_optimization._on_before_zero_grad": "hooks that nobody has, training/overhead.py",
    "fit_loop.epoch_loop._broadcast_sigterm_tensor": "leaving by a signal, callbacks/preemption.py",
    "fit_loop.epoch_loop.batch_progress.total.ready": "exact resume, callbacks/checkpoints.py",
    "fit_loop.epoch_loop.batch_progress.total.started": "exact resume, callbacks/checkpoints.py",
    "fit_loop.epoch_loop.batch_progress.current.ready": "exact resume, callbacks/checkpoints.py and data/base.py",
    "fit_loop.epoch_loop.batch_progress.current.started": "exact resume, callbacks/checkpoints.py and data/base.py",
}
"""Names below a Trainer, and what depends on them."""
OVERRIDDEN = {
    (CLI, LightningCLI, "_parse_ckpt_path"): "a checkpoint's settings lie under the user's, cli/trainer_commands.py",
    (CLI, LightningCLI, "_set_seed"): "checks before anything is built, cli/trainer_commands.py",
    (HelpFormatter, argparse.HelpFormatter, "_expand_help"): "--help of options checked by functions, cli/help.py",
}
"""Methods that a class of this package overrides, the class that it overrides them of, and what depends on them."""
CALLED = {
    "_get": "the module and the data that were built, cli/trainer_commands.py",
    "_subcommand_parsers": "--help and what the user typed, cli/trainer_commands.py",
}
"""Names of LightningCLI that its subclass reads, and what depends on them."""
OF_MODULES = {
    "lightning.pytorch.overrides.distributed._sync_module_states": "ddp_unwrapped, training/strategies.py",
    "lightning.pytorch.trainer.call._call_callbacks_state_dict": "the final state of a run, callbacks/checkpoints.py",
    "lightning.pytorch.cli.instantiate_module": "checkpoints that Lightning's own reader rebuilds",
    "tensorboard.summary.writer.event_file_writer._AsyncWriterThread": "a full disk, callbacks/run.py",
    "tensorboard.compat.tensorflow_stub.io.gfile.LocalFileSystem": "a removed folder, callbacks/event_files.py",
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


@pytest.mark.parametrize("name", OF_A_TRAINER)
def test_a_trainer_has(trainer, name):
    try:
        operator.attrgetter(name)(trainer)
    except AttributeError as error:
        pytest.fail(f"Trainer.{name} is gone ({error}), on which this depends: {OF_A_TRAINER[name]}")


@pytest.mark.parametrize(("kind", "base", "name"), OVERRIDDEN)
def test_a_class_overrides(kind, base, name):
    assert name in vars(kind)
    assert hasattr(base, name), f"{base.__name__}.{name} is gone: {OVERRIDDEN[kind, base, name]} depends on it"


@pytest.mark.parametrize("name", CALLED)
def test_the_command_line_has(name):
    there = hasattr(LightningCLI, name) or f"self.{name}" in inspect.getsource(LightningCLI)
    assert there, f"LightningCLI.{name} is gone: {CALLED[name]} depends on it"


@pytest.mark.parametrize("name", OF_MODULES)
def test_a_module_has(name):
    module, _, attribute = name.rpartition(".")
    assert hasattr(importlib.import_module(module), attribute), f"{name} is gone: {OF_MODULES[name]} depends on it"


def test_tensors_are_changed_together():
    a, b = torch.zeros(2), torch.zeros(3)
    private.copy_all([a, b], [torch.ones(2), torch.ones(3)])
    assert (a.sum(), b.sum()) == (2, 3), "torch._foreach_copy_: averages and gradients, training/ema.py, collectives.py"
    private.lerp_all([a, b], [torch.full((2,), 3.0), torch.full((3,), 3.0)], 0.5)
    assert (a.sum(), b.sum()) == (4, 6), "torch._foreach_lerp_: averages, training/ema.py"
    private.clamp_all([a, b], -1.0, 1.0)
    assert (a.sum(), b.sum()) == (2, 3), "torch._foreach_clamp_*_: WGAN's weight clipping, regularizers/constraint.py"


def test_layers_are_known_by_their_bases():
    norms = [nn.BatchNorm1d(1), nn.BatchNorm2d(1), nn.BatchNorm3d(1)]
    found = private.batch_norms([*norms, nn.LayerNorm(1)])
    assert found == norms, "_BatchNorm: recalibration, training/batch_norm.py, and checks of discriminators"
    layer = nn.utils.parametrizations.spectral_norm(nn.Linear(2, 2))
    (norm,) = layer.parametrizations.weight
    assert isinstance(norm, private.SpectralParametrization), "_SpectralNorm: averaged networks, training/ema.py"
    layer = nn.utils.spectral_norm(nn.Linear(2, 2))
    (hook,) = private.forward_pre_hooks(layer)
    assert hook.name == "weight", "Module._forward_pre_hooks: averaged networks, training/ema.py"


def test_loaders_make_batches_of_other_classes():
    class Sample:
        pass

    private.collate_by(Sample, lambda samples, **options: len(samples))
    assert default_collate([Sample(), Sample()]) == 2, "datasets that yield Batch, records.py"


def test_a_loader_holds_its_iterator():
    loader = DataLoader(range(4), num_workers=1, persistent_workers=True)
    assert private.batch_iterator(loader) is None
    iterator = iter(loader)
    assert private.batch_iterator(loader) is iterator, "DataLoader._iterator: workers between epochs, data/loader.py"
    private.set_batch_iterator(loader, None)
    assert private.batch_iterator(loader) is None
    iterator._shutdown_workers()


def test_the_trainer_ends_the_workers_of_loaders_by_their_iterator():
    loader = DataLoader(range(4))
    private.set_batch_iterator(loader, object())
    CombinedLoader([loader]).reset()
    assert private.batch_iterator(loader) is None, "workers that outlive a run, data/loader.py"


def test_the_compiler_and_its_settings_are_known():
    before = private.donated_buffers()
    private.set_donated_buffers(not before)
    assert private.donated_buffers() is not before
    private.set_donated_buffers(before)
    assert private.is_compiler_error(torch._dynamo.exc.InternalTorchDynamoError("x"))
    assert not private.is_compiler_error(RuntimeError("x"))


def test_processes_meet_at_a_store(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    try:
        assert isinstance(private.default_store(), torch.distributed.Store), "one error for all, cli/processes.py"
    finally:
        leave_group()


def test_torchmetrics_holds_the_weights_of_lpips():
    assert private.LPIPS_VGG16.is_file(), "LPIPS without a file for its linear layers, objectives/perceptual.py"


def test_other_threads_write_no_events():
    assert not private.writes_events(threading.current_thread())
    assert not private.writes_events(None)


def test_the_state_of_the_loops_counts_batches_as_corrected_checkpoints_expect(trainer):
    state = trainer.fit_loop.epoch_loop.state_dict()
    assert "_batches_that_stepped" in state["state_dict"], "which batches a resumed run logs, callbacks/checkpoints.py"
    checkpoint = {"loops": {"fit_loop": {"epoch_loop.state_dict": {"_batches_that_stepped": 3}}}}
    private.uncount_batch(checkpoint)
    assert checkpoint["loops"]["fit_loop"]["epoch_loop.state_dict"]["_batches_that_stepped"] == 2


def test_prefetched_batches_are_counted_and_forgotten(trainer):
    progress = trainer.fit_loop.epoch_loop.batch_progress
    progress.current.ready += 1
    progress.total.ready += 1
    assert private.prefetched_batches(trainer) == 1
    private.forget_prefetched(trainer)
    assert progress.total.ready == progress.total.started
    progress.current.ready -= 1
    assert private.prefetched_batches(trainer) == 0


def test_the_loops_of_a_new_trainer_have_no_loaders_and_count_nothing(trainer):
    assert list(private.train_loaders(trainer)) == []
    assert private.batches_counted(trainer) == 0
    assert private.loaded_checkpoint(trainer) == {}


def test_a_function_says_what_is_logged():
    runner = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    own = type(runner._logger_connector)
    asked = []
    private.replace_log_rule(runner, lambda lightnings: asked.append(lightnings) or not lightnings)
    assert runner._logger_connector.should_update_logs is False
    assert asked == [True], "Lightning's own answer outside of a loop, training/image_axis.py"
    assert isinstance(runner._logger_connector, own)


def test_metrics_are_collected_only_after_batches_that_logged_some():
    runner = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    connector, logged = runner._logger_connector, []
    runner.training = True
    private.collect_only_if(runner, lambda: bool(logged))
    connector.on_batch_start("a batch")
    results = runner._results
    results.log("step", "loss", torch.tensor(1.0), on_step=True, on_epoch=False, batch_size=1)
    assert results.batch == "a batch"
    connector.on_batch_end()
    assert (results.batch, results.batch_size) == (None, None), "the batch is freed, training/image_axis.py"
    assert connector._callback_metrics == {}
    logged.append(True)
    connector.on_batch_end()
    assert connector._callback_metrics == {"loss": 1.0}


def test_the_arguments_of_a_training_step_are_known(trainer):
    """With which the loop calls it, training/overhead.py."""

    class Alone(LightningModule):
        def training_step(self, batch): ...

    class Both(LightningModule):
        def training_step(self, batch, number): ...

    for kind, names in ((Alone, ["batch"]), (Both, ["batch", "batch_idx"])):
        trainer.strategy.connect(kind())
        loop, name, build = private.known_step_arguments(trainer)
        expected = getattr(loop, name)(OrderedDict(), "a batch", 3)
        assert list(expected) == names
        assert build(OrderedDict(), "a batch", 3) == expected


def test_gradients_that_are_set_to_zero_are_counted_without_hooks(trainer):
    loop, name, count = private.uncalled_before_zero_grad(trainer)
    trainer.strategy.connect(LightningModule())
    numbers = []
    for called in (getattr(loop, name), count):
        loop.optim_progress.reset_on_run()
        called(None)
        numbers.append(loop.optim_progress.optimizer.zero_grad.current.state_dict())
    assert numbers[0] == numbers[1], "the counts in checkpoints, training/overhead.py"
    assert numbers[0]["ready"] == numbers[0]["started"] == 1


def test_a_batch_passes_a_hook_before_it_is_moved():
    class Doubles(LightningModule):
        def on_before_batch_transfer(self, batch, dataloader_idx):
            return 2 * batch

    assert getattr(Doubles(), private.UNMOVED)(3, dataloader_idx=0) == 6, "training/overhead.py leaves it out"


def test_signals_are_left_alone_and_taken_again(trainer):
    private.disable_signal_handlers(trainer)
    private.disable_signal_broadcast(trainer)
    assert trainer._signal_connector.register_signal_handlers() is None
    assert trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor() is None
    private.restore_signals(trainer)
    assert "register_signal_handlers" not in vars(trainer._signal_connector)
    assert "_broadcast_sigterm_tensor" not in vars(trainer.fit_loop.epoch_loop)


def test_a_module_knows_whether_it_has_a_trainer():
    assert not private.has_trainer(LightningModule()), "_trainer: loading without a Trainer, training/module.py"


def test_schedulers_of_several_keep_them():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.5)
    parts = [StepLR(optimizer, 1), StepLR(optimizer, 2)]
    for several in (SequentialLR(optimizer, parts, [3]), ChainedScheduler(parts, optimizer)):
        assert private.inner_schedulers(several) == parts, "schedules in images inside others, training/optimizers.py"
        assert private.INNER_SCHEDULERS in several.state_dict(), "and their states, training/settings.py"
    assert private.inner_schedulers(parts[0]) == []
    assert "_last_lr" in parts[0].state_dict(), "rates of a resumed run, training/settings.py"
    optimizer.param_groups[0]["lr"] = 0.25
    private.set_latest_rates(parts[0])
    assert parts[0].get_last_lr() == [0.25]


def test_a_fused_optimizer_says_that_it_unscales_in_its_step():
    for kind in (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD):
        fused = kind([torch.zeros(1)], lr=0.5, fused=True)
        assert fused._step_supports_amp_scaling, "clipping in float16, training/optimizers.py"
        private.unscale_before_step(fused)
        assert not fused._step_supports_amp_scaling
        plain = kind([torch.zeros(1)], lr=0.5)
        private.unscale_before_step(plain)
        assert not getattr(plain, "_step_supports_amp_scaling", False)


def test_ddp_says_how_gradients_are_sent():
    for name in ("_ddp_comm_hook", "_ddp_comm_wrapper"):
        assert hasattr(DDPStrategy(), name), f"DDPStrategy.{name}: gradients in 16 bits, training/strategies.py"
    hook, wrapper = object(), object()
    strategy = DDPStrategy(ddp_comm_hook=hook, ddp_comm_wrapper=wrapper)
    assert private.communication_hook(strategy) == (hook, wrapper)


def test_the_parser_knows_its_commands_and_the_groups_of_its_options():
    parser = Parser()
    assert private.commands_action(ArgumentParser()) is None
    commands = parser.add_subcommands()
    commands.add_subcommand("fit", Parser(), help="train")
    assert private.commands_action(parser) is commands, "--help, cli/trainer_commands.py"
    assert [entry.dest for entry in private.command_entries(commands)] == ["fit"], "--help, cli/trainer_commands.py"
    assert "--help" in {name for option in private.options(parser) for name in option.option_strings}, "cli/parser.py"
    grouped = [option for _, options in private.option_groups(parser) for option in options]
    assert set(private.options(parser)) == set(grouped), "--help, cli/help.py"
    private.sort_option_groups(parser, key=lambda group: str(group.title))
    titles = [str(group.title) for group, _ in private.option_groups(parser)]
    assert titles == sorted(titles)
