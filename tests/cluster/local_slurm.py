"""SLURM for the tests: a controller and two daemons that stand for two machines, all on this one."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

CONF = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=17000
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=15
CryptoType=crypto/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
PluginDir={plugins}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
MinJobAge=3600
KillWait=60
MessageTimeout=60
SlurmdTimeout=300
PlugStackConfig=/dev/null
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port=17001 CPUs=8
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port=17002 CPUs=8
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=30 State=UP
"""
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
PROGRAMS = ("munged", "mungekey", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel")


def wait_for(happened, seconds=900, what=lambda: ""):
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"waited {seconds} s; {what()}"
        time.sleep(0.2)


@dataclass(frozen=True)
class Slurm:
    """The cluster of the tests.

    Attributes:
        environment: Of its commands.
    """

    environment: dict[str, str]

    def call(self, *words, cwd=None):
        """Run one of SLURM's commands and return what it prints."""
        done = subprocess.run(words, env=self.environment, cwd=cwd, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout.strip()

    def is_idle(self):
        """Whether both machines wait for work."""
        done = subprocess.run(["sinfo", "-h", "-o", "%D %t"], env=self.environment, capture_output=True, text=True)
        return done.stdout.strip() == "2 idle"

    def show(self, job):
        """What SLURM says of a job, by name."""
        return dict(pair.split("=", 1) for pair in self.call("scontrol", "show", "job", job).split() if "=" in pair)

    def wait(self, job, path=None):
        """Wait until a job will not run any more, or a file is there."""

        def happened():
            return self.show(job)["JobState"] in ENDED or (path is not None and path.exists())

        wait_for(happened, what=lambda: str(self.show(job)))


@contextlib.contextmanager
def names_of_this_machine(*names):
    """Let names stand for this machine, in /etc/hosts."""
    hosts = Path("/etc/hosts")
    before = hosts.read_text()
    hosts.write_text(before.rstrip("\n") + "\n" + "".join(f"127.0.0.1 {name}\n" for name in names))
    try:
        yield
    finally:
        hosts.write_text(before)


def commands(folder):
    """The daemons, in the foreground: munge, one controller, two machines."""
    key, socket_ = folder / "munge.key", folder / "munge.socket"
    subprocess.run(["/usr/sbin/mungekey", "--create", "--keyfile", key], check=True)
    files = [f"--{name}-file={folder / name}" for name in ("log", "pid", "seed")]
    yield ["munged", "--foreground", "--force", f"--socket={socket_}", f"--key-file={key}", *files]
    wait_for(socket_.exists, 30)
    yield ["slurmctld", "-D", "-i"]
    yield ["slurmd", "-D", "-N", "n1"]
    yield ["slurmd", "-D", "-N", "n2"]


@contextlib.contextmanager
def local_slurm(folder):
    """Start munge and SLURM with their files in a folder, and end them with everything that they started."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    missing = [program for program in PROGRAMS if shutil.which(program, path=path) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} missing: apt-get install slurm-wlm munge")
    if os.geteuid() != 0:
        pytest.skip("SLURM's daemons need root")
    (folder / "state").mkdir()
    (plugins,) = Path("/usr/lib").glob("*/slurm-wlm") or ("",)
    conf = folder / "slurm.conf"
    conf.write_text(CONF.format(host=socket.gethostname(), folder=folder, plugins=plugins))
    environment = {**os.environ, "PATH": path, "SLURM_CONF": str(conf), "SLURM_EXIT_ERROR": "9"}
    daemons = []
    try:
        with names_of_this_machine("n1", "n2"):
            for command in commands(folder):
                log = (folder / f"{command[0]}-{len(daemons)}.out").open("w")
                daemons.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
            cluster = Slurm(environment)
            wait_for(cluster.is_idle, 60, lambda: (folder / "slurmctld.log").read_text()[-2000:])
            yield cluster
            cluster.call("scancel", "--full", "--user", "root")
            wait_for(lambda: not cluster.call("squeue", "-h"), 90)
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            daemon.wait(30)
