from theory.blocks.activations import ACTIVATIONS, Activation, activation
from theory.blocks.forward import (
    apply_block,
    attend,
    attention_adjacency,
    consensus_walks,
    feed_forward,
)
from theory.blocks.fusion import concat_fusion, gate_fusion, max_fusion
from theory.blocks.norms import HeadNorm, Norm, apply_norm
from theory.blocks.positions import Positions
from theory.blocks.sharing import apply_shared, attention_flops
from theory.blocks.weights import Attention, Block, BlockStep, FeedForward, Placement

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "Attention",
    "Block",
    "BlockStep",
    "FeedForward",
    "HeadNorm",
    "Norm",
    "Placement",
    "Positions",
    "activation",
    "apply_block",
    "apply_norm",
    "apply_shared",
    "attend",
    "attention_adjacency",
    "attention_flops",
    "concat_fusion",
    "consensus_walks",
    "feed_forward",
    "gate_fusion",
    "max_fusion",
]
