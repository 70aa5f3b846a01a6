"""Does a sweep's file say what is wrong with it, where, and what was meant?"""

import math
from pathlib import Path

import pytest

pytest.importorskip("pydantic")

from simulations.sweeps.config import make_sweep, read_sweep
from simulations.sweeps.expansion import expand
from theory.arrays import InputError

GOOD = """
name = "a grid"
quantities = ["distance"]
seeds = { first = 2, count = 3 }
[stack]
width = 8
heads = 2
[axes]
value_gain = { linspace = [0.5, 1.5, 3] }
ffn_gain = { logspace = [0.25, 4.0, 3] }
mask = ["full", "causal"]
[[zipped]]
tokens = [4, 8]
depth = [2, 3]
[sobol]
points = 4
axes.tau = { low = 0.5, high = 2.0, scale = "log" }
[run]
dtype = "float32"
"""


def _read(tmp_path: Path, text: str) -> object:
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    return read_sweep(path)


def test_a_file_and_a_call_make_the_same_sweep(tmp_path: Path) -> None:
    assert _read(tmp_path, "[axes]\ntau = [1.0, 2.0]\n[seeds]\ncount = 2") == make_sweep(
        axes={"tau": [1.0, 2.0]}, seeds={"count": 2}
    )


def test_a_grid_is_the_product_of_its_parts(tmp_path: Path) -> None:
    sweep = _read(tmp_path, GOOD)
    grid = expand(sweep)  # type: ignore[arg-type]
    assert grid.shape == (3, 3, 2, 2, 4)
    assert [each.name for each in grid.dimensions][-2:] == ["tokens+depth", "point"]
    assert grid.size == 3 * 3 * 2 * 2 * 4 * 3
    assert grid.seeds == range(2, 5)
    assert {case.stack.ffn_gain for case in grid.cases} == {0.25, 1.0, 4.0}
    assert {(c.stack.tokens, c.stack.depth) for c in grid.cases} == {(4, 2), (8, 3)}
    taus = {case.stack.tau for case in grid.cases}
    assert len(taus) == 4
    assert all(0.5 <= tau <= 2 for tau in taus)


def test_more_sobol_points_keep_those_before() -> None:
    def taus(points: int) -> list[float]:
        sobol = {"points": points, "axes": {"tau": {"low": 0.5, "high": 2.0}}}
        return [case.stack.tau for case in expand(make_sweep(sobol=sobol)).cases]

    assert taus(13)[:5] == taus(5)


