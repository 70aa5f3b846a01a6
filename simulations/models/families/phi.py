"""How do files of Phi keep their weights?"""

from simulations.models.families.family import Names, SettingKeys, StoredFamily

PHI = StoredFamily(
    model_types=("phi",),
    keys=SettingKeys(key_heads="num_key_value_heads"),
    default_activation="gelu_new",
    default_eps=1e-5,
    has_token_types=False,
    placement="parallel",
    causal=True,
    rotary=0.5,
    fixed={"qk_layernorm": (False, None)},
    names=Names(
        prefixes=("", "model."),
        layer="layers.{}.",
        query="self_attn.q_proj",
        key="self_attn.k_proj",
        value="self_attn.v_proj",
        output="self_attn.dense",
        # Both sublayers read the stream through one norm.
        norm_1="input_layernorm",
        norm_2="input_layernorm",
        ffn_in="mlp.fc1",
        ffn_out="mlp.fc2",
        word="embed_tokens",
        position="",
        norm="",
        final_norm="final_layernorm",
        no_weights=(".rotary_emb.inv_freq",),
    ),
)
