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
    "esm": replace(_BERT, norms=("attention.LayerNorm", "LayerNorm")),
    "megatron-bert": replace(_BERT, norms=("attention.ln", "ln")),
    "roberta-prelayernorm": replace(_BERT, norms=("attention.LayerNorm", "intermediate.LayerNorm")),
    "nomic_bert": replace(_LLAMA, norms=("post_attention_layernorm", "post_mlp_layernorm")),
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
    "gpt_neo": replace(
        _GPT2,
        attention="attn.attention",
        value="attn.attention.v_proj",
        output="attn.attention.out_proj",
    ),
    "ctrl": Family(
        blocks="h",
        attention="multi_head_attention",
        value="multi_head_attention.Wv",
        output="multi_head_attention.dense",
        up="ffn.0",
        down="ffn.2",
        norms=("layernorm1", "layernorm2"),
    ),
    "mpt": Family(
        blocks="blocks",
        attention="attn",
        value="attn.Wqkv",
        output="attn.out_proj",
        up="ffn.up_proj",
        down="ffn.down_proj",
        norms=("norm_1", "norm_2"),
    ),
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
    "falcon-two-norms": replace(_BLOOM, norms=("ln_attn", "ln_mlp")),
    "opt": _OPT,
    "whisper": _OPT,
    "wav2vec2": replace(
        _OPT,
        attention="attention",
        value="attention.v_proj",
        output="attention.out_proj",
        up="feed_forward.intermediate_dense",
        down="feed_forward.output_dense",
        norms=("layer_norm", "final_layer_norm"),
    ),
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "gemma": _LLAMA,
    "gemma2": _GEMMA,
    "gemma3": _GEMMA,
    "olmo2": replace(_LLAMA, norms=("post_attention_layernorm", "post_feedforward_layernorm")),
    "cohere": replace(_LLAMA, norms=("input_layernorm",)),
    "glm": replace(_LLAMA, up="mlp.gate_up_proj", gate=None),
    "glm4": replace(
        _LLAMA,
        up="mlp.gate_up_proj",
        gate=None,
        norms=(*_LLAMA.norms, "post_self_attn_layernorm", "post_mlp_layernorm"),
    ),
    "starcoder2": replace(_LLAMA, up="mlp.c_fc", down="mlp.c_proj", gate=None),
    "nemotron": _EXPERTS,  # its squared ReLU has no Lipschitz constant
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
    "dinov3_vit": replace(
        _VIT,
        blocks="layer",
        up="mlp.up_proj",
        down="mlp.down_proj",
        norms=("norm1", "norm2"),
        scales=("layer_scale1", "layer_scale2"),
    ),
    "clip": _CLIP,
    "siglip": _CLIP,
    "swin": replace(_VIT, blocks="blocks", windows=True),
    "t5": _T5,
    "t5-gated": replace(_T5, up="layer.1.DenseReluDense.wi_1", gate="layer.1.DenseReluDense.wi_0"),
}
"""By what a configuration calls itself (``model_type``); "torch" is `torch.nn.TransformerEncoder`.

A name with more behind a hyphen is the same family with other parts: the first that fits is taken.
"""

_RELATIVES: Final = {
    "bert": "data2vec-text ernie ibert layoutlm rembert roformer splinter",
    "cohere": "cohere2",
    "clip": "clip_text_model clip_vision_model",
    "dinov2": "dinov2_with_registers",
    "gemma3": "gemma3_text",
    "gpt2": "gpt_bigcode imagegpt openai-gpt",
    "llama": "ernie4_5 eurobert granite helium hunyuan_v1_dense ministral olmo smollm3 stablelm",
    "mixtral": "olmoe phimoe qwen2_moe qwen3_moe",
    "olmo2": "exaone4 olmo3",
    "opt": "bart biogpt xglm",
    "roberta": "camembert xlm-roberta",
    "siglip": "siglip_text_model siglip_vision_model",
    "t5": "mt5 umt5",
    "vit": "audio-spectrogram-transformer ijepa vit_mae vit_msn",
    "wav2vec2": "hubert",
}
OTHER_NAMES: Final = {
    other: name for name, others in _RELATIVES.items() for other in others.split()
}
"""What other configurations with the parts of a known family call themselves."""
