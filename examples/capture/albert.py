"""An ALBERT, one block three times, random: v, lambda, s, sigma, ratio and verdict by block."""

import torch
from rich import print
from transformers import AlbertConfig, AlbertModel

from oversmooth import trace_model
from simulations.reports import reading, trace_table

torch.manual_seed(0)
config = AlbertConfig(
    vocab_size=100,
    embedding_size=16,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=3,
    num_attention_heads=4,
)
model = AlbertModel(config).eval()
trace = trace_model(model, torch.randint(0, 100, (2, 12)))
print(
    trace_table(
        trace, title="ALBERT", groups=["blocks"], without=["v_stacked", "v_diameter", "saturation"]
    )
)
print(reading(trace))
