"""Growth is measured octave by octave, and what is kept replaces what was there."""

from pathlib import Path

import pytest

from benchmarks import scaling
from benchmarks.scaling import Growth, Sizes, grow, million, table


def test_every_size_is_doubled_with_the_others_held() -> None:
    found = list(grow(Sizes(4, 4, 1, 1, 1), octaves=1, turns=1))
    assert [each.name for each in found] == list(Sizes._fields)
    assert all(each.sizes[1] == 2 * each.sizes[0] for each in found)
    assert all(x > 0 for each in found for x in (*each.times, *each.memory))
    assert len(table(found).splitlines()) == 2 + len(found)


def test_powers_are_those_of_two() -> None:
    assert Growth("tokens", [1, 2, 4], [1.0, 2.0, 8.0], [1.0, 1.0, 1.0]).exponents == [1, 2]
    assert million(3.6, machines=1, cores=1) == pytest.approx(1)


def test_what_is_kept_takes_the_place_of_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "scaling.md"
    page.write_text("before\n<!-- scaling -->\nold\n<!-- end of scaling -->\nafter\n")
    monkeypatch.setattr(scaling, "DOCS", page)
    monkeypatch.setattr(scaling, "report", lambda: "new")
    for _ in range(2):
        assert scaling.main(["--keep"]) == 0
    wanted = "before\n<!-- scaling -->\n\nnew\n\n<!-- end of scaling -->\nafter\n"
    assert page.read_text() == wanted
    assert scaling.PLACE.search(
        Path(scaling.__file__).parents[1].joinpath("docs/scaling.md").read_text()
    )
