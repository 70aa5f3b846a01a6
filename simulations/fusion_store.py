"""Where is a fusion run kept, so that it is never lost, overwritten, or trained twice at a time?"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simulations.durable import commit_raw
from simulations.fusion_recipe import Recipe
from simulations.locks import held
from theory.arrays import InputError


@dataclass(frozen=True)
class Place:
    """The files of one run: its record, and until that is there its checkpoint."""

    recipe: Recipe
    folder: Path

    @property
    def record(self) -> Path:
        """The finished run, as JSON."""
        return self.folder / f"{self.recipe.name}.json"

    @property
    def checkpoint(self) -> Path:
        """Where its training stands."""
        return self.folder / f"{self.recipe.name}.checkpoint"

    def read(self) -> dict[str, Any] | None:
        """Return the finished run, or None if there is none.

        Raises: InputError if the record is damaged or of another recipe
        """
        try:
            run: dict[str, Any] = json.loads(self.record.read_text(encoding="utf-8"))
            found = run["recipe"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self.record.name} is damaged ({error}); remove it to run it again"
            ) from error
        if found != json.loads(json.dumps(asdict(self.recipe))):
            raise InputError(f"{self.record.name} is of another recipe: name another folder")
        return run

    def write(self, run: dict[str, Any]) -> None:
        """Keep a finished run, which its checkpoint is no longer needed for."""
        text = json.dumps(run, indent=1, allow_nan=False) + "\n"
        if not commit_raw(self.record, text.encode()):
            raise InputError(f"{self.record} was written by another process meanwhile")
        self.checkpoint.unlink(missing_ok=True)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the run for this process; the lock goes with it, however it ends.

        Raises: InputError if another process does
        """
        path = self.folder / f".{self.recipe.name}.lock"
        with held(path, what=self.recipe.name, why="it would be trained twice"):
            yield
