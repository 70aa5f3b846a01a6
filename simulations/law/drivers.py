"""Along which drivers of the LayerNorm std is the law followed, and where is each looked at?"""

from typing import Literal, TypeAlias, get_args

Driver: TypeAlias = Literal["value_gain", "ffn_gain", "residual", "norm_gain", "fixed_std"]
DRIVERS: tuple[Driver, ...] = get_args(Driver)

RANGES: dict[Driver, tuple[float, float]] = {
    "value_gain": (-8.0, 8.0),
    "ffn_gain": (0.0, 8.0),
    "residual": (0.0, 8.0),
    "norm_gain": (0.1, 10.0),
    "fixed_std": (0.1, 20.0),
}
"""The range of each, unless one is given."""
