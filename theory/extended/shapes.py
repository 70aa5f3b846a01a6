"""How do arrays with more digits change their shape?"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from theory.arrays import Array
from theory.extended.core import Core


class Shapes(Core):
    """The functions of the standard that move entries, and look at none."""

    def reshape(self, x: Array, /, shape: tuple[int, ...], *, copy: Any = None) -> Array:
        """Return the entries in the same order, in another shape."""
        del copy  # kernels write into no array, so that a view is as good
        return self.wrap(np.reshape(x.data, shape))

    def broadcast_to(self, x: Array, /, shape: tuple[int, ...]) -> Array:
        """Repeat an array along its axes of length one."""
        return self.wrap(np.broadcast_to(x.data, shape))

    def expand_dims(self, x: Array, /, *, axis: int = 0) -> Array:
        """Put in an axis of length one."""
        return self.wrap(np.expand_dims(x.data, axis))

    def moveaxis(self, x: Array, source: Any, destination: Any, /) -> Array:
        """Move an axis to another place."""
        return self.wrap(np.moveaxis(x.data, source, destination))

    def matrix_transpose(self, x: Array, /) -> Array:
        """Return the transposes of the matrices in the last two axes."""
        return x.mT

    def concat(self, arrays: Sequence[Array], /, *, axis: int | None = 0) -> Array:
        """Join arrays along an axis that they have."""
        return self.wrap(np.concat([x.data for x in self.promoted(*arrays)], axis=axis))

    def stack(self, arrays: Sequence[Array], /, *, axis: int = 0) -> Array:
        """Join arrays along a new axis."""
        return self.wrap(np.stack([x.data for x in self.promoted(*arrays)], axis=axis))

    def take(self, x: Array, indices: Array, /, *, axis: int | None = None) -> Array:
        """Return the parts with these indices along an axis."""
        return self.wrap(np.take(x.data, indices.data, axis=axis))

    def tril(self, x: Array, /, *, k: int = 0) -> Array:
        """Return the matrices with zeros above a diagonal."""
        rows, columns = x.shape[-2:]
        lower = np.tri(rows, columns, k).astype(np.bool_)
        zero = self.asarray(0, dtype=x.dtype).data
        return self.wrap(np.where(lower, x.data, zero))
