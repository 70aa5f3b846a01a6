"""Machines, randomness and files: the instruments of `theory` on stacks, models and captures."""

from simulations.analysis import Analysis, analyze
from simulations.attack import Attack, attack
from simulations.backends import Backend, backend
from simulations.block_file import read_block
from simulations.captured import trace_captured
from simulations.check import BlockReport, check_block
from simulations.checkpoints import Checkpoint, Encoded, encode, load_checkpoint
from simulations.counterexamples import (
    Counterexample,
    comes_out,
    read_counterexample,
    replay,
    write_counterexample,
)
from simulations.critical import CriticalPoints, critical_points
from simulations.engine import Survey, grid, join_surveys, survey
from simulations.engine_processes import survey_in_processes
from simulations.ensembles import Stack, draw_blocks, draw_tokens
from simulations.law import Comparison, law_beside_simulation
from simulations.law_check import block_law
from simulations.law_examples import repelling_examples
from simulations.law_graphs import graph_by_name
from simulations.law_model import ModelLaw, model_law
from simulations.mask_names import mask_by_name
from simulations.report import trace_json, trace_table
from simulations.seeds import generator
from simulations.simulation import simulate
from simulations.texts import DEFAULT_TEXTS, read_texts, sentences
from simulations.trace import Trace, trace_blocks, trace_centred
from simulations.verify import Report, verify, verify_theorem
from simulations.verify_trend import TrendReport, verify_trend

__all__ = [
    "DEFAULT_TEXTS",
    "Analysis",
    "Attack",
    "Backend",
    "BlockReport",
    "Checkpoint",
    "Comparison",
    "Counterexample",
    "CriticalPoints",
    "Encoded",
    "ModelLaw",
    "Report",
    "Stack",
    "Survey",
    "Trace",
    "TrendReport",
    "analyze",
    "attack",
    "backend",
    "block_law",
    "check_block",
    "comes_out",
    "critical_points",
    "draw_blocks",
    "draw_tokens",
    "encode",
    "generator",
    "graph_by_name",
    "grid",
    "join_surveys",
    "law_beside_simulation",
    "load_checkpoint",
    "mask_by_name",
    "model_law",
    "read_block",
    "read_counterexample",
    "read_texts",
    "repelling_examples",
    "replay",
    "sentences",
    "simulate",
    "survey",
    "survey_in_processes",
    "trace_blocks",
    "trace_captured",
    "trace_centred",
    "trace_json",
    "trace_table",
    "verify",
    "verify_theorem",
    "verify_trend",
    "write_counterexample",
]
