"""Jobs of a real SLURM on two machines, started as ``configs/cluster/slurm.sbatch`` says."""

import sys
import tempfile
from pathlib import Path

import pytest
from local_slurm import local_slurm
from same_run import assert_same

from lightning_gen.cli import recipes

pytestmark = pytest.mark.slow

SCRIPT = recipes.folder() / "cluster" / "slurm.sbatch"
TINY = ["--config=gan/dense", "--data.size=8", "--model.generator.widths=[16]", "--model.discriminator.widths=[16]"]
FIT = [*TINY, "--trainer.accelerator=cpu", "--max_images=32000", "--checkpoint_every_images=1280"]


@pytest.fixture(scope="module")
def slurm():
    """The cluster; its folder has a short name, as the path of a socket has at most 107 characters."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, local_slurm(Path(folder)) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where all jobs are started; another program has left a checkpoint there for whoever takes it."""
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "hpc_ckpt_1.ckpt").write_text("of another job")
    return folder


@pytest.fixture
def submit(slurm, folder, monkeypatch):
    """Start a job; returns its number."""
    monkeypatch.setitem(slurm.environment, "PYTHON", sys.executable)
    monkeypatch.setitem(slurm.environment, "MASTER_PORT", "29500")  # as the shell of a user of torchrun may have it

    def start(*words, options=()):
        return slurm.call("sbatch", "--parsable", "--cpus-per-task=1", *options, SCRIPT, *words, cwd=folder)

    return start


def said(folder, job):
    return (folder / f"lightning_gen-{job}.out").read_text()


def last(folder, name):
    return folder / "runs" / name / "checkpoints" / "last.ckpt"


def test_jobs_that_are_requeued_end_with_the_weights_of_the_one_left_alone(slurm, submit, folder):
    """Three jobs at once in one folder: one gets a signal as its time is up, one is requeued, one is left alone."""
    jobs = {name: submit(*FIT, f"--name={name}") for name in ("warned", "requeued", "whole")}
    ways = {"warned": ["scancel", "--signal=USR1"], "requeued": ["scontrol", "requeue"]}
    for name, way in ways.items():
        slurm.wait(jobs[name], last(folder, name))
        assert last(folder, name).exists(), said(folder, jobs[name])
        slurm.call(*way, jobs[name])
    for name, job in jobs.items():
        slurm.wait(job)
        assert slurm.show(job)["JobState"] == "COMPLETED", said(folder, job)
        assert slurm.show(job)["Restarts"] == ("0" if name == "whole" else "1")
        assert ("stopped by a signal" in said(folder, job)) == (name != "whole")
        assert ("resuming after" in said(folder, job)) == (name != "whole")
    for name in ways:
        assert_same(last(folder, name), last(folder, "whole"), processes=2)
    assert [path.name for path in folder.glob("*.ckpt")] == ["hpc_ckpt_1.ckpt"]
