"""How do fairseq's own files keep the weights of RoBERTa?"""

from dataclasses import replace

from simulations.models.families.family import Names
from simulations.models.families.roberta import ROBERTA

FAIRSEQ_ROBERTA = replace(
    ROBERTA,
    model_types=(),
    default_eps=1e-5,
    has_token_types=False,
    names=Names(
        layer="layers.{}.",
        query="self_attn.q_proj",
        key="self_attn.k_proj",
        value="self_attn.v_proj",
        output="self_attn.out_proj",
        norm_1="self_attn_layer_norm",
        ffn_in="fc1",
        ffn_out="fc2",
        norm_2="final_layer_norm",
        word="embed_tokens",
        position="embed_positions",
        norm="emb_layer_norm",
    ),
)
"""Such files have no config.json, so that the family is asked for by name."""
