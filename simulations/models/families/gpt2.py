"""How do files of GPT-2 keep their weights?"""

from simulations.models.families.family import Names, SettingKeys, StoredFamily

GPT2 = StoredFamily(
    model_types=("gpt2",),
    keys=SettingKeys(
        layers="n_layer",
        width="n_embd",
        heads="n_head",
        ffn="n_inner",
        activation="activation_function",
        norm_eps="layer_norm_epsilon",
        positions="n_positions",
    ),
    default_activation="gelu_new",
    default_eps=1e-5,
    has_token_types=False,
    placement="pre",
    causal=True,
    transposed=True,
    fused="stacked",
    ffn_ratio=4,
    fixed={"scale_attn_weights": (True, None), "scale_attn_by_inverse_layer_idx": (False, None)},
    names=Names(
        prefixes=("", "transformer."),
        layer="h.{}.",
        qkv="attn.c_attn",
        output="attn.c_proj",
        norm_1="ln_1",
        ffn_in="mlp.c_fc",
        ffn_out="mlp.c_proj",
        norm_2="ln_2",
        word="wte",
        position="wpe",
        norm="",
        final_norm="ln_f",
        no_weights=(".attn.bias", ".attn.masked_bias"),
    ),
)
