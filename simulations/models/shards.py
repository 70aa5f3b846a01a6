"""In which files of its folder does a checkpoint keep its weights?"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from simulations.models.messages import quote, quote_path
from simulations.models.pickled import CONVERT
from simulations.models.pickled import FILE as PICKLE
from simulations.models.present import is_there
from simulations.models.settings import read_json
from theory.arrays import InputError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


def weight_files(folder: Path) -> list[Path]:
    """Return the files that hold the weights, in order of name.

    Raises: InputError if there are none, or several that could run code
    """
    if is_there(folder / WEIGHTS):
        return [folder / WEIGHTS]
    if is_there(folder / INDEX):
        files = read_json(folder / INDEX).get("weight_map")
        if not isinstance(files, dict) or not files:
            raise InputError(f"{INDEX} must have an object weight_map, but has {quote(files)}")
        there = {file.name for file in folder.iterdir()}  # asks nothing about a name too long
        for file in files.values():
            if not isinstance(file, str) or file not in there:
                raise InputError(f"{INDEX} names {quote(file)}, which is not in the folder")
        shards = [folder / file for file in sorted(set(files.values()))]
        for shard in shards:
            is_there(shard)
        return shards
    if is_there(folder / PICKLE):
        return [folder / PICKLE]
    if any(folder.glob("pytorch_model*.bin")):
        raise InputError(
            f"{quote_path(folder)} keeps its weights in several pickles, which can run code when "
            f"they are read; {CONVERT}"
        )
    raise InputError(f"{quote_path(folder)} has neither {WEIGHTS} nor {INDEX}")


def digest_of(shards: Sequence[Path]) -> str:
    """Return the sha256 of several files, one after the other.

    Raises: InputError if one cannot be read
    """
    digest = hashlib.sha256()
    for shard in shards:
        try:
            with shard.open("rb") as file:
                while chunk := file.read(1 << 22):
                    digest.update(chunk)
        except OSError as error:
            raise InputError(f"{quote(shard.name)} cannot be read: {error.strerror}") from error
    return digest.hexdigest()
