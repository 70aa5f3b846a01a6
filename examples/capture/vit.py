"""A ViT, random: v, lambda, s, sigma, ratio and verdict by block."""

import torch
from rich import print
from transformers import ViTConfig, ViTModel

from oversmooth import trace_model
from simulations.reports import reading, trace_table

torch.manual_seed(0)
config = ViTConfig(
    image_size=32,
    patch_size=8,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=3,
    num_attention_heads=4,
)
model = ViTModel(config).eval()
trace = trace_model(model, torch.randn(2, 3, 32, 32))
print(
    trace_table(
        trace, title="ViT", groups=["blocks"], without=["v_stacked", "v_diameter", "saturation"]
    )
)
print(reading(trace))
