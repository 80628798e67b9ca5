"""Two groups of torchrun on this machine, started as ``configs/cluster/torchrun.sh`` says."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from same_run import assert_same

from lightning_gen import checkpoint as checkpoints
from lightning_gen.cli import recipes

pytestmark = pytest.mark.slow

SCRIPT = recipes.folder() / "cluster" / "torchrun.sh"
TINY = ["--config=gan/dense", "--data.size=8", "--model.generator.widths=[16]", "--model.discriminator.widths=[16]"]
FIT = [*TINY, "--trainer.accelerator=cpu", "--checkpoint_every_images=1280"]
SECONDS = 500
"""Less than the ten minutes for which one process waits for another."""


@pytest.fixture
def start(tmp_path):
    """Start a run of two groups; what is still running in the end is ended."""
    begun = []

    def groups(*words):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        shared = {**os.environ, "HEAD": "127.0.0.1", "PORT": port, "PYTHON": sys.executable}
        command = ["bash", SCRIPT, *FIT, *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        started = [
            subprocess.Popen(command, cwd=tmp_path, env={**shared, "NODE": node}, start_new_session=True, **pipes)
            for node in "01"
        ]
        begun.extend(started)
        return started

    yield groups
    for group in begun:
        if group.poll() is None:
            os.killpg(group.pid, signal.SIGKILL)


def said(group):
    return group.communicate(timeout=SECONDS)[0]


def worker(group):
    """The one process that trains in a group."""
    children = Path(f"/proc/{group.pid}/task/{group.pid}/children").read_text().split()
    (found,) = [int(child) for child in children if "lightning_gen" in Path(f"/proc/{child}/cmdline").read_text()]
    return found


def test_a_run_whose_process_was_killed_stops_and_goes_on_to_the_same_weights(start, tmp_path):
    last = tmp_path / "runs" / "killed" / "checkpoints" / "last.ckpt"
    groups = start("--name=killed", "--max_images=32000")
    end = time.monotonic() + SECONDS
    while not last.exists():
        assert time.monotonic() < end
        assert all(group.poll() is None for group in groups), [said(group) for group in groups]
        time.sleep(0.1)
    os.kill(worker(groups[1]), signal.SIGKILL)
    outputs = [said(group) for group in groups]
    assert all(group.returncode for group in groups)
    assert re.search(r"^error: another process of the run has ended: .* --ckpt_path last", outputs[0], re.M), outputs[0]
    both = {name: start(f"--name={name}", "--max_images=32000") for name in ("killed", "whole")}
    for name, groups in both.items():
        outputs = [said(group) for group in groups]
        assert [group.returncode for group in groups] == [0, 0], outputs
        assert ("resuming after" in outputs[0]) == (name == "killed")
    killed, whole = (tmp_path / f"runs/{name}/checkpoints/last.ckpt" for name in ("killed", "whole"))
    assert_same(killed, whole, processes=2)


def test_a_signal_to_one_process_makes_all_leave(start, tmp_path):
    groups = start("--name=asked", "--max_images=10000000")
    last = tmp_path / "runs" / "asked" / "checkpoints" / "last.ckpt"
    end = time.monotonic() + SECONDS
    while not last.exists():
        assert time.monotonic() < end
        time.sleep(0.1)
    os.kill(worker(groups[1]), signal.SIGUSR1)
    outputs = [said(group) for group in groups]
    assert all("exitcode  : 75" in output for output in outputs), outputs
    assert "stopped by a signal" in outputs[0]
    stored = checkpoints.read(last)["lightning_gen"]
    assert stored["images_seen"] % (10 * 64) == 0, "they asked each other every ten batches"
    assert str(stored["images_seen"]) in re.sub(",", "", outputs[0])
