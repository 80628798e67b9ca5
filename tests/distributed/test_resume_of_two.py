"""Two processes go on to the bits of two that were never interrupted, whatever they train."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import resumed
import torch
from same_run import assert_same

from lightning_gen import checkpoint as checkpoints
from lightning_gen.cli import main

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder of all runs."""
    found = tmp_path_factory.mktemp("runs")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    paths = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": paths}
    for part in ("begin", "go_on"):
        command = [*launch, resumed.__file__, part, found]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1500)
        assert done.returncode == 0, done.stderr
    return found


@pytest.mark.parametrize("run", resumed.RUNS)
def test_two_processes_go_on_to_the_bits_of_an_uninterrupted_run(runs, run):
    name = resumed.folder(run)
    assert_same(*(runs / f"{name}_{part}" / "checkpoints/last.ckpt" for part in ("parts", "whole")), processes=2)


def test_one_process_goes_on_where_two_left_and_says_that_it_is_another_run(runs, tmp_path):
    """The same samples follow: it ends at the place in the data at which two end."""
    name = resumed.folder("gan/dcgan")
    left = runs / f"{name}_parts" / "checkpoints" / "images-000000040.ckpt"
    options = [f"--runs_dir={tmp_path}", "--name=one", f"--ckpt_path={left}", "--max_images=96"]
    with pytest.warns(UserWarning, match="a run on 2 devices and this one is on 1: the same samples"):
        main(["fit", *options, "--trainer.devices=1", "--trainer.strategy=auto"])
    one, two = (
        checkpoints.read(folder / "checkpoints/last.ckpt") for folder in (tmp_path / "one", runs / f"{name}_whole")
    )
    assert one["Digits"]["position"] == two["Digits"]["position"]
    assert one["lightning_gen"]["images_seen"] == two["lightning_gen"]["images_seen"] == 96
    assert any(not torch.equal(value, two["state_dict"][key]) for key, value in one["state_dict"].items())
