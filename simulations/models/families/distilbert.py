"""How do files of DistilBERT keep their weights?"""

from simulations.models.families.family import Names, SettingKeys, StoredFamily

DISTILBERT = StoredFamily(
    model_types=("distilbert",),
    keys=SettingKeys("n_layers", "dim", "n_heads", "hidden_dim", "activation"),
    has_token_types=False,
    names=Names(
        prefixes=("", "distilbert."),
        layer="transformer.layer.{}.",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        output="attention.out_lin",
        norm_1="sa_layer_norm",
        ffn_in="ffn.lin1",
        ffn_out="ffn.lin2",
        norm_2="output_layer_norm",
    ),
)
