"""Which small models of transformers are ours held against?"""

from typing import Any

LLAMA: dict[str, Any] = {
    "vocab_size": 10,
    "hidden_size": 12,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "num_key_value_heads": 1,
    "intermediate_size": 20,
    "max_position_embeddings": 24,
    "initializer_range": 0.3,
    "rms_norm_eps": 1e-4,
    "pad_token_id": None,
}
STRETCHED = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
GEMMA2 = LLAMA | {"head_dim": 4, "pad_token_id": 0, "sliding_window": 3}
GEMMA2 |= {"attn_logit_softcapping": 2.0, "query_pre_attn_scalar": 7}
WIDE = ["full_attention", "full_attention", "sliding_attention"]
GPT2 = {"vocab_size": 10, "n_embd": 12, "n_layer": 3, "n_head": 3, "n_positions": 24}
GPT2 |= {"bos_token_id": 2, "eos_token_id": 3}
NEOX = {key: LLAMA[key] for key in LLAMA if key not in ("num_key_value_heads", "rms_norm_eps")}
BLOOM = {"vocab_size": 10, "hidden_size": 18, "n_layer": 3, "n_head": 3, "initializer_range": 0.3}
OPT: dict[str, Any] = {
    "vocab_size": 10,
    "hidden_size": 12,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
}
OPT |= {"ffn_dim": 20, "max_position_embeddings": 24, "word_embed_proj_dim": 12, "init_std": 0.3}
VIT: dict[str, Any] = {
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "image_size": 15,
    "patch_size": 4,
    "initializer_range": 0.3,
}
DINO = {key: VIT[key] for key in VIT if key != "intermediate_size"} | {"mlp_ratio": 2}
MPNET: dict[str, Any] = {
    "vocab_size": 10,
    "hidden_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 20,
    "max_position_embeddings": 40,
    "initializer_range": 0.3,
}
