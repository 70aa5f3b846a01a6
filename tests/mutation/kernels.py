"""Which tests stand behind which kernel?"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kernel:
    """A module, and the test modules whose tests are to notice every slip in it."""

    module: str
    tests: tuple[str, ...]


_SPECTRA = "tests.test_theory.test_spectra."
_ENGINE = "tests.test_simulations.test_engine."
_LAW = "tests.test_theory.test_law."
_BOUNDS = "tests.test_theory.test_bounds."
_GRAPHS = "tests.test_theory.test_graphs."

KERNELS = {
    "enclosures": Kernel(
        "theory.spectra.enclosures",
        (f"{_SPECTRA}test_enclosures_worst",),
    ),
    "tridiagonal": Kernel(
        "theory.spectra.tridiagonal",
        (f"{_SPECTRA}test_tridiagonal_worst",),
    ),
    "lanczos": Kernel(
        "theory.spectra.lanczos",
        (f"{_SPECTRA}test_lanczos_worst",),
    ),
    "gram": Kernel(
        "theory.spectra.gram",
        (f"{_SPECTRA}test_gram_worst", f"{_SPECTRA}test_range_ends"),
    ),
    "polynomials": Kernel(
        "theory.spectra.polynomials",
        (f"{_SPECTRA}test_polynomials_worst",),
    ),
    "brackets": Kernel(
        "theory.spectra.brackets",
        (f"{_SPECTRA}test_brackets_worst", f"{_SPECTRA}test_range_ends"),
    ),
    "rounding": Kernel(
        "theory.bounds.rounding",
        (f"{_BOUNDS}test_rounding_worst", f"{_BOUNDS}test_gated_worst"),
    ),
    "rates": Kernel("theory.law.rates", (f"{_LAW}test_rates_worst",)),
    "orbits": Kernel("theory.law.orbits", (f"{_LAW}test_orbits_worst",)),
    "chains": Kernel("theory.graphs.chains", (f"{_GRAPHS}test_chains_worst",)),
    "squaring": Kernel(
        "simulations.engine.squaring",
        (f"{_ENGINE}test_squaring_worst", f"{_ENGINE}test_squaring_range"),
    ),
}
