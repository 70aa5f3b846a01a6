"""How do arrays with more digits come into being, all but those made of others?"""

from typing import Any

import numpy as np

from theory.arrays import Array
from theory.extended.core import Core


class Creation(Core):
    """The functions of the standard that make arrays; they take the one device that there is."""

    def full(self, shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Array:
        """Return an array of one number."""
        del device
        value = self.asarray(fill_value, dtype=dtype).data
        return self.wrap(np.broadcast_to(value, shape).copy())

    def zeros(self, shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
        """Return zeros."""
        return self.full(shape, 0, dtype=dtype or self.float64, device=device)

    def ones(self, shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
        """Return ones."""
        return self.full(shape, 1, dtype=dtype or self.float64, device=device)

    def full_like(
        self, x: Array, /, fill_value: Any, *, dtype: Any = None, device: Any = None
    ) -> Array:
        """Return an array of one number, of the shape of another."""
        return self.full(x.shape, fill_value, dtype=dtype or x.dtype, device=device)

    def zeros_like(self, x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:
        """Return zeros, as many as another array has entries."""
        return self.full_like(x, 0, dtype=dtype, device=device)

    def ones_like(self, x: Array, /, *, dtype: Any = None, device: Any = None) -> Array:
        """Return ones, as many as another array has entries."""
        return self.full_like(x, 1, dtype=dtype, device=device)

    def arange(
        self, start: Any, /, stop: Any = None, *, dtype: Any = None, device: Any = None
    ) -> Array:
        """Return the whole numbers from the first up to the second, or from zero."""
        del device
        start, stop = (0, start) if stop is None else (start, stop)
        return self.asarray(np.arange(start, stop), dtype=dtype)

    def eye(
        self,
        n_rows: int,
        n_cols: int | None = None,
        /,
        *,
        k: int = 0,
        dtype: Any = None,
        device: Any = None,
    ) -> Array:
        """Return ones on a diagonal, and zeros."""
        del device
        return self.asarray(np.eye(n_rows, n_cols, k=k), dtype=dtype or self.float64)
