"""How do files of MPNet keep their weights?"""

from simulations.models.families.family import Names, SettingKeys, StoredFamily

MPNET = StoredFamily(
    model_types=("mpnet",),
    keys=SettingKeys(buckets="relative_attention_num_buckets"),
    has_token_types=False,
    counts_from_padding=True,
    # transformers has these buckets whatever config.json says.
    fixed={"relative_attention_num_buckets": (32, None)},
    names=Names(
        prefixes=("", "mpnet."),
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        output="attention.attn.o",
        norm_1="attention.LayerNorm",
        relative="encoder.relative_attention_bias",
    ),
)
