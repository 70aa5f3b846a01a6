"""Machines, randomness and files: the instruments of `theory` on stacks, models and captures."""

from simulations.analysis import Analysis, analyze
from simulations.backends import Backend, backend
from simulations.block_file import read_block
from simulations.captured import trace_captured
from simulations.check import BlockReport, check_block
from simulations.checkpoints import Checkpoint, encode, load_checkpoint
from simulations.ensembles import Stack, draw_blocks, draw_tokens
from simulations.report import trace_table
from simulations.seeds import generator
from simulations.simulation import mask_by_name, simulate
from simulations.texts import DEFAULT_TEXTS, read_texts, sentences
from simulations.trace import Trace, trace_blocks, trace_centred
from simulations.verify import Report, verify, verify_theorem

__all__ = [
    "DEFAULT_TEXTS",
    "Analysis",
    "Backend",
    "BlockReport",
    "Checkpoint",
    "Report",
    "Stack",
    "Trace",
    "analyze",
    "backend",
    "check_block",
    "draw_blocks",
    "draw_tokens",
    "encode",
    "generator",
    "load_checkpoint",
    "mask_by_name",
    "read_block",
    "read_texts",
    "sentences",
    "simulate",
    "trace_blocks",
    "trace_captured",
    "trace_centred",
    "trace_table",
    "verify",
    "verify_theorem",
]
