"""Does the example for SLURM run on SLURM, and survive a job that is cancelled?"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

pytest.importorskip("distributed")
pytest.importorskip("pydantic")
pytest.importorskip("dask_jobqueue", reason="pip install dask-jobqueue, to run sweeps on SLURM")

from simulations.sweeps.config import read_sweep
from simulations.sweeps.run import run_sweep
from simulations.sweeps.store import Store, stored_keys
from tests.test_simulations.helpers.sweeps import everything, same
from tests.test_simulations.test_sweeps.slurm import cancel, lacking, running_jobs, slurm_cluster

TOP = Path(__file__).parents[3]
SWEEP = """\
quantities = ["distance", "coefficients"]
stack = { tokens = 32, width = 32, heads = 2, depth = 12 }
axes.value_gain = [0.5, 1.0]
seeds.count = 300
run.cells_per_task = 8
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(lacking()),
        reason=f"{', '.join(lacking())} not here: on Debian apt-get install slurm-wlm munge",
    ),
]


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[Mapping[str, str]]:
    (tmp_path / "slurm").mkdir()
    with slurm_cluster(tmp_path / "slurm") as environment:
        places = [str(TOP), os.environ.get("PYTHONPATH", "")]
        yield {**environment, "PYTHONPATH": os.pathsep.join(filter(None, places))}


def test_the_example_goes_on_on_slurm_after_a_job_and_the_driver_were_ended(
    slurm: Mapping[str, str], tmp_path: Path
) -> None:
    config, store = tmp_path / "sweep.toml", tmp_path / "store"
    config.write_text(SWEEP)
    with _example(config, store, slurm) as driver:
        _wait_for_cells(8, store, driver)
        driver.terminate()
        _, told = driver.communicate(timeout=60)
    assert driver.returncode == 130, told
    assert "Traceback" not in told
    _wait(lambda: not running_jobs(slurm), "the jobs of a driver that ended run on")
    done = len(stored_keys(Store(store)))
    assert 8 <= done < 600
    with _example(config, store, slurm) as driver:
        _wait_for_cells(done + 8, store, driver)
        (job, *_) = running_jobs(slurm)
        cancel(slurm, job)
        _, told = driver.communicate(timeout=240)
    assert driver.returncode == 0, told
    assert run_sweep(read_sweep(config), tmp_path / "here", workers=0).done == 600
    assert same(everything(store), everything(tmp_path / "here"))


def _example(config: Path, store: Path, slurm: Mapping[str, str]) -> "subprocess.Popen[str]":
    script = str(TOP / "examples" / "slurm_sweep.py")
    return subprocess.Popen(
        [sys.executable, script, str(config), str(store), "--jobs", "2", "--cores", "1"],
        env=slurm,
        cwd=store.parent,
        stderr=subprocess.PIPE,
        text=True,
    )


def _wait_for_cells(count: int, store: Path, driver: "subprocess.Popen[str]") -> None:
    def there() -> bool:
        assert driver.poll() is None, driver.communicate()[1]
        return len(stored_keys(Store(store))) >= count

    _wait(there, "no cell came")


def _wait(true: Callable[[], bool], otherwise: str) -> None:
    limit = time.monotonic() + 120
    while not true():
        assert time.monotonic() < limit, otherwise
        time.sleep(0.05)
