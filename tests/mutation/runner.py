"""Does some test of a kernel fail when the kernel holds a slip?"""

import importlib
import inspect
import signal
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.mutation.kernels import Kernel
from tests.mutation.slips import Slip, slips
from tests.mutation.transplant import transplanted

_LONGEST = 30
"""Seconds after which the tests of one slip count as failed: the slip made something endless."""

settings.register_profile(
    "mutation",
    max_examples=10,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Found(NamedTuple):
    """The slips of a kernel, and those that no test noticed."""

    tried: list[Slip]
    missed: list[Slip]


def missed(kernel: Kernel, *, every: int = 1) -> Found:
    """Return which slips no test notices, or of every so many slips."""
    module = importlib.import_module(kernel.module)
    tests = [case for name in kernel.tests for case in cases(importlib.import_module(name))]
    for case in tests:
        with np.errstate(all="ignore"):
            case()  # whoever fails without a slip tells nothing
    tried = list(slips(Path(str(module.__file__)).read_text(encoding="utf-8")))[::every]
    left = [slip for slip in tried if not _is_noticed(module, slip, tests)]
    return Found(tried, left)


def cases(module: ModuleType) -> Iterator[Callable[[], Any]]:
    """Yield the tests of a module that need no fixture, for each of their parameters."""
    for name, test in vars(module).items():
        if not name.startswith("test_"):
            continue
        marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
        choices = [[_arguments(mark, row) for row in mark.args[1]] for mark in marks]
        if any(mark.name == "slow" for mark in getattr(test, "pytestmark", [])):
            continue
        for chosen in product(*choices):
            given = {key: value for part in chosen for key, value in part.items()}
            if set(inspect.signature(test).parameters) <= set(given):
                yield _bound(test, given)


def _arguments(mark: Any, row: Any) -> dict[str, Any]:
    names = mark.args[0]
    names = [each.strip() for each in names.split(",")] if isinstance(names, str) else names
    return dict(zip(names, row if len(names) > 1 else [row], strict=True))


def _bound(test: Callable[..., Any], given: dict[str, Any]) -> Callable[[], Any]:
    return lambda: test(**given)


def _is_noticed(module: ModuleType, slip: Slip, tests: list[Callable[[], Any]]) -> bool:
    """Tell whether a test fails; that one is asked first from now on."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    try:
        with np.errstate(all="ignore"), transplanted(module, slip.tree):
            signal.alarm(_LONGEST)
            try:
                for number, test in enumerate(tests):
                    try:
                        test()
                    except (Exception, pytest.fail.Exception):  # noqa: BLE001  # whatever breaks
                        tests.insert(0, tests.pop(number))
                        return True
            finally:
                signal.alarm(0)  # before the slip is undone, which nothing may interrupt
    except Exception:  # noqa: BLE001  # the module itself does not load
        return True
    finally:
        signal.signal(signal.SIGALRM, before)
    return False
