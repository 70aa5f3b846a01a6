"""Does a sweep run with a scheduler of someone else's, and with workers that dask gave up?

These start real processes and kill them, so they are slow.
"""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("distributed")
pytest.importorskip("pydantic")

from simulations.sweeps import cluster as sweep_cluster
from simulations.sweeps.run import run_sweep
from tests.test_simulations.helpers.drivers import kill
from tests.test_simulations.helpers.sweeps import everything, same, small_sweep
from theory.arrays import InputError

pytestmark = pytest.mark.slow

TOP = Path(__file__).parents[3]


def test_a_worker_that_dask_has_given_up_is_started_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    import distributed

    async def stay_dead(*_: object) -> None:  # as when a worker dies before it was seen to start
        return None

    monkeypatch.setattr(distributed.Nanny, "_on_worker_exit", stay_dead)
    monkeypatch.setattr(sweep_cluster, "_AWAY_SECONDS", 2.0)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
        sweep_cluster._kept_up(cluster),
    ):
        (before,) = client.run(os.getpid).values()
        kill(before)
        after = client.submit(os.getpid).result(timeout=60)
        assert after != before
        limit = time.monotonic() + 30
        while not cluster.workers and time.monotonic() < limit:  # it answers before it is noted
            time.sleep(0.05)
        assert list(cluster.workers) == [0]


def test_a_scheduler_started_by_hand_runs_the_same(tmp_path: Path, undisturbed: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(TOP), "OMP_NUM_THREADS": "1"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    commands = [
        ["dask", "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"],
        *[["dask", "worker", address, "--nthreads", "1", "--no-dashboard"]] * 2,
    ]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", *command],
            env=environment,
            cwd=tmp_path,
            stderr=subprocess.DEVNULL,
        )
        for command in commands
    ]
    try:
        assert run_sweep(small_sweep(), tmp_path / "s", scheduler=address).done == 24
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(timeout=30)
    assert same(everything(tmp_path / "s"), everything(undisturbed))


def test_a_scheduler_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not answer"):
        run_sweep(small_sweep(), tmp_path / "s", scheduler="tcp://127.0.0.1:9")
