"""Signals end a command in order, and what nohup ignores stays ignored."""

import signal

import pytest

from lightning_gen import signals


@pytest.mark.parametrize("number", [number for number in signals.SIGNALS if number != signal.SIGINT])
def test_a_command_leaves_and_clears_up_undisturbed(number):
    before, cleared = signal.getsignal(number), []

    def work():
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(number)
            cleared.append(True)

    with pytest.raises(signals.LeftEarly) as end, signals.leaving():
        work()
    assert (end.value.code, cleared) == (75, [True])
    assert signal.getsignal(number) is before


def test_ctrl_c_clears_up_as_well_and_a_second_one_ends_the_process(monkeypatch):
    before, ended = signal.getsignal(signal.SIGINT), []
    monkeypatch.setattr(signals.os, "_exit", ended.append)

    def work():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            assert not ended
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(signals.LeftEarly) as end, signals.leaving():
        work()
    assert (end.value.code, ended) == (130, [130])
    assert signal.getsignal(signal.SIGINT) is before


def test_what_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.leaving():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
