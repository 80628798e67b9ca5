"""A run that a signal stops writes its state once, at the end of a batch, and resumes to the same weights."""

import os
import signal
import subprocess
import sys
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from lightning_gen import signals
from lightning_gen.callbacks import ImageCheckpoint, MaxImages, PreemptionCheckpoint
from lightning_gen.callbacks.command_lines import python
from lightning_gen.data import Digits, Loader
from lightning_gen.errors import InputError


class Signal(Callback):
    """Sends a signal to this process between two updates of the batch up to so many images, and as it saves."""

    def __init__(self, number, images):
        self.number = number
        self.images = images

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        if pl_module.images_seen == self.images:
            os.kill(os.getpid(), self.number)

    def on_save_checkpoint(self, trainer, pl_module, checkpoint):
        os.kill(os.getpid(), self.number)


class Written(Callback):
    """Records when a checkpoint is written, and the updates of both networks at that time."""

    def __init__(self):
        self.states = []

    def on_save_checkpoint(self, trainer, pl_module, checkpoint):
        self.states.append((pl_module.images_seen, *pl_module.updates.values()))


@pytest.fixture
def fit(gan, trainer, tmp_path):
    """Train up to so many images; returns the module and the states that were written."""
    trainer = partial(trainer, enable_checkpointing=True, max_epochs=-1)

    def run(*callbacks, images=3200, every=None, name="run", ckpt_path=None, seed=1):
        torch.manual_seed(seed)
        written, last = Written(), ImageCheckpoint(every, tmp_path / name)
        module = gan(batch_norm=True)
        callbacks = [*callbacks, written, MaxImages(images), last, PreemptionCheckpoint(last)]
        try:
            trainer(callbacks=callbacks).fit(module, Digits(size=8, batch_size=64), ckpt_path=ckpt_path)
        except SystemExit as left:
            return left.code, written.states
        return module, written.states

    return run


def handlers():
    return [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_run_that_left_goes_on_to_the_same_weights(fit, tmp_path, capsys, number):
    before = handlers()
    whole, _ = fit(name="whole")
    status, states = fit(Signal(number, 640))
    assert status == 75
    assert handlers() == before
    assert states == [(640, 10, 10)], "once, after the whole batch, although the signal came again while it was written"
    printed, last = capsys.readouterr().err, tmp_path / "run" / "last.ckpt"
    assert printed.startswith(f"stopped by a signal: 640 images are in {last}; resume with\n")
    assert f"fit --ckpt_path {last}" in printed
    assert_goes_on(fit, whole, tmp_path / "run" / "last.ckpt")


def assert_goes_on(fit, whole, path):
    joined, _ = fit(ckpt_path=path, seed=2)
    assert joined.images_seen == whole.images_seen == 3200
    assert all(torch.equal(value, joined.state_dict()[name]) for name, value in whole.state_dict().items())


class Interrupt(Callback):
    """Presses Ctrl-C between two updates of a batch, so many times."""

    def __init__(self, images, times=1):
        self.images = images
        self.times = times

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        if pl_module.images_seen == self.images and optimizer is trainer.optimizers[0]:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)


def test_ctrl_c_writes_the_state_and_says_how_to_go_on(fit, tmp_path, capsys):
    before = handlers()
    whole, _ = fit(name="whole")
    capsys.readouterr()
    status, states = fit(Interrupt(640))
    assert status == 130
    assert handlers() == before
    assert states == [(640, 10, 10)], "the batch was finished"
    path = tmp_path / "run" / "last.ckpt"
    assert capsys.readouterr().err.splitlines() == [
        "finishing the batch and writing the checkpoint; Ctrl-C again stops at once",
        f"stopped: 640 images are in {path}; resume with",
        f"  {python()} -m lightning_gen fit --ckpt_path {path}",
    ]
    assert_goes_on(fit, whole, path)


