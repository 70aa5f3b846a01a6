"""Which architecture does a Hugging Face config.json describe, and is it one that we can run?"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulations.models.checkpoint import Architecture
from simulations.models.families.family import StoredFamily
from simulations.models.families.known import FAMILIES
from simulations.models.messages import quote, quote_path, reason
from simulations.models.present import is_there
from theory.arrays import InputError

_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
}
"""Our name for each name that a config.json may give to an activation."""


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
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path.name} cannot be read: {error.strerror}") from error
    except ValueError as error:  # neither UTF-8 nor JSON
        raise InputError(f"{path.name} is truncated or corrupt: {reason(error)}") from error
    except RecursionError as error:
        raise InputError(f"{path.name} is corrupt: it is nested too deeply") from error
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
            f"{path.name} has no model_type, as files of before 2020: add the one of "
            f"{', '.join(FAMILIES)} that it is; its architectures are "
            f"{quote(settings.get('architectures'))}"
        )
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise InputError(
            f"{path.name}: model_type must be one of {', '.join(FAMILIES)} (post-LN encoders with "
            f"absolute positions), but is {quote(model_type)}"
        )
    for key, allowed in _FIXED.items():
        if settings.get(key) not in allowed:
            raise InputError(
                f"{path.name}: {key} must be {allowed[0]!r}, the only value supported, "
                f"but is {quote(settings[key])}"
            )
    family = FAMILIES[model_type]
    keys = family.keys
    width, heads = _count(path, settings, keys.width), _count(path, settings, keys.heads)
    if width % heads:
        raise InputError(
            f"{path.name}: {keys.width} must be a multiple of {keys.heads}, "
            f"but they are {width} and {heads}"
        )
    layers = _count(path, settings, keys.layers)
    model = Architecture(
        model_type=model_type,
        layers=layers,
        width=width,
        heads=heads,
        ffn=_count(path, settings, keys.ffn),
        activation=_activation(path, settings, family),
        norm_eps=_eps(path, settings),
        vocabulary=_count(path, settings, "vocab_size"),
        positions=_count(path, settings, "max_position_embeddings"),
        # Without types there is no row to add, and no table.
        token_types=_count(path, settings, "type_vocab_size", least=0)
        if family.has_token_types
        else 0,
        embedding_width=_count(path, settings, "embedding_size", default=width),
        groups=_count(path, settings, "num_hidden_groups", default=1)
        if family.shares_layers
        else layers,
        first_position=_count(path, settings, "pad_token_id", default=1, least=0) + 1
        if family.counts_from_padding
        else 0,
    )
    return model, family


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
    if not isinstance(value, str) or value not in _ACTIVATIONS:
        raise InputError(
            f"{path.name}: {key} must be one of {', '.join(_ACTIVATIONS)}, but is {quote(value)}"
        )
    return _ACTIVATIONS[value]


def _eps(path: Path, settings: Mapping[str, Any]) -> float:
    value = settings.get("layer_norm_eps", 1e-12)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1:
        raise InputError(
            f"{path.name}: layer_norm_eps must be a number from 0 up to 1, but is {quote(value)}"
        )
    return float(value)
