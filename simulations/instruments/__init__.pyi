from simulations.instruments.analysis import Analysis, analyze, analyze_images
from simulations.instruments.block_file import BlockFile, read_block
from simulations.instruments.captured import trace_captured
from simulations.instruments.check import BlockReport, check_block
from simulations.instruments.corpus import Window, analyze_corpus, count_texts, trace_windows
from simulations.instruments.local import LayerBound, local_bounds
from simulations.instruments.simulation import simulate
from simulations.instruments.trace import Trace, trace_blocks, trace_centred

__all__ = [
    "Analysis",
    "BlockFile",
    "BlockReport",
    "LayerBound",
    "Trace",
    "Window",
    "analyze",
    "analyze_corpus",
    "analyze_images",
    "check_block",
    "count_texts",
    "local_bounds",
    "read_block",
    "simulate",
    "trace_blocks",
    "trace_captured",
    "trace_centred",
    "trace_windows",
]
