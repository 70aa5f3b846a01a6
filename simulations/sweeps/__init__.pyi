from simulations.sweeps.config import Sweep, make_sweep, read_sweep
from simulations.sweeps.cost import Cost, estimate
from simulations.sweeps.dataset import read_store
from simulations.sweeps.expansion import expand
from simulations.sweeps.export import export_store
from simulations.sweeps.run import Tally, run_sweep
from simulations.sweeps.status import SweepStatus, failures, sweep_status
from simulations.sweeps.store import Store, open_store, read_cell

__all__ = [
    "Cost",
    "Store",
    "Sweep",
    "SweepStatus",
    "Tally",
    "estimate",
    "expand",
    "export_store",
    "failures",
    "make_sweep",
    "open_store",
    "read_cell",
    "read_store",
    "read_sweep",
    "run_sweep",
    "sweep_status",
]
