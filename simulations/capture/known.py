"""Which families of models are known by the names of their parts?"""

from dataclasses import replace
from typing import Final

from simulations.capture.family import Family

_BERT: Final = Family(
    blocks="encoder.layer",
    attention="attention.self",
    value="attention.self.value",
    output="attention.output.dense",
    up="intermediate.dense",
    down="output.dense",
    norms=("attention.output.LayerNorm", "output.LayerNorm"),
    cross="crossattention",
)
_LLAMA: Final = Family(
    blocks="layers",
    attention="self_attn",
    value="self_attn.v_proj",
    output="self_attn.o_proj",
    up="mlp.up_proj",
    down="mlp.down_proj",
    gate="mlp.gate_proj",
    norms=("input_layernorm", "post_attention_layernorm"),
)
_GEMMA: Final = replace(
    _LLAMA, norms=(*_LLAMA.norms, "pre_feedforward_layernorm", "post_feedforward_layernorm")
)
_EXPERTS: Final = replace(_LLAMA, up=None, down=None, gate=None, measured="mlp")
_GPT2: Final = Family(
    blocks="h",
    attention="attn",
    value="attn.c_attn",
    output="attn.c_proj",
    up="mlp.c_fc",
    down="mlp.c_proj",
    norms=("ln_1", "ln_2"),
    cross="crossattention",
)
_NEOX: Final = Family(
    blocks="layers",
    attention="attention",
    value="attention.query_key_value",
    output="attention.dense",
    up="mlp.dense_h_to_4h",
    down="mlp.dense_4h_to_h",
    norms=("input_layernorm", "post_attention_layernorm"),
)
_BLOOM: Final = replace(
    _NEOX,
    blocks="h",
    attention="self_attention",
    value="self_attention.query_key_value",
    output="self_attention.dense",
)
_OPT: Final = Family(
    blocks="layers",
    attention="self_attn",
    value="self_attn.v_proj",
    output="self_attn.out_proj",
    up="fc1",
    down="fc2",
    norms=("self_attn_layer_norm", "final_layer_norm"),
    cross="encoder_attn",
)
_VIT: Final = Family(
    blocks="layers",
    attention="attention",
    value="attention.v_proj",
    output="attention.o_proj",
    up="mlp.fc1",
    down="mlp.fc2",
    norms=("layernorm_before", "layernorm_after"),
)
_CLIP: Final = replace(
    _OPT, up="mlp.fc1", down="mlp.fc2", norms=("layer_norm1", "layer_norm2"), cross=None
)
_T5: Final = Family(
    blocks="block",
    attention="layer.0.SelfAttention",
    value="layer.0.SelfAttention.v",
    output="layer.0.SelfAttention.o",
    up="layer.1.DenseReluDense.wi",
    down="layer.1.DenseReluDense.wo",
    norms=("layer.0.layer_norm", "layer.1.layer_norm"),
    cross="layer.1.EncDecAttention",
)

FAMILIES: Final[dict[str, Family]] = {
    "torch": Family(
        blocks="layers",
        attention="self_attn",
        value="self_attn",
        output="self_attn.out_proj",
        up="linear1",
        down="linear2",
        norms=("norm1", "norm2"),
        cross="multihead_attn",
    ),
    "bert": _BERT,
    "roberta": _BERT,
    "electra": _BERT,
    "albert": Family(
        blocks="albert_layers",
        attention="attention",
        value="attention.value",
        output="attention.dense",
        up="ffn",
        down="ffn_output",
        norms=("attention.LayerNorm", "full_layer_layer_norm"),
    ),
    "distilbert": Family(
        blocks="transformer.layer",
        attention="attention",
        value="attention.v_lin",
        output="attention.out_lin",
        up="ffn.lin1",
        down="ffn.lin2",
        norms=("sa_layer_norm", "output_layer_norm"),
    ),
    "mpnet": replace(
        _BERT,
        attention="attention.attn",
        value="attention.attn.v",
        output="attention.attn.o",
        norms=("attention.LayerNorm", "output.LayerNorm"),
    ),
    "deberta-v2": replace(_BERT, value="attention.self.value_proj"),
    "modernbert": Family(
        blocks="layers",
        attention="attn",
        value="attn.Wqkv",
        output="attn.Wo",
        up="mlp.Wi",
        down="mlp.Wo",
        norms=("attn_norm", "mlp_norm"),
    ),
    "gpt2": _GPT2,
    "gptj": replace(
        _GPT2,
        value="attn.v_proj",
        output="attn.out_proj",
        up="mlp.fc_in",
        down="mlp.fc_out",
        norms=("ln_1",),
    ),
    "gpt_neox": _NEOX,
    "bloom": _BLOOM,
    "falcon": replace(_BLOOM, norms=("input_layernorm",)),
    "opt": _OPT,
    "whisper": _OPT,
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "gemma": _LLAMA,
    "gemma2": _GEMMA,
    "gemma3": _GEMMA,
    "olmo2": replace(_LLAMA, norms=("post_attention_layernorm", "post_feedforward_layernorm")),
    "mixtral": _EXPERTS,
    "gpt_oss": _EXPERTS,
    "phi": replace(
        _LLAMA,
        output="self_attn.dense",
        up="mlp.fc1",
        down="mlp.fc2",
        gate=None,
        norms=("input_layernorm",),
    ),
    "phi3": replace(_LLAMA, value="self_attn.qkv_proj", up="mlp.gate_up_proj", gate=None),
    "vit": _VIT,
    "deit": _VIT,
    "dinov2": replace(
        _VIT, blocks="layer", norms=("norm1", "norm2"), scales=("layer_scale1", "layer_scale2")
    ),
    "clip": _CLIP,
    "siglip": _CLIP,
    "swin": replace(_VIT, blocks="blocks", windows=True),
    "t5": _T5,
    "t5-gated": replace(_T5, up="layer.1.DenseReluDense.wi_1", gate="layer.1.DenseReluDense.wi_0"),
}
"""By what a configuration calls itself (``model_type``); "torch" is `torch.nn.TransformerEncoder`.

A name with -gated is the same family with a gated feed-forward sublayer.
"""

OTHER_NAMES: Final = {
    "camembert": "roberta",
    "clip_text_model": "clip",
    "clip_vision_model": "clip",
    "gemma3_text": "gemma3",
    "siglip_text_model": "siglip",
    "siglip_vision_model": "siglip",
    "xlm-roberta": "roberta",
}
"""What other configurations with the parts of a known family call themselves."""
