"""How do files of GPT-NeoX, and so of Pythia, keep their weights?"""

from simulations.models.families.family import BiasSwitch, Names, StoredFamily

_ATTENTION = ("query", "key", "value", "output")

GPT_NEOX = StoredFamily(
    model_types=("gpt_neox",),
    default_eps=1e-5,
    has_token_types=False,
    placement="parallel",
    causal=True,
    fused="by head",
    rotary=0.25,
    switches=(BiasSwitch("attention_bias", _ATTENTION, default=True),),
    fixed={"use_parallel_residual": (True, None)},
    names=Names(
        prefixes=("", "gpt_neox."),
        layer="layers.{}.",
        qkv="attention.query_key_value",
        output="attention.dense",
        norm_1="input_layernorm",
        ffn_in="mlp.dense_h_to_4h",
        ffn_out="mlp.dense_4h_to_h",
        norm_2="post_attention_layernorm",
        word="embed_in",
        position="",
        norm="",
        final_norm="final_layer_norm",
        no_weights=(".attention.bias", ".attention.masked_bias", ".rotary_emb.inv_freq"),
    ),
)
