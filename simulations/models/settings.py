"""Which architecture does a Hugging Face config.json describe, and is it one that we can run?"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from simulations.machine import formats
from simulations.models.architecture import Architecture, ImageShape
from simulations.models.families.family import StoredFamily
from simulations.models.families.known import FAMILIES
from simulations.models.messages import quote, quote_path, reason
from simulations.models.present import is_there
from simulations.models.rotary import read_frequencies
from theory.arrays import InputError

_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "quick_gelu": "quick_gelu",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
}
"""Our name for each name that a config.json may give to an activation."""
_GATED = "gated-"


# Settings that change what a block computes, with the only values that ours computes.
_FIXED: dict[str, tuple[Any, ...]] = {
    "position_embedding_type": ("absolute", None),
    "is_decoder": (False, None),
    "add_cross_attention": (False, None),
    "inner_group_num": (1, None),
    "quantization_config": (None,),
}


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Raises: InputError if it is missing, unreadable, or holds something else
    """
    if not is_there(path):
        raise InputError(f"{quote_path(path.parent)} has no {path.name}")
    try:
        content = formats.read_json(path, name=path.name)
    except OSError as error:
        raise InputError(f"{path.name} cannot be read: {error.strerror}") from error
    except formats.FormatError as error:
        if isinstance(error.__cause__, RecursionError):
            raise InputError(f"{path.name} is corrupt: {error}") from error
        raise InputError(f"{path.name} is truncated or corrupt: {reason(error)}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path.name} must hold a JSON object, but holds {type(content).__name__}")
    return content


def read_architecture(path: Path) -> tuple[Architecture, StoredFamily]:
    """Return the architecture that a config.json describes, and the family that its files follow.

    Raises: InputError if the model type or a setting is not supported, or a setting is missing
    """
    settings = read_json(path)
    model_type = settings.get("model_type")
    if model_type is None:
        raise InputError(
            f"{path.name} has no model_type, as files of before 2020: add the one that it is, such "
            f"as 'bert'; its architectures are {quote(settings.get('architectures'))}"
        )
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise InputError(
            f"{path.name}: model_type must be one that `oversmooth models` lists, but is "
            f"{quote(model_type)}; --via capture reads more of them"
        )
    family = _variant(FAMILIES[model_type], settings)
    for key in family.needed:
        if key not in settings:
            raise InputError(f"{path.name} lacks {key}, without which scores are not known")
    older = family.older_keys.items()
    settings = {new: settings[old] for old, new in older if old in settings} | settings
    for key, allowed in (_FIXED | dict(family.fixed)).items():
        if settings.get(key) not in allowed:
            raise InputError(
                f"{path.name}: {key} must be {allowed[0]!r}, the only value supported, "
                f"but is {quote(settings[key])}"
            )
    return _architecture(path, settings, model_type, family), family


def _variant(family: StoredFamily, settings: Mapping[str, Any]) -> StoredFamily:
    """Return the family with the names that it has where its feed-forward sublayer is gated."""
    said = str(settings.get(family.keys.activation, ""))
    if family.gated_names is None or not said.startswith(_GATED):
        return family
    return replace(family, names=family.gated_names)


def _architecture(
    path: Path, settings: Mapping[str, Any], model_type: str, family: StoredFamily
) -> Architecture:
    keys, image = family.keys, _image(path, settings, family)
    width, heads = _count(path, settings, keys.width), _count(path, settings, keys.heads)
    head_width = None
    if keys.head_width and settings.get(keys.head_width) is not None:
        head_width = _count(path, settings, keys.head_width)
    if head_width is None and width % heads:
        raise InputError(
            f"{path.name}: {keys.width} must be a multiple of {keys.heads}, "
            f"but they are {width} and {heads}"
        )
    layers = _count(path, settings, keys.layers)
    features = width // heads if head_width is None else head_width
    return Architecture(
        model_type=model_type,
        layers=layers,
        width=width,
        heads=heads,
        ffn=_ffn(path, settings, family, width),
        activation=_activation(path, settings, family),
        norm_eps=_eps(path, settings, family),
        vocabulary=0 if image else _count(path, settings, "vocab_size"),
        positions=image.marks + image.side**2 if image else _positions(path, settings, family),
        # Without types there is no row to add, and no table.
        token_types=_count(path, settings, "type_vocab_size", least=0)
        if family.has_token_types
        else 0,
        embedding_width=_count(path, settings, keys.embedding_width, default=width),
        groups=_count(path, settings, "num_hidden_groups", default=1)
        if family.shares_layers
        else layers,
        first_position=_count(path, settings, "pad_token_id", default=1, least=0) + 1
        if family.counts_from_padding
        else family.skipped_positions,
        placement=family.placement,
        norm=family.norm,
        causal=family.causal,
        gated=bool(family.names.gate),
        key_heads=_count(path, settings, keys.key_heads, default=heads)
        if keys.key_heads and settings.get(keys.key_heads) is not None
        else None,
        head_width=head_width,
        biases=_biases(path, settings, family),
        frequencies=read_frequencies(path, settings, features, part=family.rotary)
        if family.rotary
        else (),
        buckets=_count(path, settings, keys.buckets, default=32, least=4) if keys.buckets else 0,
        farthest=_count(path, settings, keys.farthest, default=128) if keys.farthest else 128,
        slopes=family.slopes,
        window=_count(path, settings, keys.window)
        if keys.window and settings.get(keys.window) is not None
        else None,
        windowed=_windowed(path, settings, keys.windowed, layers) if keys.windowed else (),
        soft_cap=_positive(path, settings, keys.soft_cap)
        if keys.soft_cap and settings.get(keys.soft_cap) is not None
        else None,
        score_scale=_score_scale(path, settings, family),
        word_scale=width**0.5 if family.scaled_words else 1.0,
        gain_offset=family.gain_offset,
        image=image,
    )


