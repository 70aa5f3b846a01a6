"""Which law of a whole model do figures get, where only what they make of it is tested?"""

import numpy as np

from simulations.law.model_orbits import SynchronisedModel
from simulations.law.model_tangents import TangentModel
from simulations.law.models import ModelLaw


def invented_law(inputs: int = 4) -> ModelLaw:
    """Return three layers: the law off what is measured by factors of 4.4, 9 and 1.8."""
    layers, both = np.ones((inputs, 3)), np.ones((inputs + 2, 3))
    law = layers * np.asarray([4.0, 0.1, 0.5])
    equal = SynchronisedModel(
        starts=tuple("abcdefgh"[: inputs + 2]),
        counts=(2,) * (inputs + 2),
        typical=both,
        radius=both,
        largest=5 * both,
        cumulative=both,
        sizes=20 * both,
        v_sharp=80 * both,
        v=900 * both,
        begins=1 - np.eye(inputs + 2),
        ends=0.7 * (1 - np.eye(inputs + 2)),
    )
    real = TangentModel(
        measured=0.9 * layers,
        own=0.8 * layers,
        law=law,
        near=law * (1 + 1e-7),
        v_sharp=80 * layers,
        v=900 * layers,
        exponents=np.zeros((inputs, 1)),
        local=np.zeros((inputs, 3, 1)),
        step_error=1e-9 * layers,
        lengths=np.full(inputs, 9),
    )
    return ModelLaw("m", "s", "0" * 64, "", equal, real)
