"""How are many small pictures of one kind put on a canvas?"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray


def panels(canvas: Canvas, count: int, *, columns: int, sharey: bool = False) -> NDArray[Any]:
    """Return axes, row by row; what is left of the last row stays empty.

    Shapes: (count,)
    """
    grid = canvas.subplots(-(-count // columns), columns, squeeze=False, sharey=sharey).ravel()
    for axes in grid[count:]:
        axes.set_axis_off()
    return np.asarray(grid[:count])
