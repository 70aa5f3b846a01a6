"""What has to be known of a family of post-LN encoders to read its files?"""

from dataclasses import dataclass


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


@dataclass(frozen=True)
class SettingKeys:
    """What a family's config.json calls its settings."""

    layers: str = "num_hidden_layers"
    width: str = "hidden_size"
    heads: str = "num_attention_heads"
    ffn: str = "intermediate_size"
    activation: str = "hidden_act"


@dataclass(frozen=True)
class StoredFamily:
    """The models whose files are read in one way.

    ``model_types`` are what config.json calls them. ``default_activation`` is meant where it names
    none. ``has_token_types`` is False where no table of token types is added.
    ``shares_layers``: blocks stand in groups of one set of weights. ``always_projects``: a matrix
    stands between embeddings and tokens even where both have one width.
    ``counts_from_padding``: positions begin with the number after that of padding.
    """

    model_types: tuple[str, ...]
    names: Names
    keys: SettingKeys = SettingKeys()
    default_activation: str = "gelu"
    has_token_types: bool = True
    shares_layers: bool = False
    always_projects: bool = False
    counts_from_padding: bool = False
