from simulations.capture.family import Family
from simulations.capture.known import FAMILIES
from simulations.capture.pieces import Reading
from simulations.capture.trace import read_model, trace_model
from simulations.capture.tracking import Tracker

__all__ = [
    "FAMILIES",
    "Family",
    "Reading",
    "Tracker",
    "read_model",
    "trace_model",
]
