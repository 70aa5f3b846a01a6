import paper_figures
import simulations
import theory
from oversmooth.version import __version__
from simulations.capture.trace import trace_model
from simulations.engine.surveys import survey
from simulations.instruments.analysis import analyze
from simulations.instruments.captured import trace_captured
from simulations.instruments.check import check_block
from simulations.instruments.simulation import simulate
from simulations.instruments.trace import trace_blocks
from simulations.law.comparison import law_beside_simulation as law
from simulations.models.find import load_checkpoint
from simulations.search.adversary import attack
from simulations.search.catalogue import verify
from simulations.stacks.graphs import graph_by_name
from simulations.stacks.stack import Stack
from simulations.sweeps.config import make_sweep
from simulations.sweeps.dataset import read_store
from simulations.sweeps.run import run_sweep as sweep
from theory.arrays import InputError
from theory.measures.ranks import effective_rank
from theory.measures.subspace import consensus_distance
from theory.measures.tokens import cosine_similarity, measure_tokens, relative_distance
from theory.statements.evaluation import check
from theory.theorems.catalogue import CATALOGUE, TRENDS

# Two names are shorter here than at home, and only this list makes a new name public.
__all__ = [
    "CATALOGUE",
    "TRENDS",
    "InputError",
    "Stack",
    "__version__",
    "analyze",
    "attack",
    "check",
    "check_block",
    "consensus_distance",
    "cosine_similarity",
    "effective_rank",
    "graph_by_name",
    "law",
    "load_checkpoint",
    "make_sweep",
    "measure_tokens",
    "paper_figures",
    "read_store",
    "relative_distance",
    "simulate",
    "simulations",
    "survey",
    "sweep",
    "theory",
    "trace_blocks",
    "trace_captured",
    "trace_model",
    "verify",
]
