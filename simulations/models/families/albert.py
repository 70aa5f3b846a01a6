"""How do files of ALBERT keep their weights?"""

from simulations.models.families.family import Names, StoredFamily

ALBERT = StoredFamily(
    model_types=("albert",),
    default_activation="gelu_new",
    shares_layers=True,
    always_projects=True,
    names=Names(
        prefixes=("", "albert."),
        projection="encoder.embedding_hidden_mapping_in",
        layer="encoder.albert_layer_groups.{}.albert_layers.0.",
        query="attention.query",
        key="attention.key",
        value="attention.value",
        output="attention.dense",
        norm_1="attention.LayerNorm",
        ffn_in="ffn",
        ffn_out="ffn_output",
        norm_2="full_layer_layer_norm",
    ),
)
