"""Does `check` refuse what is no instance of the theorem, instead of judging something else?"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from theory.arrays import InputError, ShapeError
from theory.blocks.norms import Norm
from theory.statements.domains import draw
from theory.statements.evaluation import check
from theory.statements.instances import map_arrays
from theory.theorems.block.shi2022_lemmas import Averaging, WeightedSum
from theory.theorems.catalogue import CATALOGUE

_AVERAGING = Averaging(np.asarray([[1.0, 0.0], [-1.0, 3.0]]), np.full((2, 2), 0.5))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tokens": [[1.0, 0.0], [-1.0, 3.0]]}, r"Averaging\.tokens must be an array, but is \["),
        ({"tokens": np.ones(2)}, r"Averaging\.tokens must have shape \(\.\.\., n, d\)"),
        ({"tokens": np.ones((2, 2), complex)}, "real numbers, but one is complex128"),
        ({"tokens": np.full((2, 2), "a")}, "real numbers, but one is <U1"),
        ({"tokens": None}, r"Averaging\.tokens must not be None"),
        ({"tokens": np.ma.masked_array(np.ones((2, 2)))}, "must not be a masked array"),
        ({"adjacency": np.eye(2, dtype=bool)}, "adjacency must hold numbers, but is boolean"),
        ({"tokens": np.ones((0, 2))}, r"tokens must not be empty, but has shape \(0, 2\)"),
        ({"adjacency": np.full((3, 3), 1 / 3)}, r"adjacency must .* n = 2, as tokens has"),
        ({"adjacency": np.full((4, 2, 2), 0.5)}, r"adjacency must have the batch axes \(\)"),
    ],
)
def test_arrays_that_do_not_go_together_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        check(CATALOGUE["attention"], replace(_AVERAGING, **changes))


def test_an_instance_of_another_class_is_refused() -> None:
    with pytest.raises(InputError, match="linear is about a LinearMap of theory"):
        check(CATALOGUE["linear"], _AVERAGING)
    with pytest.raises(InputError, match="but the instance is 3"):
        check(CATALOGUE["linear"], 3)
    with pytest.raises(InputError, match=r"such as CATALOGUE\[key\], but is 'linear'"):
        check("linear", _AVERAGING)  # type: ignore[arg-type]


def test_a_mask_of_whole_numbers_is_refused() -> None:
    theorem = CATALOGUE["masked-attention"]
    at = draw(theorem.domain, np.random.default_rng(0)).instance
    with pytest.raises(InputError, match="mask must be boolean, but has dtype int64"):
        check(theorem, replace(at, mask=at.mask.astype(int)))


def test_what_numpy_would_stretch_is_no_counterexample() -> None:
    tokens, one = np.eye(2), np.ones(2)
    with pytest.raises(ShapeError, match="other must have shape"):
        check(CATALOGUE["weighted-sum"], WeightedSum(tokens, np.asarray([[5.0], [-5.0]]), one, one))


def test_layers_of_the_wrong_kind_are_refused() -> None:
    at = draw(CATALOGUE["layer-norm"].domain, np.random.default_rng(0)).instance
    with pytest.raises(InputError, match=r"Normalised\.norm must be a Norm, but is 'layer'"):
        check(CATALOGUE["layer-norm"], replace(at, norm="layer"))


def test_what_stays_a_good_instance() -> None:
    class Mine(Norm):
        pass

    at = draw(CATALOGUE["layer-norm"].domain, np.random.default_rng(0)).instance
    norm = Mine("layer", gain=np.full(at.tokens.shape[-1], 2.0), eps=np.float64(1e-5))
    sigma = np.min(np.sqrt(np.var(at.tokens, axis=-1) + 1e-5)) * 0.9
    assert check(CATALOGUE["layer-norm"], replace(at, norm=norm, sigma=sigma)).status == "holds"
    stack = np.ones((3, 2, 2))
    shared = WeightedSum(stack, stack, np.ones(2), np.ones((3, 2)))
    assert list(check(CATALOGUE["weighted-sum"], shared).status) == ["holds"] * 3
    steps = draw(CATALOGUE["masked-attention"].domain, np.random.default_rng(0)).instance
    n = steps.tokens.shape[-2]
    full = replace(steps, adjacency=np.full((1, n, n), 1 / n), bound=np.float64(1 / n))
    for mask in (None, np.ones((1, n), bool), np.ones((n, n), bool)):
        assert check(CATALOGUE["masked-attention"], replace(full, mask=mask)).status == "holds"


@pytest.mark.parametrize("key", CATALOGUE)
def test_an_instance_of_a_sibling_refutes_no_theorem(key: str) -> None:
    theorem, rng = CATALOGUE[key], np.random.default_rng(11)
    for sibling in CATALOGUE.values():
        if sibling.about is not theorem.about or theorem.expected == "refuted":
            continue
        found = [draw(sibling.domain, rng).instance for _ in range(2)]
        found += [make() for make in (sibling.witness, sibling.outside) if make is not None]
        for at in found:
            assert check(theorem, at).status != "refuted", sibling.key


@pytest.mark.parametrize("key", CATALOGUE)
def test_no_array_is_stretched_along_an_axis_that_another_one_has(key: str) -> None:
    theorem, rng = CATALOGUE[key], np.random.default_rng(7)
    at: Any = draw(theorem.domain, rng).instance
    axes: list[tuple[str, ...]] = []
    lengths: dict[str, int] = {}

    def note(array: Any, names: tuple[str, ...]) -> Any:
        # A mask may have one row for all tokens.
        axes.append(("one row", names[1]) if array.dtype == bool else names)
        lengths.update(zip(axes[-1], array.shape, strict=True))
        return array

    map_arrays(note, at)
    every = [name for names in axes for name in names]
    for chosen, names in enumerate(axes):
        for place, name in enumerate(names):
            if every.count(name) == 1 or lengths[name] == 1:
                continue
            number = iter(range(len(axes)))

            def cut(
                array: Any, _: object, number: Any = number, wanted: int = chosen, axis: int = place
            ) -> Any:
                return np.take(array, [0], axis=axis) if next(number) == wanted else array

            with pytest.raises(InputError):
                check(theorem, map_arrays(cut, at))
