"""How does a result become JSON that every reader accepts?"""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """Return what JSON can hold: arrays as lists, and null for NaN and infinities."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    return finite(value) if isinstance(value, float) else value


def finite(value: float) -> float | None:
    """Return a number as JSON has it: None for NaN and infinity."""
    return value if math.isfinite(value) else None


def to_json(value: Any) -> str:
    """Return one JSON object; every finite float comes back bit for bit."""
    return json.dumps(plain(value), indent=1, allow_nan=False, ensure_ascii=False)


def to_line(value: Any) -> str:
    """Return JSON as `to_json` does, on one line, with the line's end."""
    return json.dumps(plain(value), allow_nan=False, ensure_ascii=False) + "\n"
