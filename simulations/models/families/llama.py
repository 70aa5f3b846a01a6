"""How do files of Llama, and of the families that came after its shape, keep their weights?"""

from dataclasses import replace

from simulations.models.families.family import BiasSwitch, Names, SettingKeys, StoredFamily

_NAMES = Names(
    prefixes=("", "model."),
    layer="layers.{}.",
    query="self_attn.q_proj",
    key="self_attn.k_proj",
    value="self_attn.v_proj",
    output="self_attn.o_proj",
    norm_1="input_layernorm",
    ffn_in="mlp.up_proj",
    gate="mlp.gate_proj",
    ffn_out="mlp.down_proj",
    norm_2="post_attention_layernorm",
    word="embed_tokens",
    position="",
    norm="",
    final_norm="norm",
    no_weights=(".rotary_emb.inv_freq",),
)
_KEYS = SettingKeys(norm_eps="rms_norm_eps", key_heads="num_key_value_heads", head_width="head_dim")
_ATTENTION = ("query", "key", "value", "output")

LLAMA = StoredFamily(
    model_types=("llama",),
    names=_NAMES,
    keys=_KEYS,
    default_activation="silu",
    default_eps=1e-6,
    has_token_types=False,
    placement="pre",
    norm="rms",
    causal=True,
    biases=frozenset(),
    switches=(
        BiasSwitch("attention_bias", _ATTENTION, default=False),
        BiasSwitch("mlp_bias", ("ffn_in", "gate", "ffn_out"), default=False),
    ),
    rotary=1.0,
)
MISTRAL = replace(
    LLAMA, model_types=("mistral",), keys=replace(_KEYS, window="sliding_window"), switches=()
)

QWEN2 = replace(
    LLAMA,
    model_types=("qwen2",),
    biases=frozenset(("query", "key", "value")),
    switches=(),
    fixed={"use_sliding_window": (False, None)},
)
QWEN3 = replace(
    LLAMA,
    model_types=("qwen3",),
    names=replace(_NAMES, query_norm="self_attn.q_norm", key_norm="self_attn.k_norm"),
    switches=LLAMA.switches[:1],
    fixed={"use_sliding_window": (False, None)},
)
GEMMA = replace(
    LLAMA,
    model_types=("gemma",),
    default_activation="gelu_pytorch_tanh",
    switches=LLAMA.switches[:1],
    fixed={
        "hidden_act": ("gelu_pytorch_tanh", "gelu", None),
        "hidden_activation": (None, "gelu_pytorch_tanh"),
        "use_bidirectional_attention": (None, False),
    },
    activations={"gelu": "gelu_pytorch_tanh"},  # which old files mean by it
    scaled_words=True,
    gain_offset=1.0,
)
GEMMA2 = replace(
    GEMMA,
    model_types=("gemma2",),
    names=replace(
        _NAMES,
        norm_1_out="post_attention_layernorm",
        norm_2="pre_feedforward_layernorm",
        norm_2_out="post_feedforward_layernorm",
    ),
    keys=replace(
        _KEYS,
        activation="hidden_activation",
        window="sliding_window",
        windowed="layer_types",
        soft_cap="attn_logit_softcapping",
        score_width="query_pre_attn_scalar",
    ),
    placement="sandwich",
    fixed={"use_bidirectional_attention": (None, False)},
    activations={},
    needed=("sliding_window", "attn_logit_softcapping", "query_pre_attn_scalar"),
)
