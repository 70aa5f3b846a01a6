"""Without torch and transformers there is nothing to watch: the header of the tests says so."""

from importlib.util import find_spec

_THERE = find_spec("torch") and find_spec("transformers")
collect_ignore_glob = [] if _THERE else ["test_*.py"]
