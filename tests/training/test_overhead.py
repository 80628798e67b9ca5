"""What is left out of a batch is what nobody asked for; optimizers are fused where they can be."""

import os
import platform
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.profilers import PassThroughProfiler, SimpleProfiler
from torch.utils.data import DataLoader

from lightning_gen import GANModule, cli, private
from lightning_gen.callbacks import MaxImages
from lightning_gen.cli import trainer_commands
from lightning_gen.data import Digits
from lightning_gen.networks import DenseDiscriminator, DenseGenerator
from lightning_gen.objectives import NonSaturating
from lightning_gen.training import image_axis
from lightning_gen.training.optimizers import fuse
from lightning_gen.training.overhead import AROUND_BACKWARD, BATCH_HOOKS


class Asked(Callback):
    """Has hooks of its own and one on the instance, as test doubles do."""

    def __init__(self):
        self.calls = []
        self.on_after_backward = lambda *args: self.calls.append("on_after_backward")

    def on_train_batch_start(self, trainer, pl_module, *args):
        self.calls.append("on_train_batch_start")
        self.hooks = {hook: getattr(self, hook) for hook in BATCH_HOOKS}
        self.of_module = {hook: getattr(pl_module, hook) for hook in BATCH_HOOKS}


class Watched(GANModule):
    """A module of a user's own."""

    seen = 0

    def on_before_backward(self, loss):
        self.seen += 1


def module(kind=GANModule):
    generator, discriminator = DenseGenerator((1, 8, 8), 4, [8]), DenseDiscriminator((1, 8, 8), [8])
    return kind(generator=generator, discriminator=discriminator, objective=NonSaturating())


def fit(module, tmp_path, callbacks=(), images=16, data=None, **options):
    settings = {"max_epochs": -1, "accelerator": "cpu", "logger": False, "enable_checkpointing": False}
    settings |= {"enable_progress_bar": False, "enable_model_summary": False, "limit_val_batches": 0}
    settings |= options
    trainer = Trainer(default_root_dir=tmp_path, callbacks=[MaxImages(images), *callbacks], **settings)
    trainer.fit(module, data or Digits(size=8, batch_size=8))
    return trainer


def test_hooks_that_somebody_has_are_called_and_no_others(tmp_path):
    asked, watched = Asked(), module(Watched)
    fit(watched, tmp_path, [asked])
    assert asked.calls == ["on_train_batch_start", "on_after_backward", "on_after_backward"] * 2
    assert watched.seen == 4
    assert {hook for hook, called in asked.hooks.items() if called} == {"on_train_batch_start", "on_after_backward"}
    own = {"on_train_batch_start", "on_before_backward", "on_before_optimizer_step"}
    assert {hook for hook, called in asked.of_module.items() if called} == own


class Fails(Callback):
    """Ends a run by an error."""

    def on_train_batch_end(self, *args):
        raise ZeroDivisionError


@pytest.mark.parametrize("fails", [False, True])
def test_all_is_as_it_was_after_the_run(tmp_path, monkeypatch, fails):
    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    asked, trained = Asked(), module()
    profiler = PassThroughProfiler()
    with pytest.raises(ZeroDivisionError) if fails else nullcontext():
        fit(trained, tmp_path, [asked, *([Fails()] if fails else [])], profiler=profiler)
    assert trained.trainer.profiler is profiler
    assert os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] == "1"
    assert all(callable(getattr(owner, hook)) for owner in (asked, trained) for hook in BATCH_HOOKS)
    trainer = trained.trainer
    assert not {"batch_to_device", *AROUND_BACKWARD} & {*vars(trainer.strategy), *vars(trainer.precision_plugin)}
    loop = trainer.fit_loop.epoch_loop
    skipping = private.known_step_arguments, private.uncalled_before_zero_grad
    replaced = {private.UNMOVED, *(skip(trainer)[1] for skip in skipping)}
    changed = trained, loop, loop.automatic_optimization
    assert not replaced & {name for each in changed for name in vars(each)}


class Shifted(Digits):
    """Data that change a batch once it is on the device."""

    def on_after_batch_transfer(self, batch, dataloader_idx):
        return replace(super().on_after_batch_transfer(batch, dataloader_idx), labels=torch.full((len(batch.x),), 7))


class Keeps(Callback):
    """Keeps the batches of the training and of the validation."""

    def __init__(self):
        self.training, self.validation = [], []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.training.append(batch)

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx, dataloader_idx=0):
        self.validation.append(batch)


def test_the_hooks_of_the_data_move_every_batch(tmp_path):
    kept = Keeps()
    fit(module(), tmp_path, [kept], data=Shifted(size=8, batch_size=8), limit_val_batches=1, num_sanity_val_steps=0)
    assert len(kept.training) == 2
    assert len(kept.validation) == 1
    for batch in kept.training + kept.validation:
        assert batch.x.dtype == torch.float32
        assert batch.labels.eq(7).all()


class OfModule(GANModule):
    """A module that changes a batch itself, for data without hooks."""

    def on_after_batch_transfer(self, batch, dataloader_idx):
        return batch.clamp(-0.25, 0.25)


def test_a_module_moves_the_batches_of_a_plain_loader(tmp_path):
    kept = Keeps()
    samples = torch.linspace(-1, 1, 16 * 64).reshape(16, 1, 8, 8)
    fit(module(OfModule), tmp_path, [kept], data=DataLoader(samples, batch_size=8))
    assert [float(batch.abs().max()) for batch in kept.training] == [0.25, 0.25]


