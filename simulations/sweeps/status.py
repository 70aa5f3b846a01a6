"""How far is a sweep, how fast does it go, and what went wrong in it?"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulations.machine.files import CorruptError, read_file
from simulations.sweeps.expansion import grid_of
from simulations.sweeps.run import Tally
from simulations.sweeps.store import (
    Store,
    has_driver,
    open_store,
    read_manifest,
    read_note,
    stored_keys,
)

_RECENT_SECONDS = 120.0


@dataclass(frozen=True)
class SweepStatus:
    """A tally; whether a driver is at work; cells a second of late; seconds left at that rate."""

    tally: Tally
    running: bool
    rate: float
    seconds_left: float | None

    def as_json(self) -> dict[str, Any]:
        """Return the numbers by name."""
        tally = self.tally
        return {
            "cells": tally.cells,
            "done": tally.done,
            "failed": tally.failed,
            "missing": tally.missing,
            "corrupt": tally.corrupt,
            "running": self.running,
            "cells_per_second": self.rate,
            "seconds_left": self.seconds_left,
        }


def sweep_status(root: Path | str) -> SweepStatus:
    """Read every file of a store and say how far its sweep is; nothing is changed.

    A damaged cell counts as missing too: the next run will do it again.

    Raises: InputError if there is no store, or a newer version wrote it
    """
    store = open_store(root, kind="sweep")
    wanted = grid_of(read_manifest(store)).keys()
    done = corrupt = 0
    kept_at = []
    there = stored_keys(store) & wanted
    for key in there:
        path = store.cell_path(key)
        try:
            read_file(path)
            kept_at.append(path.stat().st_mtime)
            done += 1
        except CorruptError:
            corrupt += 1
        except FileNotFoundError:  # the driver has just put it aside
            continue
    failed = len((stored_keys(store, "failed") & wanted) - there)
    tally = Tally(len(wanted), done, failed, corrupt)
    running = has_driver(store)
    recent = [at for at in kept_at if at > time.time() - _RECENT_SECONDS]
    span = time.time() - min(recent) if recent else 0.0
    rate = len(recent) / span if running and span > 0 else 0.0
    return SweepStatus(tally, running, rate, tally.missing / rate if rate else None)


def failures(store: Store) -> dict[str, Mapping[str, Any]]:
    """Return what is known of every failed cell, by its key; a damaged note says so."""
    found: dict[str, Mapping[str, Any]] = {}
    for key in sorted(stored_keys(store, "failed")):
        try:
            found[key] = {"error": "", "traceback": ""} | read_note(store.failure_path(key))
        except CorruptError as error:
            found[key] = {"error": str(error), "traceback": ""}
        except FileNotFoundError:  # it is just being tried again
            continue
    return found
