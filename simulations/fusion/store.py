"""Where is a fusion run kept, so that it is never lost, overwritten, or trained twice at a time?"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from simulations.fusion.files import Run, read_runs, recipe_of, with_checksum
from simulations.fusion.recipe import Recipe
from simulations.machine.files import commit_raw
from simulations.machine.locks import held
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

    def read(self) -> Run | None:
        """Return the finished run, or None if there is none.

        Raises: InputError if the record is damaged or of another recipe
        """
        if not os.path.lexists(self.record):
            return None
        runs = read_runs(self.record)
        if len(runs) != 1:
            raise InputError(f"{self.record.name} is damaged; remove it to run it again")
        if recipe_of(runs[0]) != self.recipe:
            raise InputError(f"{self.record.name} is of another recipe: name another folder")
        return runs[0]

    def write(self, run: Run) -> None:
        """Keep a finished run, which its checkpoint is no longer needed for."""
        text = json.dumps(with_checksum(run), indent=1, allow_nan=False) + "\n"
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
