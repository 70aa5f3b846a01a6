from theory.spectra.brackets import Bracket, coupling_bracket, spectral_bracket
from theory.spectra.norms import (
    coupling,
    coupling_error,
    product_norm,
    singular_values,
    spectral_norm,
    spectral_norm_error,
)
from theory.spectra.tridiagonal import largest_eigenvalue

__all__ = [
    "Bracket",
    "coupling",
    "coupling_bracket",
    "coupling_error",
    "largest_eigenvalue",
    "product_norm",
    "singular_values",
    "spectral_bracket",
    "spectral_norm",
    "spectral_norm_error",
]
