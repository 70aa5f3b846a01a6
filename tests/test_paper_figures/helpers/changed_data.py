"""How are a figure's data changed, to refute its caption?"""

from dataclasses import replace
from typing import Any

import numpy as np

from paper_figures.workshop.data import Dataset


def changed(data: Dataset, name: str, values: Any) -> Dataset:
    """Return the data with other values of one variable."""
    variable = replace(data.data_vars[name], values=np.asarray(values))
    return replace(data, data_vars={**data.data_vars, name: variable})
