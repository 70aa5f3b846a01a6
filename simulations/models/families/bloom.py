"""How do files of BLOOM keep their weights?"""

from simulations.models.families.family import Names, SettingKeys, StoredFamily

BLOOM = StoredFamily(
    model_types=("bloom",),
    keys=SettingKeys(
        layers="n_layer",
        heads="n_head",
        ffn="n_inner",
        activation="activation",
        norm_eps="layer_norm_epsilon",
        positions="seq_length",
    ),
    default_activation="gelu_new",
    default_eps=1e-5,
    default_positions=2048,
    has_token_types=False,
    placement="pre",
    causal=True,
    fused="by head",
    ffn_ratio=4,
    slopes=True,
    older_keys={"n_embed": "hidden_size", "num_attention_heads": "n_head"},
    fixed={"apply_residual_connection_post_layernorm": (False, None)},
    names=Names(
        prefixes=("", "transformer."),
        layer="h.{}.",
        qkv="self_attention.query_key_value",
        output="self_attention.dense",
        norm_1="input_layernorm",
        ffn_in="mlp.dense_h_to_4h",
        ffn_out="mlp.dense_4h_to_h",
        norm_2="post_attention_layernorm",
        word="word_embeddings",
        position="",
        norm="word_embeddings_layernorm",
        final_norm="ln_f",
    ),
)
