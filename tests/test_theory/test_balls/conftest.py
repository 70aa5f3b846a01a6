"""What the tests of balls share: they run with 64 bits, as `certify` begins."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _bits() -> Iterator[None]:
    flint = pytest.importorskip("flint")
    with flint.ctx.workprec(64):
        yield
