"""Where along a driver is a factor 1, on whose two sides differences shrink and grow?"""

import numpy as np

from paper_figures.workshop.data import Values


def where_one(driver: Values, factor: Values) -> float:
    """Return the driver at which a factor first crosses 1, interpolated in logarithms; else NaN.

    Shapes: driver (settings,), factor (settings,); both positive
    """
    places, logs = np.log(driver), np.log(factor)
    changes = np.flatnonzero((logs[:-1] >= 0) != (logs[1:] >= 0))
    if not len(changes):
        return float("nan")
    i = changes[0]
    share = logs[i] / (logs[i] - logs[i + 1])
    return float(np.exp(places[i] + share * (places[i + 1] - places[i])))