def test_a_second_ctrl_c_leaves_at_once(fit, tmp_path):
    before = handlers()
    assert fit(Interrupt(640, times=2), every=320) == (130, [(320, 5, 5)])
    assert handlers() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_has_not_trained_yet_writes_nothing(fit, tmp_path, number):
    class Early(Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            signal.raise_signal(number)

    status, states = fit(Early())
    assert status == {signal.SIGINT: 130, signal.SIGTERM: 75}[number]
    assert states == []
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_asked_before_it_trains_leaves_as_any_command_does(fit, tmp_path):
    """Lightning's handler would broadcast to processes that are not listening."""
    before = handlers()

    class Earlier(Callback):
        def on_train_start(self, trainer, pl_module):
            signal.raise_signal(signal.SIGTERM)

    with signals.leaving():
        mine = handlers()
        assert fit(Earlier()) == (75, [])
        assert handlers() == mine
    assert handlers() == before
    assert not (tmp_path / "run").exists()


def test_what_was_started_ends_with_a_run_that_leaves_before_it_trains(tmp_path):
    """A process that waits for another one hears no signal but this."""
    killed = []
    two = SimpleNamespace(
        strategy=SimpleNamespace(launcher=SimpleNamespace(kill=killed.append)),
        fit_loop=SimpleNamespace(epoch_loop=SimpleNamespace()),
        _signal_connector=SimpleNamespace(),
    )
    callback = PreemptionCheckpoint(ImageCheckpoint(None, tmp_path))
    callback.on_exception(two, None, signals.Preempted(75))
    assert killed == []
    callback.on_exception(two, None, signals.LeftEarly(75))
    assert killed == [signal.SIGKILL]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_workers_leave_signals_to_the_process_that_trains(number):
    """A terminal sends Ctrl-C to all of them, and SLURM SIGTERM."""
    pid, loader = os.getpid(), Loader(Digits(size=8).splits().train, 64, num_workers=1)
    batches = iter(loader)
    first = next(batches)
    (worker,) = loader._iterator._workers
    os.kill(worker.pid, number)
    rest = list(batches)
    assert os.getpid() == pid
    assert sum(len(batch.x) for batch in [first, *rest]) == 1437


STUCK = """
import time
from torch.utils.data import DataLoader, Dataset
from lightning_gen.signals import leave_to_parent

class Stuck(Dataset):
    def __len__(self):
        return 64

    def __getitem__(self, index):
        while index >= 32:
            time.sleep(0.01)
        return index

print(len(next(iter(DataLoader(Stuck(), 32, num_workers=1, worker_init_fn=leave_to_parent)))), flush=True)
"""


@pytest.mark.slow
def test_a_process_ends_whose_worker_does_not_come_back():
    done = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "32\n"), done.stderr


def test_a_batch_that_was_just_written_is_not_written_again(fit):
    """The signal comes while the checkpoint of the rhythm is written."""
    assert fit(Signal(signal.SIGTERM, 640), every=320) == (75, [(320, 5, 5)])


def test_a_run_that_nobody_asks_is_left_alone(fit):
    before = handlers()
    module, states = fit()
    assert module.images_seen == 3200
    assert states == [(3200, 50, 50)]
    assert handlers() == before


def test_several_processes_ask_each_other_every_so_many_batches(tmp_path):
    """Or at the first end of an update after that: these are of three batches."""
    trained, asked = [], []

    def ask(decision, all):
        assert not all
        asked.append(len(trained))
        return False

    checkpoint = ImageCheckpoint(None, tmp_path)
    callback = PreemptionCheckpoint(checkpoint, every_batches=4)
    two = SimpleNamespace(world_size=2, strategy=SimpleNamespace(reduce_boolean_decision=ask))
    for updates_of, expected in ((1, [4, 8, 12]), (3, [6, 12])):
        trained.clear()
        asked.clear()
        for batch in range(14):
            callback.on_train_batch_start(two, None)
            trained.append(batch)
            checkpoint.between_updates = len(trained) % updates_of == 0
            callback.on_train_batch_end(two, None)
        assert asked == expected
        callback._batches = 0


def test_it_must_ask_at_some_time(tmp_path):
    with pytest.raises(InputError, match="every_batches must be at least 1, not 0"):
        PreemptionCheckpoint(ImageCheckpoint(None, tmp_path), every_batches=0)
