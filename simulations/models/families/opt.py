"""How do files of OPT keep their weights?"""

from simulations.models.families.family import Names, SettingKeys, StoredFamily

OPT = StoredFamily(
    model_types=("opt",),
    keys=SettingKeys(
        ffn="ffn_dim", embedding_width="word_embed_proj_dim", activation="activation_function"
    ),
    default_activation="relu",
    default_eps=1e-5,
    has_token_types=False,
    skipped_positions=2,
    placement="pre",
    causal=True,
    fixed={
        "do_layer_norm_before": (True, None),
        "_remove_final_layer_norm": (False, None),
        "enable_bias": (True, None),
        "layer_norm_elementwise_affine": (True, None),
    },
    names=Names(
        prefixes=("", "model."),
        layer="decoder.layers.{}.",
        query="self_attn.q_proj",
        key="self_attn.k_proj",
        value="self_attn.v_proj",
        output="self_attn.out_proj",
        norm_1="self_attn_layer_norm",
        ffn_in="fc1",
        ffn_out="fc2",
        norm_2="final_layer_norm",
        word="decoder.embed_tokens",
        position="decoder.embed_positions",
        norm="",
        final_norm="decoder.final_layer_norm",
    ),
)
