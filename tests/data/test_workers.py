"""A process that loads batches and was killed, or has no room, is said in one sentence."""

import os
import shutil
import signal
from types import SimpleNamespace

import pytest

from lightning_gen.data import Digits, Loader, workers
from lightning_gen.errors import InputError


def test_a_killed_process_is_named():
    batches = iter(loader := Loader(Digits(size=8).splits().train, 8, num_workers=1))
    next(batches)
    os.kill(loader._iterator._workers[0].pid, signal.SIGKILL)
    with pytest.raises((RuntimeError, OSError, EOFError)) as error:
        list(batches)
    told = workers.failure(error.value)
    assert told.status == 1
    assert "it was killed" in str(told)


def test_no_room_in_shared_memory_is_refused(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=100))
    with pytest.raises(InputError, match="--data.num_workers 2 needs .* MB left"):
        next(iter(Loader(Digits(size=8).splits().train, 64, num_workers=2)))


def test_other_errors_are_left_alone():
    assert workers.failure(ConnectionResetError("of something else")) is None
