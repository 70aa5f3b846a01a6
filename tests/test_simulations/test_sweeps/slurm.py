"""A SLURM cluster of one node on loopback, for the test of sweeps on SLURM."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
_SECONDS = 60
# No cgroups and no accounting: what a container has is enough.
_CONFIG = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=16000
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE
"""


def lacking() -> list[str]:
    """Return which of SLURM's programs are not here; Debian has them in slurm-wlm and munge."""
    return [name for name in DAEMONS if shutil.which(name, path=_PATH) is None]


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[Mapping[str, str]]:
    """Start a cluster that keeps all its files in a folder; give the environment to use it in."""
    host = socket.gethostname().partition(".")[0]
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    (folder / "slurm.conf").write_text(
        _CONFIG.format(host=host, user=user, folder=folder, ports=_free_ports())
    )
    (folder / "key").write_bytes(secrets.token_bytes(128))
    (folder / "key").chmod(0o400)
    for name in ("state", "spool"):
        (folder / name).mkdir()
    environment = os.environ | {"PATH": _PATH, "SLURM_CONF": str(folder / "slurm.conf")}
    # munged wants its socket in a folder that everybody may enter, unless it is forced.
    places = ("key-file=key", "socket=munge.socket", "pid-file=munge.pid", "seed-file=munge.seed")
    munge = [f"--{name}={folder / at}" for name, _, at in (each.partition("=") for each in places)]
    commands = (
        ["munged", "--force", "--foreground", *munge],
        ["slurmctld", "-D"],
        ["slurmd", "-D"],
    )
    started: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            with (folder / f"{command[0]}.log").open("wb") as log:
                started.append(
                    subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
                )
            _until((folder / "munge.socket").exists, folder)
        _until(lambda: _said(environment, "sinfo", "-h", "-o", "%T") == ["idle"], folder)
        yield environment
    finally:
        _said(environment, "scancel", "--state=PENDING", f"--user={user}")
        _said(environment, "scancel", "--full", f"--user={user}")
        limit = time.monotonic() + 20
        while _said(environment, "squeue", "-h") and time.monotonic() < limit:
            time.sleep(0.2)
        for process in reversed(started):
            process.terminate()
            process.wait(timeout=_SECONDS)


def running_jobs(environment: Mapping[str, str]) -> list[str]:
    """Return the numbers of the jobs that run."""
    return _said(environment, "squeue", "-h", "-t", "RUNNING", "-o", "%i")


def cancel(environment: Mapping[str, str], job: str) -> None:
    """Kill a job as its owner would."""
    subprocess.run(["scancel", job], env=environment, check=True)


def _said(environment: Mapping[str, str], *command: str) -> list[str]:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.split("\n")[:-1]


def _until(true: Callable[[], bool], folder: Path) -> None:
    limit = time.monotonic() + _SECONDS
    while not true():
        logs = "".join(log.read_text(errors="replace")[-500:] for log in folder.glob("*.log"))
        assert time.monotonic() < limit, f"SLURM does not start: {logs}"
        time.sleep(0.1)


def _free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return [one.getsockname()[1], two.getsockname()[1]]
