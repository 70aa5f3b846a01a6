"""How do GGUF files keep the weights of Llama?"""

from dataclasses import replace

from simulations.models.families.family import Names
from simulations.models.families.llama import LLAMA

GGUF_LLAMA = replace(
    LLAMA,
    model_types=(),
    names=Names(
        layer="blk.{}.",
        query="attn_q",
        key="attn_k",
        value="attn_v",
        output="attn_output",
        norm_1="attn_norm",
        ffn_in="ffn_up",
        gate="ffn_gate",
        ffn_out="ffn_down",
        norm_2="ffn_norm",
        word="token_embd",
        position="",
        norm="",
        final_norm="output_norm",
    ),
)
"""Such files have settings under names of their own, so that the family is asked for by name."""
