"""A process that loads batches and was killed, or has no room, is said in one sentence."""

import shutil
from types import SimpleNamespace

import pytest

from lightning_gen.data import Digits, Loader, workers
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


def test_other_errors_are_left_alone():
    assert workers.failure(ConnectionResetError("of something else")) is None