def test_a_manifest_makes_the_same_sweep_again(tmp_path: Path) -> None:
    sweep = _read(tmp_path, GOOD)
    assert make_sweep(**sweep.manifest()) == sweep  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("sedes = 3", ["1: sedes: is not known; did you mean 'seeds'?"]),
        ("[stack]\nwidht = 3", ["2: stack.widht: is not known; did you mean 'width'?"]),
        ("[axes]\ntua = [1]", ["2: axes.tua: is not known; did you mean 'tau'?"]),
        ("[axes]\ntau = []", ["2: axes.tau: must hold at least one value"]),
        ("[axes]\ntau = [1, 1]", ["2: axes.tau: holds a value twice"]),
        ("[axes]\ntau = { linspce = [1, 2, 3] }", ["did you mean 'linspace'?"]),
        ("[axes]\ntau = { linspace = [1, 2, 2.5] }", ["2: axes.tau.linspace.2: must be"]),
        ("[axes]\ntau = { logspace = [0, 2, 3] }", ["positive ends"]),
        ("[stack]\ntau = 1\n[axes]\ntau = [1]", ["4: axes.tau: is set twice"]),
        ("[[zipped]]\ntau = [1, 2]\nwidth = [8]", ["zipped.0: its axes must have one length"]),
        ("quantities = ['distnace']", ["1: quantities.0: must be"]),
        ("[run]\ndtype = 'float16'", ["2: run.dtype: must be 'float32' or 'float64'"]),
        ("tolerance = -1\n[run]\ndevcie = 'cpu'", ["1: tolerance", "3: run.devcie"]),
        ("[seeds]\ncount = 0", ["2: seeds.count"]),
        ("[seeds]\ncount = true", ["2: seeds.count"]),
    ],
)
def test_every_problem_is_told_with_its_line(tmp_path: Path, text: str, lines: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        _read(tmp_path, text)
    for line in lines:
        assert line in str(caught.value)


def test_a_problem_of_one_key_hides_none_of_the_others(tmp_path: Path) -> None:
    text = """
sedes = 3
quantities = ["distance", "distance"]
[stack]
tau = 1.0
norm = "layr"
[axes]
tua = [1]
tau = [1, 2]
width = [8, 7.5]
heads = [2, 3]
[[zipped]]
depth = [2, 3]
ffn_width = [8]
[run]
devcie = "cpu"
"""
    with pytest.raises(InputError) as caught:
        _read(tmp_path, text)
    told = [line.partition("sweep.toml:")[2] for line in str(caught.value).splitlines()]
    begins = ["2: sedes: is not known", "8: axes.tua: is not known", "16: run.devcie: is not"]
    begins += ["6: stack.norm: must be one of", "10: axes.width: must be a whole number"]
    begins += ["9: axes.tau: is set twice", "12: zipped.0: its axes must", "3: quantities: must"]
    for begin in begins:
        assert any(line.startswith(begin) for line in told), (begin, told)
    assert len(told) == len(begins), told


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x = " + "[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ("[a" + ".a" * 500 + "]\nx = 1", "nested too deeply"),
        ("[stack]\ndepth = " + "9" * 5000, "is not TOML"),
        ("[stack]\ndepth = 0x" + "f" * 5000, "more than 300 digits"),
        ("a" * 10**6 + " = 1", "characters"),
        ("[stack]\ntokens = 1" + "0" * 20, "tokens must be smaller"),
        ("[stack]\ndepth = 100000000", "depth: must be at most 1,000,000"),
        ("[axes]\nmask = ['window:" + "9" * 5000 + "']", "at most 18 digits"),
    ],
    ids=["lists", "tables", "digits", "hex", "key", "tokens", "depth", "mask"],
)
def test_a_monstrous_file_is_refused_in_a_few_words(tmp_path: Path, text: str, wanted: str) -> None:
    with pytest.raises(InputError, match=wanted) as caught:
        expand(_read(tmp_path, text))  # type: ignore[arg-type]
    assert len(str(caught.value)) < 2000


def test_of_twenty_thousand_problems_the_first_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        _read(tmp_path, "".join(f"key{i} = {i}\n" for i in range(20_000)))
    assert 50 <= len(str(caught.value).splitlines()) < 60


def test_an_endless_file_is_read_no_further_than_a_sweep_can_be() -> None:
    with pytest.raises(InputError, match="bytes"):
        read_sweep("/dev/zero")


@pytest.mark.parametrize("text", ["[axes", "name = 'x' 3", "\x00"])
def test_what_is_not_toml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="is not TOML"):
        _read(tmp_path, text)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_sweep(tmp_path / "none.toml")


def test_a_cell_that_is_no_stack_is_named() -> None:
    with pytest.raises(InputError, match=r"multiple of heads.*heads = 3"):
        expand(make_sweep(stack={"width": 8}, axes={"heads": [2, 3]}))
    with pytest.raises(InputError, match="mask must be"):
        expand(make_sweep(mask="cuasal"))


def test_too_many_cells_are_refused_before_they_are_made() -> None:
    axes = {name: {"linspace": [0.1, 1.0, 10_000]} for name in ("tau", "residual", "value_gain")}
    with pytest.raises(InputError, match="at most 10,000,000 cells"):
        expand(make_sweep(axes=axes))


def test_spaced_axes_reach_their_ends_exactly() -> None:
    axes = make_sweep(
        axes={"tau": {"linspace": [0.1, 0.7, 7]}, "residual": {"logspace": [0.1, 0.7, 5]}}
    ).axes
    assert axes["tau"].points()[0] == axes["residual"].points()[0] == 0.1
    assert axes["tau"].points()[-1] == axes["residual"].points()[-1] == 0.7
    ratios = [
        b / a
        for a, b in zip(axes["residual"].points(), axes["residual"].points()[1:], strict=False)
    ]
    assert all(math.isclose(ratio, ratios[0]) for ratio in ratios)
