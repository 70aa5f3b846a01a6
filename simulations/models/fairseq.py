"""How is a RoBERTa read that fairseq kept, whose words are single letters?"""

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from simulations.models.architecture import Architecture
from simulations.models.assemble import build_blocks, build_embeddings, require_tensors
from simulations.models.checkpoint import Checkpoint, Tokenizer
from simulations.models.families.fairseq import FAIRSEQ_ROBERTA
from simulations.models.guards import panics_unprinted, told
from simulations.models.messages import quote
from simulations.models.pickled import load_safely, tensors_of
from simulations.models.present import is_there
from simulations.models.shapes import expected_shapes
from simulations.models.tokens import import_tokenizers
from theory.arrays import InputError

_ENCODER: Final = "sentence_encoder."
_MARK: Final = f"{_ENCODER}embed_tokens.weight"
_OLD_NORM: Final = "layernorm_embedding."
_FIRST = ("<s>", "<pad>", "</s>", "<unk>")
_PADDING = 1


def read_fairseq(
    path: Path, *, name: str, source: str, sha256: str, dtype: DTypeLike = np.float32
) -> Checkpoint:
    """Read a RoBERTa from fairseq's file, and its letters from dict.txt beside it.

    Raises: InputError if torch is missing, the file is damaged, or holds something else
    """
    file = quote(path.name)
    # Its settings are plain values in a namespace, which runs nothing when it is made.
    found = load_safely(path, allowed=[argparse.Namespace])
    settings = found.get("args") if isinstance(found, dict) else None
    if not isinstance(settings, argparse.Namespace):
        raise InputError(f"{file} must be a file of fairseq, with args and model, but is not")
    kept = tensors_of(file, found.get("model"))
    places = _places(kept.keys(), file)
    shapes = {key: tuple(kept.get_slice(old).get_shape()) for key, old in places.items()}
    model = _architecture(file, vars(settings), shapes)
    require_tensors(file, shapes, FAIRSEQ_ROBERTA, model)
    if strange := set(shapes) - set(expected_shapes(FAIRSEQ_ROBERTA, model)):
        raise InputError(
            f"{file} has {len(strange)} tensors that its settings do not account for, the first "
            f"{quote(min(strange))}"
        )

    def read(key: str) -> NDArray[Any]:
        return kept.get_tensor(places[key])

    return Checkpoint(
        name=name,
        source=source,
        weights_sha256=sha256,
        architecture=model,
        embeddings=build_embeddings(read, FAIRSEQ_ROBERTA, model, dtype=dtype),
        blocks=build_blocks(read, FAIRSEQ_ROBERTA, model, dtype=dtype),
        tokenizer=_read_letters(path.parent / "dict.txt", model.vocabulary),
    )


def _places(names: list[str], file: str) -> dict[str, str]:
    """Return the encoder's tensors, by their names without what stands before all of them."""
    marks = [name for name in names if name.endswith(_MARK)]
    if len(marks) != 1:
        raise InputError(f"{file} must hold one encoder, but holds {len(marks)}")
    prefix = marks[0].removesuffix(_MARK) + _ENCODER
    inner = {name.removeprefix(prefix): name for name in names if name.startswith(prefix)}
    return {new.replace(_OLD_NORM, "emb_layer_norm."): old for new, old in inner.items()}


def _architecture(
    file: str, settings: dict[str, Any], shapes: dict[str, tuple[int, ...]]
) -> Architecture:
    def number(key: str) -> int:
        value = settings.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 2**31:
            raise InputError(f"{file}: {key} must be a whole number from 1, but is {quote(value)}")
        return value

    if settings.get("activation_fn") != "gelu" or settings.get("encoder_normalize_before"):
        raise InputError(f"{file} must hold a RoBERTa: post-LN, with gelu; it says something else")
    words, places = shapes.get("embed_tokens.weight"), shapes.get("embed_positions.weight")
    if words is None or places is None:
        raise InputError(f"{file} lacks the tables of words and positions")
    width, layers = number("encoder_embed_dim"), number("encoder_layers")
    heads = number("encoder_attention_heads")
    if width % heads:
        raise InputError(f"{file} is damaged: {heads} heads do not fit the width {width}")
    return Architecture(
        model_type="roberta",
        layers=layers,
        width=width,
        heads=heads,
        ffn=number("encoder_ffn_embed_dim"),
        activation="gelu",
        norm_eps=FAIRSEQ_ROBERTA.default_eps,
        vocabulary=words[0],
        positions=places[0],
        token_types=0,
        embedding_width=width,
        groups=layers,
        first_position=_PADDING + 1,
    )


def _read_letters(path: Path, vocabulary: int) -> Tokenizer:
    """Return what splits a text into letters: fairseq's own words stand before and after them."""
    if not is_there(path):
        raise InputError(f"the folder of the weights has no {path.name}, which lists the words")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} is damaged: {error}") from error
    letters = [line.split(" ")[0] for line in lines]
    words = [*_FIRST, *letters, "<mask>"]
    if len(words) != vocabulary or not all(len(letter) == 1 for letter in letters):
        raise InputError(
            f"{path.name} must list {vocabulary - len(_FIRST) - 1} single letters, as the weights "
            "have rows for; other texts are split by rules that fairseq keeps elsewhere"
        )
    library, numbers = import_tokenizers(), {word: n for n, word in enumerate(words)}
    with panics_unprinted(), told(f"the tokenizer of {path.name} cannot be built"):
        engine = library.Tokenizer(library.models.WordLevel(numbers, unk_token="<unk>"))
        engine.pre_tokenizer = library.pre_tokenizers.Split(library.Regex("."), "isolated")
        engine.post_processor = library.processors.TemplateProcessing(
            single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
        )
    return Tokenizer(engine, pad_id=_PADDING)
