"""How do files of ViT, DeiT and DINOv2 keep their weights?"""

from dataclasses import replace

from simulations.models.families.family import BiasSwitch, Names, SettingKeys, StoredFamily

_QKV = BiasSwitch("qkv_bias", ("query", "key", "value"), default=True)
_NAMES = Names(
    prefixes=("", "vit."),
    query="attention.attention.query",
    key="attention.attention.key",
    value="attention.attention.value",
    norm_1="layernorm_before",
    norm_2="layernorm_after",
    word="",
    position="embeddings.position_embeddings",
    norm="",
    patches="embeddings.patch_embeddings.projection",
    marks=("embeddings.cls_token",),
    final_norm="layernorm",
    table="",
    no_weights=("embeddings.mask_token",),
)

VIT = StoredFamily(
    model_types=("vit",),
    names=_NAMES,
    has_token_types=False,
    placement="pre",
    switches=(_QKV,),
)
DEIT = replace(
    VIT,
    model_types=("deit",),
    names=replace(
        _NAMES,
        prefixes=("", "deit."),
        marks=("embeddings.cls_token", "embeddings.distillation_token"),
    ),
)
DINOV2 = replace(
    VIT,
    model_types=("dinov2",),
    keys=SettingKeys(ffn="mlp_ratio"),
    default_eps=1e-6,
    ffn_in_widths=True,
    ffn_ratio=4,
    fixed={"use_swiglu_ffn": (False, None)},
    stretches=True,
    names=replace(
        _NAMES,
        prefixes=("", "dinov2."),
        norm_1="norm1",
        norm_2="norm2",
        ffn_in="mlp.fc1",
        ffn_out="mlp.fc2",
        scale_1="layer_scale1.lambda1",
        scale_2="layer_scale2.lambda1",
    ),
)
DINOV2_REGISTERS = replace(
    DINOV2,
    model_types=("dinov2_with_registers",),
    stretches=False,  # its own way smooths before, which is not done here
    names=replace(
        DINOV2.names,
        prefixes=("", "dinov2_with_registers."),
        registers="embeddings.register_tokens",
    ),
)
