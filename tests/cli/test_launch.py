"""Errors between processes are one sentence, and no run waits for processes that are not started."""

import socket
from datetime import timedelta

import pytest
import torch
from lightning.pytorch.plugins.environments import LightningEnvironment

from lightning_gen import __main__ as program
from lightning_gen.callbacks.preemption import Preempted
from lightning_gen.cli import launch, main, processes

FIT = ["fit", "--config=gan/dense", "--config=trainer/smoke", "--data.size=8", "--trainer.accelerator=cpu"]
JOB = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1", "SLURM_NNODES": "2", "SLURM_JOB_NAME": "train"}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty current folder, and nothing of a cluster around."""
    monkeypatch.chdir(tmp_path)
    for name in (*JOB, "SLURM_STEP_ID", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def refused(capsys):
    """Run a command that is refused; returns the sentence."""

    def run(*words):
        with pytest.raises(SystemExit) as end:
            main([*FIT, *words])
        assert end.value.code == 2
        return capsys.readouterr().err.splitlines()[-1]

    return run


@pytest.fixture
def taken(monkeypatch):
    """A port that another program listens on."""
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        yield other.getsockname()[1]


def test_several_nodes_need_somebody_who_starts_them(refused):
    assert "start the command with srun or torchrun on all nodes" in refused("--trainer.num_nodes=2")


def in_job(monkeypatch, **more):
    for name, value in {**JOB, "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0", **more}.items():
        monkeypatch.setenv(name, value)


def test_a_job_of_several_tasks_needs_srun(refused, monkeypatch):
    in_job(monkeypatch)
    said = refused("--trainer.num_nodes=2", "--trainer.devices=1")
    assert said == "error: this SLURM job has 2 tasks and only one was started: put srun before the command"


def test_a_trainer_of_another_size_than_the_job_is_refused(refused, monkeypatch):
    in_job(monkeypatch, SLURM_STEP_ID="0")
    assert "`--nodes=2` does not match. HINT: Set `num_nodes=2`" in refused("--trainer.devices=1")


def test_lightning_does_not_requeue(monkeypatch):
    assert launch.environment([]) == []
    in_job(monkeypatch, SLURM_STEP_ID="0")
    (chosen,) = launch.environment([])
    assert chosen.auto_requeue is False
    assert launch.environment([LightningEnvironment()]) == [], "the user's own choice holds"


def test_a_port_in_use(refused, monkeypatch, taken):
    monkeypatch.setenv("MASTER_PORT", str(taken))
    said = refused("--trainer.strategy=ddp", "--trainer.devices=1")
    assert (
        said == f"error: another program has port {taken} of 127.0.0.1: set "
        "MASTER_PORT (PORT of the scripts in configs/cluster) to a free one"
    )


def test_processes_that_do_not_come_or_do_not_answer():
    with pytest.raises(RuntimeError) as error:
        torch.distributed.TCPStore("127.0.0.1", 0, 2, True, timedelta(seconds=1))
    assert processes.explanation(error.value).startswith("not all processes of the run have connected")
    alone = torch.distributed.TCPStore("127.0.0.1", 0, 1, True, timedelta(seconds=1))
    with pytest.raises(RuntimeError) as error:
        alone.wait(["never set"], timedelta(milliseconds=10))
    assert processes.explanation(error.value).startswith("another process of the run did not answer in time")


def test_an_error_of_one_process_is_not_taken_for_one_between_them():
    assert processes.explanation(RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)")) is None
    assert processes.explanation(TimeoutError("the read operation timed out")) is None


def test_a_process_that_ends_leaves_its_group(monkeypatch):
    seen = []

    def run(end=None):
        main([*FIT, "--trainer.strategy=ddp", "--trainer.devices=1", "--trainer.fast_dev_run=1"])
        seen.append(torch.distributed.is_initialized())
        if end is not None:
            raise end

    monkeypatch.setattr(program, "main", run)
    program.command()
    assert not torch.distributed.is_initialized()
    monkeypatch.setattr(program, "main", lambda: run(Preempted(75)))
    with pytest.raises(Preempted):
        program.command()
    assert not torch.distributed.is_initialized()
    assert seen == [True, True]


@pytest.mark.parametrize("name", launch.RANKS)
def test_a_rank_left_in_the_environment_is_refused(refused, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert f"{name} is 1 in the environment" in refused("--trainer.devices=1")


@pytest.mark.parametrize(("variable", "value"), [("LOCAL_RANK", "0"), ("NODE_RANK", "1"), ("MASTER_ADDR", "192.0.2.1")])
def test_what_a_launcher_left_behind_is_refused(refused, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    assert f"{variable} is {value} in the environment" in refused("--trainer.devices=2", "--trainer.strategy=ddp")


def test_a_thousand_processes_are_refused(refused):
    assert "--trainer.devices 1000 would start as many" in refused("--trainer.devices=1000")


def test_the_first_process_tells_an_error(monkeypatch):
    store = torch.distributed.HashStore()
    monkeypatch.setattr(processes, "shared_store", lambda: store)
    assert [processes.prints(each) for each in ("of all", "of all", "of one")] == [True, False, True]
