"""Where is an installed package, and are its files those that were pinned?"""

import hashlib
import importlib.metadata
import importlib.util
from pathlib import Path

from theory.arrays import InputError


def require_sha256(file: str, found: str, wanted: str) -> None:
    """Raise InputError unless a file's digest is the wanted one."""
    if found != wanted:
        raise InputError(
            f"{file} is damaged, truncated or another version: its sha256 is {found}, "
            f"but {wanted} was wanted"
        )


def package_folder(package: str) -> Path | None:
    """Return the folder of an installed package, without importing it; None if there is none."""
    spec = importlib.util.find_spec(package.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def sha256_of(path: Path) -> str:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
