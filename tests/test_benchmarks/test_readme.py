"""The README's figures are those of the runs that it names."""

import json

from benchmarks.readme import PLACE, README, RESULTS, shown, table


def test_the_table_in_the_readme_is_that_of_the_stored_runs() -> None:
    [names] = PLACE.findall(README.read_text())
    assert shown(names.split()) in README.read_text(), "run python -m benchmarks.readme"


def test_a_table_has_a_column_a_run_and_says_what_is_missing() -> None:
    paths = sorted(RESULTS.glob("*.json"))
    older = json.loads(paths[0].read_text())
    newer = json.loads(paths[0].read_text())
    newer["rows"].append({
        "key": "peers-all-8", "figure": 2.6, "goal": 2.5, "better": "more", "unit": "x",
        "note": "ms a stack", "others": {"ours": 10.0, "torch": 26.0},
    })  # fmt: skip
    found = table([older, newer]).splitlines()
    assert all(line.count("|") == 5 for line in found)
    assert "not measured yet | 2.6 (ours 10, torch 26 ms a stack) | ≥ 2.5" in found[2]
