"""Is FILE a proof? Run: python checkers FILE (0: proved, 1: not proved, 2: no certificate)."""

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any


def checkers() -> Any:
    """Return this very folder as a package, wherever it lies and whatever is installed."""
    folder = Path(__file__).resolve().parent
    spec = spec_from_file_location(
        "checkers", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None  # the file is there
    sys.modules["checkers"] = module_from_spec(spec)
    return import_module("checkers.by_statement")


def main(arguments: list[str]) -> int:
    chosen = checkers()
    try:
        (name,) = arguments
        with open(name, "rb") as file:
            print(chosen.check(file.read(chosen.LONGEST + 1)))
    except ModuleNotFoundError as error:
        print(f"this checker needs the package {error.name}", file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(error if len(arguments) == 1 else __doc__, file=sys.stderr)
        # What is false is no more than a ValueError; what is no certificate, or no file, is more.
        return 1 if len(arguments) == 1 and type(error) is ValueError else 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
