"""A process that loads batches and was killed, or has no room, is said in one sentence."""

import os
import shutil
from functools import partial
from types import SimpleNamespace

import pytest

from lightning_gen.data import Digits, Loader, workers
from lightning_gen.data.loader import stream
from lightning_gen.errors import InputError


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("DataLoader worker (pid(s) 7) exited unexpectedly", "it was killed"),
        ("DataLoader worker (pid 7) is killed by signal: Killed. ", "it was killed"),
        ("DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that ...", "/dev/shm is full"),
    ],
)
def test_what_torch_says_of_a_process_that_ended(said, told):
    found = workers.failure(RuntimeError(said))
    assert found.status == 1
    assert told in str(found)
    assert "--data.num_workers" in str(found)


def test_no_room_in_shared_memory_is_refused(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    with pytest.raises(InputError, match=r"--data.num_workers 2 needs .* MB left"):
        next(iter(Loader(Digits(size=8).splits().train, 64, num_workers=2)))


@pytest.mark.parametrize("make", [Loader, partial(stream, drop_last=True, seed=0, world_size=1)])
def test_more_workers_than_a_machine_can_run_are_refused(monkeypatch, make):
    """Thousands took all the memory of the machine, and programs of others were killed."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    samples = Digits(size=8).splits().train
    make(samples, 64, num_workers=64)
    with pytest.raises(InputError, match=r"--data\.num_workers 65 would start .* on the 2 processors .*: set it to 64"):
        make(samples, 64, num_workers=65)


def test_other_errors_are_left_alone():
    assert workers.failure(ConnectionResetError("of something else")) is None
