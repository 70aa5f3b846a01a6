"""A GPT-2, random: v, lambda, s, sigma, ratio and verdict by block."""

import torch
from rich import print
from transformers import GPT2Config, GPT2Model

from oversmooth import trace_model
from simulations.reports import reading, trace_table

torch.manual_seed(0)
config = GPT2Config(vocab_size=100, n_embd=32, n_layer=3, n_head=4, bos_token_id=0, eos_token_id=0)
model = GPT2Model(config).eval()
trace = trace_model(model, torch.randint(0, 100, (2, 12)))
print(
    trace_table(
        trace, title="GPT-2", groups=["blocks"], without=["v_stacked", "v_diameter", "saturation"]
    )
)
print(reading(trace))