def _image(path: Path, settings: Mapping[str, Any], family: StoredFamily) -> ImageShape | None:
    if not family.names.patches:
        return None
    names = family.names
    try:
        return ImageShape(
            size=_count(path, settings, "image_size", default=224),
            patch=_count(path, settings, "patch_size", default=16),
            channels=_count(path, settings, "num_channels", default=3),
            marks=len(names.marks),
            registers=_count(path, settings, "num_register_tokens", default=4, least=0)
            if names.registers
            else 0,
        )
    except InputError as error:
        raise InputError(f"{path.name}: {str(error).removeprefix(f'{path.name}: ')}") from error


def _ffn(path: Path, settings: Mapping[str, Any], family: StoredFamily, width: int) -> int:
    """Return the number of hidden features, which some files give in widths."""
    key = family.keys.ffn
    if family.ffn_ratio is not None and settings.get(key) is None:
        return family.ffn_ratio * width
    found = _count(path, settings, key)
    return found * width if family.ffn_in_widths else found


def _positions(path: Path, settings: Mapping[str, Any], family: StoredFamily) -> int:
    """Return how many positions there are."""
    default = family.default_positions
    found = _count(path, settings, family.keys.positions, default=default)
    return found + family.skipped_positions


def _windowed(path: Path, settings: Mapping[str, Any], key: str, layers: int) -> tuple[bool, ...]:
    """Return which layers have a window: every other one, from the first, if no setting says."""
    said, near = settings.get(key), "sliding_attention"
    if said is None:
        return tuple(layer % 2 == 0 for layer in range(layers))
    kinds = said if isinstance(said, list) else []
    if len(kinds) != layers or any(kind not in (near, "full_attention") for kind in kinds):
        raise InputError(
            f"{path.name}: {key} must hold {near!r} or 'full_attention' for each of the {layers} "
            f"layers, but is {quote(said)}"
        )
    return tuple(kind == near for kind in kinds)


def _score_scale(path: Path, settings: Mapping[str, Any], family: StoredFamily) -> float | None:
    """Return what multiplies scores, None for one over the root of a head's features."""
    key = family.keys.score_width
    if key:
        return float(_positive(path, settings, key) ** -0.5)
    return None if family.scales_scores else 1.0


def _positive(path: Path, settings: Mapping[str, Any], key: str) -> float:
    value = settings.get(key)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value is None or not number or not 1e-6 <= value <= 1e6:
        raise InputError(
            f"{path.name}: {key} must be a number from 1e-6 to 1e6, but is {quote(value)}"
        )
    return float(value)


def _biases(path: Path, settings: Mapping[str, Any], family: StoredFamily) -> frozenset[str]:
    """Return which maps have a bias, by the family and by what its settings say."""
    found = set(family.biases)
    for switch in family.switches:
        on = settings.get(switch.key, switch.default)
        if not isinstance(on, bool):
            raise InputError(f"{path.name}: {switch.key} must be true or false, but is {quote(on)}")
        found = found | set(switch.maps) if on else found - set(switch.maps)
    return frozenset(found)


def _count(
    path: Path, settings: Mapping[str, Any], key: str, *, default: int | None = None, least: int = 1
) -> int:
    value = settings.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**31:
        raise InputError(
            f"{path.name}: {key} must be a whole number from {least} up and below 2**31, "
            f"but is {quote(value)}"
        )
    return value


def _activation(path: Path, settings: Mapping[str, Any], family: StoredFamily) -> str:
    key = family.keys.activation
    value = settings.get(key, family.default_activation)
    if isinstance(value, str):
        value = family.activations.get(value, value)
        value = value if family.gated_names is None else value.removeprefix(_GATED)
    if not isinstance(value, str) or value not in _ACTIVATIONS:
        raise InputError(
            f"{path.name}: {key} must be one of {', '.join(_ACTIVATIONS)}, but is {quote(value)}"
        )
    return _ACTIVATIONS[value]


def _eps(path: Path, settings: Mapping[str, Any], family: StoredFamily) -> float:
    key = family.keys.norm_eps
    value = settings.get(key, family.default_eps)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise InputError(
            f"{path.name}: {key} must be a number from 0 up to 1, but is {quote(value)}"
        )
    return float(value)