class OfBatchAlone(GANModule):
    """A module whose step does not take the number of the batch, and which changes a batch before it is moved."""

    def __init__(self, **parts):
        super().__init__(**parts)
        self.largest = []

    def on_before_batch_transfer(self, batch, dataloader_idx):
        return replace(batch, x=batch.x // 4)

    def training_step(self, batch):
        self.largest.append(float(batch.x.max()))
        super().training_step(batch, 0)


def test_a_step_gets_the_arguments_that_it_has_and_a_batch_passes_its_hooks(tmp_path):
    trained = module(OfBatchAlone)
    fit(trained, tmp_path)
    assert len(trained.largest) == 2
    assert max(trained.largest) < -0.4, "a quarter of 255 of 255 is -0.5 of [-1, 1]"


class Sometimes(GANModule):
    """Logs values of its own in some batches, in all ways that Lightning knows."""

    def training_step(self, batch, batch_idx):
        super().training_step(batch, batch_idx)
        if batch_idx % 3 == 1:
            self.log("user/step", float(batch_idx), prog_bar=True)
            self.log("user/epoch", float(batch_idx), on_step=False, on_epoch=True)
            self.log("user/both", float(batch_idx), on_step=True, on_epoch=True, prog_bar=True)


class Metrics(Callback):
    """Keeps what a Trainer shows of its metrics at the start of each batch and of each epoch."""

    def __init__(self):
        self.found = []

    def on_train_batch_start(self, trainer, pl_module, *args):
        shown = trainer.callback_metrics, trainer.logged_metrics, trainer.progress_bar_metrics
        self.found.append([{name: float(value) for name, value in each.items()} for each in shown])

    def on_train_epoch_start(self, trainer, pl_module):
        self.on_train_batch_start(trainer, pl_module)


def test_metrics_are_those_of_a_trainer_that_collects_them_at_each_batch(tmp_path, monkeypatch):
    found = []
    for collects in (False, True):
        if collects:
            monkeypatch.setattr(image_axis.private, "collect_only_if", lambda *args: None)
        torch.manual_seed(0)
        metrics = Metrics()
        options = {"limit_train_batches": 8, "limit_val_batches": 2, "val_check_interval": 5}
        fit(module(Sometimes), tmp_path, [metrics], images=8 * 20, **options)
        found.append(metrics.found)
    assert found[0] == found[1]
    assert {"user/step", "user/epoch", "user/both_step", "user/both_epoch"} <= set(found[0][-1][0])


def test_a_profiler_of_the_user_records_every_batch(tmp_path):
    profiler = SimpleProfiler()
    fit(module(), tmp_path, profiler=profiler)
    assert len(profiler.recorded_durations["[Strategy]SingleDeviceStrategy.training_step"]) == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_optimizers_do_not_look_for_a_gpu_at_each_step(tmp_path, monkeypatch):
    looks = []
    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    monkeypatch.setattr(torch.cuda, "_device_count_nvml", lambda: looks.append(1) or 0)
    fit(module(), tmp_path)
    looks_of_a_run = len(looks)
    looks.clear()
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    fit(module(), tmp_path, images=160)
    assert len(looks) == looks_of_a_run


def weights():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((3, 4), (4,))]


def trained(optimizer, parameters):
    for step in range(5):
        for parameter in parameters:
            parameter.grad = (parameter * (step + 1)).sin().detach()
        optimizer.step()
    return torch.cat([parameter.detach().flatten() for parameter in parameters])


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.Adagrad])
def test_a_fused_optimizer_makes_the_same_steps(kind):
    plain, fused = ([w.clone().requires_grad_() for w in weights()] for _ in range(2))
    optimizer = kind(fused, lr=0.01)
    fuse(optimizer)
    assert all(group["fused"] for group in optimizer.param_groups)
    torch.testing.assert_close(trained(optimizer, fused), trained(kind(plain, lr=0.01), plain), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("choice", [{"foreach": True}, {"fused": False}, {"foreach": False, "fused": False}])
def test_what_the_user_has_chosen_stays(choice):
    optimizer = torch.optim.Adam([torch.ones(1, requires_grad=True)], **choice)
    before = dict(optimizer.defaults)
    fuse(optimizer)
    assert optimizer.defaults == before


def test_an_optimizer_without_a_fused_step_stays_as_it_is():
    optimizer = torch.optim.RMSprop([torch.ones(1, requires_grad=True)])
    fuse(optimizer)
    assert "fused" not in optimizer.defaults


FAULTS = """
import resource
import torch
from lightning_gen.training.overhead import keep_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(2**24)  # 64 MiB, more than glibc keeps by itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

first = faults()
keep_memory()
faults()
print(first, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told")
@pytest.mark.slow
@pytest.mark.parametrize(
    "chosen", [{}, {"MALLOC_ARENA_MAX": "2"}, {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=1048576"}]
)
def test_freed_memory_is_kept_unless_the_user_has_chosen(chosen):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    command = [sys.executable, "-c", FAULTS]
    done = subprocess.run(command, env=environment | chosen, capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert (after > 0.9 * before) if chosen else (after < 0.1 * before)


def test_a_fit_on_a_cpu_keeps_its_memory(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(trainer_commands, "keep_memory", lambda: kept.append(True))
    fit(module(), tmp_path, images=64)
    assert kept == [], "what is for the whole process is left to its owner"
    cli.main(["fit", "--config=gan/dense", "--data.size=8", "--trainer.fast_dev_run=1", f"--runs_dir={tmp_path}"])
    assert kept == [True]
