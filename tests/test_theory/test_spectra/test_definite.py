"""Cholesky proves an upper end: never below the largest eigenvalue, and hardly above it."""

import numpy as np
import pytest

from theory.spectra import definite
from theory.spectra.definite import TOLERANCE, scaled_upper_end, upper_end

P = 130


def spectra() -> dict[str, np.ndarray]:
    """Return eigenvalues that Lanczos finds easily, hardly, or not at all."""
    rng = np.random.default_rng(0)
    return {
        "random": rng.random(P) ** 2,
        "flat": np.ones(P),
        "nearly flat": 1 + 1e-9 * rng.random(P),
        "two on top": np.concatenate([[1, 1 - 1e-7], np.linspace(0, 0.999, P - 2)]),
        "rank one": np.eye(1, P)[0],
        "tiny": 1e-200 * rng.random(P),
        "huge": 1e200 * rng.random(P),
        "zero": np.zeros(P),
    }


def matrices() -> np.ndarray:
    """Return symmetric matrices with these eigenvalues."""
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((P, P)))[0]
    found = np.stack([(turn * values) @ turn.T for values in spectra().values()])
    return np.asarray((found + np.swapaxes(found, -1, -2)) / 2)


@pytest.mark.parametrize("alone", [False, True])
def test_the_upper_end_is_one_and_close(alone: bool) -> None:
    grams = matrices()
    exact = np.linalg.eigvalsh(grams)[:, -1]
    found = np.concatenate([upper_end(g[None]) for g in grams]) if alone else upper_end(grams)
    lapack = P**2 * np.finfo(np.float64).eps
    assert (found >= exact * (1 - lapack)).all()
    assert (found <= exact * (1 + TOLERANCE)).all()


def test_a_guess_that_is_too_low_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    grams = matrices()[:1]
    exact = np.linalg.eigvalsh(grams)[:, -1]
    monkeypatch.setattr(definite, "_guess", lambda *_: exact * (1 - 2 * TOLERANCE))
    assert abs(upper_end(grams) / exact - 1) <= P**2 * np.finfo(np.float64).eps, "LAPACK's own"
    monkeypatch.setattr(definite, "_definite", lambda _: True)  # a proof that proves nothing
    assert (upper_end(grams) < exact).all()


def test_many_may_have_one_matrix_in_common() -> None:
    common, scale = matrices()[0], np.random.default_rng(2).random((3, P))
    scale[1] = 0
    grams = scale[:, :, None] * common * scale[:, None, :]
    np.testing.assert_allclose(scaled_upper_end(common, scale), upper_end(grams), rtol=TOLERANCE)
    each = scaled_upper_end(np.stack([common] * 3), scale)
    np.testing.assert_allclose(each, upper_end(grams), rtol=TOLERANCE)
