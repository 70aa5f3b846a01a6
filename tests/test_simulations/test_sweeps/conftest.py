"""What do tests of several parts of sweeps share?

Imports stand in the fixtures: where what sweeps need is not installed, the tests are skipped.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.test_simulations.helpers.drivers import Driver


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compute the small sweep where nothing goes wrong, once for each file of tests."""
    from simulations.sweeps.run import Tally, run_sweep
    from tests.test_simulations.helpers.sweeps import small_sweep

    root = tmp_path_factory.mktemp("sweep") / "store"
    tally = run_sweep(small_sweep(), root, workers=0)
    assert tally == Tally(cells=24, done=24)
    return root


@pytest.fixture
def driver(tmp_path: Path) -> Iterator["Driver"]:
    """Give a driver, which is killed at the end if it still runs."""
    from tests.test_simulations.helpers.drivers import Driver

    made = Driver(tmp_path)
    yield made
    made.kill()
