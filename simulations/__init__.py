"""Machines, randomness and files: the instruments of `theory` on stacks, models and captures."""

from simulations.engine.processes import survey_in_processes
from simulations.engine.surveys import Survey, grid, join_surveys, survey
from simulations.instruments.analysis import Analysis, analyze
from simulations.instruments.block_file import read_block
from simulations.instruments.captured import trace_captured
from simulations.instruments.check import BlockReport, check_block
from simulations.instruments.simulation import simulate
from simulations.instruments.trace import Trace, trace_blocks, trace_centred
from simulations.law.comparison import Comparison, law_beside_simulation
from simulations.law.critical import CriticalPoints, critical_points
from simulations.law.examples import repelling_examples
from simulations.law.models import ModelLaw, model_law
from simulations.law.one_block import block_law
from simulations.machine.backends import Backend, backend
from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.texts import DEFAULT_TEXTS, read_texts, sentences
from simulations.models.tokens import Encoded, encode
from simulations.reports.traces import trace_json, trace_table
from simulations.search.adversary import Attack, attack
from simulations.search.catalogue import verify
from simulations.search.counterexamples import (
    Counterexample,
    comes_out,
    read_counterexample,
    replay,
    write_counterexample,
)
from simulations.search.theorem import Report, verify_theorem
from simulations.search.trend import TrendReport, verify_trend
from simulations.stacks.draws import draw_blocks, draw_tokens
from simulations.stacks.graphs import graph_by_name, mask_by_name
from simulations.stacks.seeds import generator
from simulations.stacks.stack import Stack

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
