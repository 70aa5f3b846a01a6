"""Small models of every family with random weights, and inputs for them: nothing is downloaded."""

import warnings
from typing import Any

import pytest

torch = pytest.importorskip("torch")
with warnings.catch_warnings():  # what it says while it is imported is no concern of ours
    warnings.simplefilter("ignore")
    transformers = pytest.importorskip("transformers")

Module: Any = torch.nn.Module  # mypy does not see what torch has
Linear: Any = torch.nn.Linear

WORDS, D, HEADS, HIDDEN, LAYERS = 41, 32, 4, 40, 2
BERT = {
    "vocab_size": WORDS,
    "hidden_size": D,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": HIDDEN,
    "max_position_embeddings": 40,
}
SHARED = BERT | {"num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
LLAMA = SHARED | {"head_dim": 8}
GPT2 = {"vocab_size": WORDS, "n_embd": D, "n_layer": LAYERS, "n_head": HEADS, "n_positions": 40}
IMAGE = {key: BERT[key] for key in list(BERT)[1:5]} | {"image_size": 16, "patch_size": 4}
WINDOW = {"sliding_window": 5, "query_pre_attn_scalar": 8}
T5 = {"vocab_size": WORDS, "d_model": D, "d_kv": 8, "d_ff": HIDDEN, "num_layers": LAYERS}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
WHISPER = {
    "vocab_size": WORDS,
    "d_model": D,
    "num_mel_bins": 8,
    "max_source_positions": 10,
    "max_target_positions": 10,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
} | {
    f"{side}_{key}": value
    for side in ("encoder", "decoder")
    for key, value in (("layers", LAYERS), ("attention_heads", HEADS), ("ffn_dim", HIDDEN))
}

CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", BERT),
    "roberta": ("Roberta", BERT | {"pad_token_id": 1}),
    "electra": ("Electra", BERT | {"embedding_size": 8}),
    "albert": ("Albert", BERT | {"embedding_size": 8}),
    "distilbert": (
        "DistilBert",
        {
            "vocab_size": WORDS,
            "dim": D,
            "n_layers": LAYERS,
            "n_heads": HEADS,
            "hidden_dim": HIDDEN,
            "max_position_embeddings": 40,
        },
    ),
    "mpnet": ("MPNet", BERT | {"pad_token_id": 1}),
    "deberta-v2": (
        "DebertaV2",
        BERT
        | {
            "relative_attention": True,
            "pos_att_type": ["p2c", "c2p"],
            "position_buckets": 8,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
        },
    ),
    "modernbert": (
        "ModernBert",
        SHARED
        | {
            "local_attention": 8,
            "global_attn_every_n_layers": 2,
            "cls_token_id": 1,
            "sep_token_id": 2,
        },
    ),
    "gpt2": ("GPT2", GPT2),
    "gptj": ("GPTJ", GPT2 | {"rotary_dim": 4}),
    "gpt_neox": ("GPTNeoX", BERT | {"rotary_pct": 0.5}),
    "bloom": ("Bloom", {"vocab_size": WORDS, "hidden_size": D, "n_layer": LAYERS, "n_head": HEADS}),
    "falcon": (
        "Falcon",
        BERT
        | {
            "new_decoder_architecture": False,
            "multi_query": True,
            "parallel_attn": True,
            "alibi": False,
        },
    ),
    "opt": ("OPT", BERT | {"ffn_dim": HIDDEN, "word_embed_proj_dim": D}),
    "whisper": ("Whisper", WHISPER),
    "llama": ("Llama", LLAMA),
    "mistral": ("Mistral", LLAMA | {"sliding_window": 5}),
    "qwen2": ("Qwen2", SHARED),
    "qwen3": ("Qwen3", LLAMA),
    "gemma": ("Gemma", LLAMA),
    "gemma2": ("Gemma2", LLAMA | WINDOW),
    "gemma3": ("Gemma3Text", LLAMA | WINDOW),
    "olmo2": ("Olmo2", SHARED),
    "mixtral": ("Mixtral", LLAMA | EXPERTS),
    "gpt_oss": ("GptOss", LLAMA | EXPERTS | {"sliding_window": 5}),
    "phi": ("Phi", BERT),
    "phi3": ("Phi3", SHARED),
    "vit": ("ViT", IMAGE),
    "deit": ("DeiT", IMAGE),
    "dinov2": ("Dinov2", IMAGE | {"mlp_ratio": 2}),
    "clip": ("CLIPVision", IMAGE),
    "siglip": ("SiglipVision", IMAGE),
    "swin": (
        "Swin",
        {"embed_dim": 8, "depths": [2, 1], "num_heads": [2, 4], "window_size": 2}
        | {"image_size": 16, "patch_size": 2},
    ),
    "t5": ("T5", T5 | {"num_heads": HEADS}),
    "t5-gated": ("T5", T5 | {"num_heads": HEADS, "feed_forward_proj": "gated-gelu"}),
}
"""By the names of `simulations.capture.known`: a model's first name, and its configuration."""

