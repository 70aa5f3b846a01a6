"""What do the instruments read where transformers itself splits the texts and scales the images?"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from simulations.capture.load import Loaded
from simulations.capture.trace import count_tokens, trace_model
from simulations.instruments.analysis import DEFAULT_LENGTH
from simulations.instruments.trace import Trace
from simulations.models.messages import quote, reason
from simulations.models.tokens import Encoded, require_two_tokens
from theory.arrays import InputError, require_finite

_Found = TypeVar("_Found")
_AT_ONCE: Final = 2048
"""Tokens that the model gets at a time, about."""
_NO_LIMIT: Final = 10**9  # transformers' word for it is larger


def encode_texts(
    loaded: Loaded,
    texts: Sequence[str],
    *,
    max_length: int | Literal["auto"] | None = "auto",
    skip_special: bool = False,
    prefix: str | None = None,
    skip_short: bool = False,
) -> tuple[Encoded, list[int]]:
    """Split texts with a model's own tokenizer; return also which of them are left.

    The options are those of `simulations.instruments.corpus.analyze_corpus`.

    Raises: InputError if the model reads no texts, max_length does not fit it, or a text has too
            few tokens
    """
    _require_main(loaded, "input_ids", "texts", "analyze --images FILE shows it some")
    split, prefix = loaded.words, prefix or ""
    if split is None:
        raise InputError(f"{quote(loaded.name)} has no tokenizer beside its weights")
    limit = _limit(loaded, max_length)
    found: list[dict[str, Any]] = []
    cut: list[bool] = []
    for text in texts:
        whole = _split(loaded, prefix + text)
        cut.append(len(whole["input_ids"]) > limit)
        found.append(_split(loaded, prefix + text, limit) if cut[-1] else whole)
    special = [np.array(each["special_tokens_mask"], dtype=bool) for each in found]
    long = [
        (~each).sum() > 0 and (~each if skip_special else each | True).sum() > 1 for each in special
    ]
    kept = [row for row in range(len(texts)) if long[row] or not skip_short]
    if not kept:
        raise InputError("texts must hold at least one text of two tokens or more, but have none")
    encoded = _batch(loaded, [found[row] for row in kept], [special[row] for row in kept])
    counted = encoded.token_mask & ~encoded.special_mask
    empty = counted.sum(axis=1) == 0
    counted = counted if skip_special else encoded.token_mask & ~empty[:, None]
    require_two_tokens([texts[row] for row in kept], counted)
    return encoded._replace(truncated=np.array([cut[row] for row in kept]), prefix=prefix), kept


def encode_pictures(
    loaded: Loaded, files: Sequence[Path], *, skip_special: bool, stage: int | None = None
) -> Encoded:
    """Scale images with a model's own processor; an .npy file is taken as it stands.

    The tokens are those of the first block, or of the first one of a ``stage``.

    Raises: InputError if the model reads no images, one cannot be read, or, where special tokens
            are to be skipped, nobody says how many they are
    """
    _require_main(loaded, "pixel_values", "images", "leave --images out, and --text shows it some")
    images = [_pixels(loaded, file) for file in files]
    for file, image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            raise InputError(
                f"images must have one shape, but {quote(file.name)} has {image.shape} and "
                f"{quote(files[0].name)} {images[0].shape}"
            )
    pixels = np.stack(images)

    n = _tried(loaded, lambda: count_tokens(loaded.model, {"pixel_values": pixels[:1]}, stage))
    patch = getattr(loaded.model.config, "patch_size", None)
    side = patch if isinstance(patch, list | tuple) else (patch, patch)
    marks = n - int(np.prod([pixels.shape[i - 2] // side[i] for i in (0, 1)])) if patch else -1
    if skip_special and marks < 0:
        raise InputError(f"skip_special cannot be: {quote(loaded.name)} does not tell its patches")
    there = np.ones((len(files), n), dtype=bool)
    special = there & (np.arange(n) < marks)
    numbers = np.broadcast_to(np.arange(n), there.shape)
    names = tuple(map(str, range(n)))
    cut = np.zeros(len(files), dtype=bool)
    return Encoded(numbers, there, special, cut, (names,) * len(files), "", pixels)


def trace_shown(
    loaded: Loaded, encoded: Encoded, *, skip_special: bool = False, stage: int | None = None
) -> Trace:
    """Measure a model on what it is shown, a few inputs at a time; ``stage`` is as there.

    Raises: InputError as `simulations.capture.trace.trace_model` does
    """
    mask = encoded.token_mask
    inputs: dict[str, Any] = {"input_ids": encoded.ids, "attention_mask": mask.astype(np.int64)}
    if encoded.pixels is not None:
        inputs = {"pixel_values": encoded.pixels}
    options: dict[str, Any] = {"at_once": max(1, _AT_ONCE // max(1, mask.shape[1]))}
    options["stage"] = stage
    if skip_special:
        options["token_mask"] = mask & ~encoded.special_mask
    return _tried(loaded, lambda: trace_model(loaded.model, inputs, **options))


def _tried(loaded: Loaded, run: Callable[[], _Found]) -> _Found:
    """Run a model, in single precision where some layer knows no other."""
    try:
        return run()
    except InputError as error:
        if not isinstance(error.__cause__, RuntimeError | TypeError):
            raise
        loaded.model.float()
        return run()


def _require_main(loaded: Loaded, wanted: str, kind: str, hint: str) -> None:
    main = getattr(loaded.model, "main_input_name", wanted)
    if main != wanted:
        other = {"input_ids": "texts", "pixel_values": "images"}.get(main, main)
        known = f"; {hint}" if other in ("texts", "images") else ""
        raise InputError(f"{quote(loaded.name)} reads {other}, not {kind}{known}")


def _limit(loaded: Loaded, max_length: int | Literal["auto"] | None) -> int:
    """Return how many tokens a text may have: as asked for, or as model and tokenizer allow."""
    longest = getattr(loaded.model.config, "max_position_embeddings", None) or _NO_LIMIT
    for name, module in loaded.model.named_modules():
        padding = getattr(module, "padding_idx", None)
        if name.endswith("position_embeddings") and padding is not None:
            longest = module.num_embeddings - padding - 1  # RoBERTa's count starts behind it
    longest = min(longest, loaded.words.model_max_length, _NO_LIMIT)
    if max_length == "auto":
        return int(min(DEFAULT_LENGTH, longest))
    least = loaded.words.num_special_tokens_to_add() + 1
    wanted = longest if max_length is None else max_length
    if not least <= wanted <= longest:
        raise InputError(
            f"max_length must be from {least} (special tokens and one more) to {longest} (what "
            f"{quote(loaded.name)} reads), but is {wanted}"
        )
    return int(wanted)


def _split(loaded: Loaded, text: str, limit: int | None = None) -> dict[str, Any]:
    options: dict[str, Any] = {"return_special_tokens_mask": True, "verbose": False}
    if limit is not None:
        options |= {"truncation": True, "max_length": limit}
    try:
        return dict(loaded.words(text, **options))
    except Exception as error:
        raise InputError(f"{quote(text)} cannot be split: {reason(error)}") from error


def _batch(
    loaded: Loaded, found: Sequence[dict[str, Any]], special: Sequence[NDArray[np.bool_]]
) -> Encoded:
    """Pad at the end; the number of padding says nothing but to RoBERTa, which counts by it."""
    rows = [each["input_ids"] for each in found]
    shape = (len(rows), max(map(len, rows)))
    ids = np.full(shape, loaded.words.pad_token_id or 0, dtype=np.int64)
    there, marks = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for row, (numbers, marked) in enumerate(zip(rows, special, strict=True)):
        ids[row, : len(numbers)], there[row, : len(numbers)] = numbers, True
        marks[row, : len(numbers)] = marked
    words = loaded.model.get_input_embeddings().num_embeddings
    if ids[there].max() >= words:
        raise InputError(
            f"the tokenizer of {quote(loaded.name)} gives the token number {ids[there].max()}, but "
            f"the model has rows for {words}: they do not belong together"
        )
    ids = np.where(there | (ids < words), ids, 0)
    pieces = tuple(tuple(loaded.words.convert_ids_to_tokens(numbers)) for numbers in rows)
    return Encoded(ids, there, marks, np.zeros(len(rows), dtype=bool), pieces, "")


def _pixels(loaded: Loaded, file: Path) -> NDArray[Any]:
    name = f"image {quote(file.name)}"
    try:
        if file.suffix == ".npy":
            array = np.load(file, allow_pickle=False)
            if array.dtype.kind != "f" or array.ndim != 3:
                raise InputError(
                    f"{name} must be (c, side, side) of floating dtype, scaled as the model wants "
                    f"it, but has {array.dtype} and shape {array.shape}"
                )
            require_finite(name, array)
            return np.asarray(array, dtype=np.float64)
        if loaded.words is None:
            raise InputError(
                f"{quote(loaded.name)} has no preprocessor_config.json, which says how pictures "
                "are scaled for it: add it, or give .npy files that are scaled"
            )
        from PIL import Image

        with Image.open(file) as opened:
            scaled = loaded.words(images=opened.convert("RGB"), return_tensors="np")
        return np.asarray(scaled["pixel_values"][0], dtype=np.float64)
    except InputError:
        raise
    except Exception as error:
        said = getattr(error, "strerror", None) or reason(error)
        raise InputError(f"{name} cannot be read: {said}") from error
