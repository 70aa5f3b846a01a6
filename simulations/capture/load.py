"""How does transformers load a model that the instruments are to watch?"""

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

from simulations.machine.packages import require_sha256
from simulations.models.find import Place, find_place
from simulations.models.messages import quote, reason
from simulations.models.shards import digest_of, weight_files
from simulations.models.smiles import read_smiles_tokenizer
from theory.arrays import InputError
from theory.records import brief_repr

# What some tokenizers need, beside the files that are read here; never code, never a pickle.
_ALSO: Final = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "bpe.codes")
_UNUSED: Final = ("pooler", "position_ids", "mask_token")
"""Parts without a say in the blocks: a file may lack them, and nobody notices."""
_HALVES: Final = {"torch.bfloat16": "BF16", "torch.float16": "F16"}


@brief_repr
@dataclass(eq=False)
class Loaded:
    """A model of transformers', and what makes its inputs: a tokenizer, or an image processor.

    ``source``, ``weights_sha256`` and ``widened`` are as in
    `simulations.models.checkpoint.Checkpoint`.
    """

    name: str
    source: str
    weights_sha256: str
    model: Any
    words: Any
    widened: str | None = None


def load_model(
    name: str | Path,
    *,
    images: bool = False,
    dtype: Literal["float32", "float64"] = "float64",
    revision: str | None = None,
) -> Loaded:
    """Load a model with AutoModel, in eval mode, and its tokenizer or image processor.

    ``name`` is what `simulations.models.find.load_checkpoint` takes. Of a hub id the weights as
    safetensors, settings and words are had, and nothing else; no code of a model is ever run. An
    encoder is taken without its decoder, and of two towers the one that is shown something.

    Raises: InputError if torch or transformers is missing, there is no such model, or it cannot be
            loaded, or its file lacks weights
    """
    require_libraries()
    place = find_place(name, revision=revision, also=_ALSO)
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    folder = place.path
    files = [place.path]
    if not place.path.is_dir():
        _require_gguf(place)
        folder, options["gguf_file"] = place.path.parent, place.path.name
    else:
        files = weight_files(folder)
    digest = digest_of(files)
    if place.sha256 is not None:
        require_sha256(files[0].name, digest, place.sha256)
    with _told(place), _quiet():
        import torch
        import transformers

        how: dict[str, Any] = options | {"dtype": getattr(torch, dtype)}
        if "gguf_file" in options and hasattr(transformers, "GgufConfig"):
            how["quantization_config"] = transformers.GgufConfig(dequantize=True)
        config = transformers.AutoConfig.from_pretrained(folder, **options)
        kept = str(getattr(config, "dtype", None))
        whole, report = transformers.AutoModel.from_pretrained(
            folder, output_loading_info=True, **how
        )
        model = _tower(whole, images=images).eval()
        _require_all(place, whole, model, report["missing_keys"])
        words = _words(place, folder, options, images=images)
    widened = "GGUF" if "gguf_file" in options else _HALVES.get(kept)
    return Loaded(place.name, place.source, digest, model, words, widened)


def require_libraries() -> None:
    """Raise InputError, with the extra that brings them, where torch or transformers is missing."""
    for library in ("torch", "transformers"):
        if find_spec(library) is None:
            raise InputError(
                f"via capture runs a model with {library}, which is not installed; run: "
                "pip install 'oversmooth[capture]'"
            )


def _require_gguf(place: Place) -> None:
    if place.path.suffix != ".gguf":
        raise InputError(
            f"{quote(place.path.name)}, the file of {quote(place.name)}, is of no kind that "
            "transformers loads; without via capture it is read here"
        )
    for library in ("gguf", "accelerate"):
        if find_spec(library) is None:
            raise InputError(
                f"transformers reads a GGUF file such as {quote(place.path.name)} with {library}, "
                "which is not installed; run: pip install gguf accelerate, or leave via capture "
                "out: the file is then read here"
            )


def _tower(model: Any, *, images: bool) -> Any:
    """Return the part that reads texts alone, or images alone."""
    towers = [getattr(model, f"{kind}_model", None) for kind in ("text", "vision")]
    if None not in towers:
        return towers[images]
    alone = getattr(model, "vision_tower" if images else "language_model", None)
    if alone is not None:
        return alone
    if hasattr(model, "encoder") and hasattr(model, "decoder"):
        return model.get_encoder()
    return model


def _require_all(place: Place, whole: Any, model: Any, missing: Any) -> None:
    """Refuse a file that lacks weights: in their place are random ones, which no file holds."""
    start = next(name for name, each in whole.named_modules() if each is model)
    start = start and f"{start}."
    lost = sorted(
        key for key in missing if key.startswith(start) and not any(u in key for u in _UNUSED)
    )
    if lost:
        raise InputError(
            f"{quote(place.name)} lacks {len(lost)} of the tensors of {type(whole).__name__}, the "
            f"first {quote(lost[0])}: its weights are not those of the model that it says"
        )


def _words(place: Place, folder: Path, options: dict[str, Any], *, images: bool) -> Any:
    """Return the tokenizer, or what scales images; None if nothing says how they are scaled."""
    import transformers

    if images:
        there = (folder / "preprocessor_config.json").exists()
        kind = transformers.AutoImageProcessor
        return kind.from_pretrained(folder, backend="pil", **options) if there else None
    if place.words == "smiles":
        ours = read_smiles_tokenizer(folder).engine
        return transformers.PreTrainedTokenizerFast(tokenizer_object=ours, pad_token="[PAD]")
    if (
        options.get("gguf_file") is None
        and not any(folder.glob("*token*"))
        and not any(folder.glob("*vocab*"))
    ):
        return None  # a model of images, perhaps; it is told where texts are asked for
    return transformers.AutoTokenizer.from_pretrained(folder, **options)


@contextlib.contextmanager
def _told(place: Place) -> Iterator[None]:
    """Say in one line why transformers does not load a model; it raises what it likes."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        said = reason(error)
        if "trust_remote_code" in str(error):
            said = "it comes with code of its own, which is never run here"
        raise InputError(f"{quote(place.name)} cannot be loaded by transformers: {said}") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch and transformers say while they load off the standard error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.utils import logging  # not below: its log would go nowhere for good

        level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                yield
        finally:
            logging.set_verbosity(level)
            if bars:
                logging.enable_progress_bar()
