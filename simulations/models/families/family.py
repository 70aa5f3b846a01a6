"""What has to be known of a family of models to read its files?"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Literal

from simulations.models.architecture import PLAIN_BIASES
from theory.blocks.weights import Placement


@dataclass(frozen=True)
class Names:
    """Where a family's file keeps its weights; "" for what the family does not have.

    Each name stands for a weight and a bias: ``.weight`` and ``.bias`` are put after it, except
    after the tables (``word``, ``position``, ``token_type``, ``relative``), which have no bias,
    and after the single vectors (``marks``, ``registers``, ``scale_1``, ``scale_2``), whose names
    are whole.
    ``layer`` is put before the names of a block, with its group's number for the braces.
    ``qkv`` stands in the place of query, key and value where one matrix makes all three.
    ``norm_1_out`` and ``norm_2_out`` act on what a sublayer makes, in sandwich blocks.
    ``scale_1`` and ``scale_2`` multiply the features that a sublayer adds (LayerScale).
    ``prefixes`` are what a file puts before every name; a task's head is kept beside them.
    ``no_weights`` are ends of names that some files keep though no model uses them.
    """

    layer: str = "encoder.layer.{}."
    query: str = "attention.self.query"
    key: str = "attention.self.key"
    value: str = "attention.self.value"
    qkv: str = ""
    query_norm: str = ""
    key_norm: str = ""
    output: str = "attention.output.dense"
    norm_1: str = "attention.output.LayerNorm"
    norm_1_out: str = ""
    scale_1: str = ""
    ffn_in: str = "intermediate.dense"
    gate: str = ""
    ffn_out: str = "output.dense"
    norm_2: str = "output.LayerNorm"
    norm_2_out: str = ""
    scale_2: str = ""
    word: str = "embeddings.word_embeddings"
    position: str = "embeddings.position_embeddings"
    token_type: str = "embeddings.token_type_embeddings"
    norm: str = "embeddings.LayerNorm"
    projection: str = "embeddings_project"
    relative: str = ""
    patches: str = ""
    marks: tuple[str, ...] = ()
    registers: str = ""
    final_norm: str = ""
    weight: str = ".weight"
    bias: str = ".bias"
    table: str = ".weight"
    prefixes: tuple[str, ...] = ("",)
    no_weights: tuple[str, ...] = ()


@dataclass(frozen=True)
class SettingKeys:
    """What a family's config.json calls its settings; "" for what it does not have.

    ``windowed`` lists which layers have a window, and ``score_width`` is the number whose root
    divides scores in the place of a head's features.
    """

    layers: str = "num_hidden_layers"
    width: str = "hidden_size"
    heads: str = "num_attention_heads"
    ffn: str = "intermediate_size"
    activation: str = "hidden_act"
    norm_eps: str = "layer_norm_eps"
    positions: str = "max_position_embeddings"
    key_heads: str = ""
    head_width: str = ""
    window: str = ""
    windowed: str = ""
    soft_cap: str = ""
    score_width: str = ""
    buckets: str = ""
    embedding_width: str = "embedding_size"
    farthest: str = ""


@dataclass(frozen=True)
class BiasSwitch:
    """A setting that says whether some maps have a bias, and what is meant where it is missing."""

    key: str
    maps: tuple[str, ...]
    default: bool


@dataclass(frozen=True)
class StoredFamily:
    """The models whose files are read in one way.

    ``model_types`` are what config.json calls them. ``default_activation`` and ``default_eps`` are
    meant where it names none. ``has_token_types`` is False where no table of token types is added.
    ``shares_layers``: blocks stand in groups of one set of weights. ``always_projects``: a matrix
    stands between embeddings and tokens even where both have one width.
    ``counts_from_padding``: positions begin with the number after that of padding;
    ``skipped_positions`` are rows of the table, beyond those that config.json counts, before them.
    ``transposed``: matrices are kept (in, out). ``fused`` says how ``Names.qkv`` is laid out:
    all queries before all keys, or head by head. ``ffn_ratio`` is what the hidden features are in
    widths where the setting is null; ``ffn_in_widths``: it always is a number of widths.
    ``biases`` are the maps that have one, and ``switches`` what settings say of others.
    ``rotary`` is the part of a head's features that positions turn where no setting says so; 0 is
    for models that turn none. ``fixed`` are the settings that change what
    a block computes, each with the only values that ours computes. ``scaled_words``: embeddings
    are multiplied by the root of the width. ``gain_offset`` is added to every gain.
    ``stretches``: positions are interpolated where images are not of the size of config.json.
    ``default_positions`` are meant where no setting says how long a text may be. ``scales_scores``:
    scores are divided by the root of a head's features. ``gated_names`` are the names where the
    activation is said to be gated. ``slopes``: scores fall with the distance, at a slope a head.
    ``activations`` are those that mean another one here, and ``older_keys`` what older files call
    some settings, by that name. ``needed`` are settings that must be there, since it would mean
    some number to others if they were not.
    """

    model_types: tuple[str, ...]
    names: Names
    keys: SettingKeys = SettingKeys()
    default_activation: str = "gelu"
    default_eps: float = 1e-12
    has_token_types: bool = True
    shares_layers: bool = False
    always_projects: bool = False
    counts_from_padding: bool = False
    skipped_positions: int = 0
    placement: Placement = "post"
    norm: Literal["layer", "rms"] = "layer"
    causal: bool = False
    transposed: bool = False
    fused: Literal["", "stacked", "by head"] = ""
    ffn_ratio: int | None = None
    ffn_in_widths: bool = False
    biases: Set[str] = PLAIN_BIASES
    switches: tuple[BiasSwitch, ...] = ()
    rotary: float = 0.0
    fixed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    scaled_words: bool = False
    stretches: bool = False
    default_positions: int | None = None
    scales_scores: bool = True
    gated_names: Names | None = None
    slopes: bool = False
    activations: Mapping[str, str] = field(default_factory=dict)
    older_keys: Mapping[str, str] = field(default_factory=dict)
    gain_offset: float = 0.0
    needed: tuple[str, ...] = ()
