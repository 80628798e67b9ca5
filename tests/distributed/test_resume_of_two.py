"""Two processes go on to the bits of two that were never interrupted, whatever they train."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import resumed
from same_run import assert_same

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
