"""torch's own encoder, random: v, lambda, s, sigma, ratio and verdict by block."""

import torch
from rich import print
from torch import nn

from oversmooth import trace_model
from simulations.reports import reading, trace_table

torch.manual_seed(0)
layer = nn.TransformerEncoderLayer(d_model=32, nhead=4, dim_feedforward=64, batch_first=True)
model = nn.TransformerEncoder(layer, num_layers=3, enable_nested_tensor=False).eval()
trace = trace_model(model, torch.randn(2, 12, 32))
print(
    trace_table(
        trace,
        title="nn.TransformerEncoder",
        groups=["blocks"],
        without=["v_stacked", "v_diameter", "saturation"],
    )
)
print(reading(trace))