_SOUND = BERT | {
    "conv_dim": (8, 8),
    "conv_stride": (5, 2),
    "conv_kernel": (10, 3),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
}
_BART = {key: value for key, value in WHISPER.items() if not key.startswith(("num", "max"))}
RELATIVES: dict[str, tuple[str, dict[str, Any]]] = {
    "falcon-two-norms": ("Falcon", CONFIGS["falcon"][1] | {"new_decoder_architecture": True}),
    "esm": ("Esm", BERT | {"pad_token_id": 1, "mask_token_id": 2}),
    "megatron-bert": ("MegatronBert", BERT),
    "roberta-prelayernorm": ("RobertaPreLayerNorm", BERT),
    "nomic_bert": ("NomicBert", BERT),
    "gpt_neo": (
        "GPTNeo",
        {"vocab_size": WORDS, "hidden_size": D, "num_layers": 2, "num_heads": HEADS}
        | {"max_position_embeddings": 40, "attention_types": [[["global", "local"], 1]]},
    ),
    "ctrl": ("CTRL", GPT2 | {"dff": HIDDEN}),
    "mpt": ("Mpt", {"vocab_size": WORDS, "d_model": D, "n_layers": 2, "n_heads": HEADS}),
    "wav2vec2": ("Wav2Vec2", _SOUND),
    "cohere": ("Cohere", SHARED),
    "glm": ("Glm", LLAMA),
    "glm4": ("Glm4", LLAMA),
    "starcoder2": ("Starcoder2", SHARED),
    "nemotron": ("Nemotron", SHARED),
    "dinov3_vit": ("DINOv3ViT", IMAGE),
    "data2vec-text": ("Data2VecText", BERT),
    "ernie": ("Ernie", BERT),
    "ibert": ("IBert", BERT),
    "layoutlm": ("LayoutLM", BERT),
    "rembert": ("RemBert", BERT | {"input_embedding_size": 8}),
    "roformer": ("RoFormer", BERT),
    "splinter": ("Splinter", BERT),
    "cohere2": ("Cohere2", SHARED),
    "clip_text_model": ("CLIPText", BERT),
    "dinov2_with_registers": ("Dinov2WithRegisters", IMAGE | {"mlp_ratio": 2}),
    "gpt_bigcode": ("GPTBigCode", GPT2),
    "imagegpt": ("ImageGPT", GPT2),
    "openai-gpt": ("OpenAIGPT", GPT2),
    "ernie4_5": ("Ernie4_5", SHARED),
    "eurobert": ("EuroBert", SHARED),
    "granite": ("Granite", SHARED | {"residual_multiplier": 0.3}),
    "helium": ("Helium", LLAMA),
    "hunyuan_v1_dense": ("HunYuanDenseV1", LLAMA),
    "ministral": ("Ministral", LLAMA),
    "olmo": ("Olmo", SHARED),
    "smollm3": ("SmolLM3", SHARED),
    "stablelm": ("StableLm", SHARED),
    "olmoe": ("Olmoe", SHARED),
    "phimoe": ("Phimoe", SHARED),
    "qwen2_moe": ("Qwen2Moe", SHARED),
    "qwen3_moe": ("Qwen3Moe", LLAMA),
    "exaone4": ("Exaone4", SHARED),
    "olmo3": ("Olmo3", SHARED),
    "bart": ("Bart", _BART | {"max_position_embeddings": 40}),
    "biogpt": ("BioGpt", BERT),
    "xglm": (
        "XGLM",
        {"vocab_size": WORDS, "d_model": D, "num_layers": 2, "attention_heads": HEADS}
        | {"ffn_dim": HIDDEN, "max_position_embeddings": 40},
    ),
    "camembert": ("Camembert", BERT),
    "xlm-roberta": ("XLMRoberta", BERT),
    "siglip_text_model": ("SiglipText", BERT),
    "mt5": ("MT5", T5 | {"num_heads": HEADS}),
    "umt5": ("UMT5", T5 | {"num_heads": HEADS}),
    "ijepa": ("IJepa", IMAGE),
    "vit_mae": ("ViTMAE", IMAGE),
    "vit_msn": ("ViTMSN", IMAGE),
    "audio-spectrogram-transformer": (
        "AST",
        {key: IMAGE[key] for key in list(IMAGE)[:4]} | {"max_length": 40, "num_mel_bins": 24},
    ),
    "hubert": ("Hubert", _SOUND),
}
"""More families, and other names of known ones; their tests are slow for being many."""


def generator(seed: int) -> Any:
    return torch.Generator().manual_seed(seed)


def token_ids(*shape: int) -> Any:
    return torch.randint(5, WORDS, shape, generator=generator(1))


def tiny_model(name: str, **changes: Any) -> tuple[Any, dict[str, Any]]:
    """Return a model in eval mode and two inputs; no parameter has a special value."""
    first, settings = (CONFIGS | RELATIVES)[name]
    config = getattr(transformers, f"{first}Config")(**settings | changes)
    end = "EncoderModel" if first.endswith("T5") else "Model"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        model = getattr(transformers, f"{first}{end}")(config).eval()
    model = model.encoder if first == "Whisper" else model
    unsettle(model)
    if "image_size" in settings:
        return model, {"pixel_values": torch.randn(2, 3, 16, 16, generator=generator(1))}
    if first == "Whisper":
        return model, {"input_features": torch.randn(2, 8, 20, generator=generator(1))}
    if "conv_dim" in settings:
        return model, {"input_values": torch.randn(2, 200, generator=generator(1))}
    if first == "AST":
        return model, {"input_values": torch.randn(2, 40, 24, generator=generator(1))}
    return model, {"input_ids": token_ids(2, 9)}


def unsettle(model: Any) -> Any:
    """Move gains off one, biases off zero and small weights apart: luck must not hide a mistake."""
    draw = generator(2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=draw)
            if parameter.ndim == 1:
                parameter.add_(0.3 * noise)
            elif "emb" not in name:
                parameter.add_(0.08 * noise)
    return model


def encoder(*, layers: int = 2, **options: Any) -> Any:
    """Return torch's own encoder in eval mode."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it says why it will not take its fast path
        torch.manual_seed(0)
        layer = torch.nn.TransformerEncoderLayer(16, 4, 32, **options)
        return unsettle(torch.nn.TransformerEncoder(layer, layers)).eval()


def tokens(*shape: int) -> Any:
    return torch.randn(*shape, generator=generator(3))
