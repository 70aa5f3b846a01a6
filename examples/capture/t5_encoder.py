"""A T5's encoder, random: v, lambda, s, sigma, ratio and verdict by block."""

import torch
from rich import print
from transformers import T5Config, T5EncoderModel

from oversmooth import trace_model
from simulations.reports import reading, trace_table

torch.manual_seed(0)
config = T5Config(vocab_size=100, d_model=32, d_kv=8, d_ff=64, num_layers=3, num_heads=4)
model = T5EncoderModel(config).eval()
trace = trace_model(model, torch.randint(0, 100, (2, 12)))
print(
    trace_table(
        trace,
        title="T5 encoder",
        groups=["blocks"],
        without=["v_stacked", "v_diameter", "saturation"],
    )
)
print(reading(trace))
