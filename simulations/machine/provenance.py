"""Which code made these numbers: versions of libraries and the commit of the sources?"""

import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path

_SOURCES = ("*.py", "*.csv", "*.mplstyle", "*.cfg", "*.toml")  # what can change a number


def version(package: str) -> str:
    """Return the installed version, or say that there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed as a package"


def versions(*packages: str) -> dict[str, str]:
    """Return the installed version of each package, by its name."""
    return {package: version(package) for package in packages}


@cache
def made_by(*packages: str) -> dict[str, str]:
    """Return what this process makes numbers with: to look it up takes milliseconds."""
    found = {"commit": commit(), "python": platform.python_version(), "machine": platform.machine()}
    return found | versions(*packages)


@cache
def commit() -> str:
    """Return the commit these sources are at, with '-dirty' if they were edited since."""
    here = Path(__file__)
    # A copy inside some other repository (a virtual environment, say) is not a checkout.
    if _git(here.parent, "ls-files", "--error-unmatch", here.name) is None:
        return "not a checkout"
    head = _git(here.parent, "rev-parse", "HEAD")
    top = _git(here.parent, "rev-parse", "--show-toplevel")
    if head is None or top is None:
        return "not a checkout"
    edits = _git(Path(top), "status", "--porcelain", "--", *_SOURCES)
    return head if edits == "" else f"{head}-dirty"


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints, or None where git or its answer is missing."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
