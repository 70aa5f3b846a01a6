"""How are the numbers of a packed file read one after the other, and its end noticed?"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory.arrays import InputError


class Cursor:
    """Reads numbers one after the other and notices the end of the file."""

    def __init__(self, data: NDArray[np.uint8], file: str) -> None:
        self.data, self.file, self.place = data, file, 0

    def take(self, count: int) -> NDArray[np.uint8]:
        """Return the next bytes."""
        end = self.place + count
        if not 0 <= count <= len(self.data) - self.place:
            raise InputError(
                f"{self.file} is truncated or corrupt: it has {len(self.data)} bytes, "
                f"but says that {count} more follow byte {self.place}"
            )
        taken, self.place = self.data[self.place : end], end
        return taken

    def numbers(self, dtype: str, count: int) -> list[Any]:
        """Return the next numbers of a dtype such as '<i4'."""
        values: list[Any] = self.take(count * np.dtype(dtype).itemsize).view(dtype).tolist()
        return values

    def number(self, dtype: str) -> Any:
        """Return the next number."""
        return self.numbers(dtype, 1)[0]
