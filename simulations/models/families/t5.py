"""How do files of T5 keep the weights of its encoder?"""

from dataclasses import replace

from simulations.models.families.family import Names, SettingKeys, StoredFamily

_NAMES = Names(
    prefixes=("",),
    layer="encoder.block.{}.",
    query="layer.0.SelfAttention.q",
    key="layer.0.SelfAttention.k",
    value="layer.0.SelfAttention.v",
    output="layer.0.SelfAttention.o",
    norm_1="layer.0.layer_norm",
    ffn_in="layer.1.DenseReluDense.wi",
    ffn_out="layer.1.DenseReluDense.wo",
    norm_2="layer.1.layer_norm",
    word="shared",
    position="",
    norm="",
    # The first block's table is used by all.
    relative="encoder.block.0.layer.0.SelfAttention.relative_attention_bias",
    final_norm="encoder.final_layer_norm",
    no_weights=("encoder.embed_tokens.weight",),  # the table of words, a second time
)
T5 = StoredFamily(
    model_types=("t5", "mt5"),
    names=_NAMES,
    keys=SettingKeys(
        layers="num_layers",
        width="d_model",
        heads="num_heads",
        ffn="d_ff",
        activation="feed_forward_proj",
        norm_eps="layer_norm_epsilon",
        positions="n_positions",
        head_width="d_kv",
        buckets="relative_attention_num_buckets",
        farthest="relative_attention_max_distance",
    ),
    default_activation="relu",
    default_eps=1e-6,
    default_positions=512,
    has_token_types=False,
    placement="pre",
    norm="rms",
    biases=frozenset(),
    scales_scores=False,
    activations={"gated-gelu": "gated-gelu_new"},  # as its own code has it
    gated_names=replace(
        _NAMES, gate="layer.1.DenseReluDense.wi_0", ffn_in="layer.1.DenseReluDense.wi_1"
    ),
)
"""Only the encoder: a decoder listens to two things at once. Positions are told to attention alone,
so that texts may be of any length; 512 tokens are what most were trained on."""
