"""Does `check` refuse what is no instance of the theorem, instead of judging something else?"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from theory.arrays import InputError, ShapeError
from theory.domains import draw
from theory.instances import map_arrays
from theory.statements import check
from theory.theorems import CATALOGUE
from theory.theorems.shi2022_lemmas import Averaging, WeightedSum

_AVERAGING = Averaging(np.asarray([[1.0, 0.0], [-1.0, 3.0]]), np.full((2, 2), 0.5))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tokens": [[1.0, 0.0], [-1.0, 3.0]]}, r"Averaging\.tokens must be an array, but is \["),
        ({"tokens": np.ones(2)}, r"Averaging\.tokens must have shape \(\.\.\., n, d\)"),
        ({"tokens": np.ones((2, 2), complex)}, "real numbers, but one is complex128"),
        ({"tokens": np.full((2, 2), "a")}, "real numbers, but one is <U1"),
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


@pytest.mark.parametrize("key", CATALOGUE)
def test_no_array_is_stretched_along_an_axis_that_another_one_has(key: str) -> None:
    theorem, rng = CATALOGUE[key], np.random.default_rng(7)
    at: Any = draw(theorem.domain, rng).instance
    axes: list[tuple[str, ...]] = []
    lengths: dict[str, int] = {}

    def note(array: Any, names: tuple[str, ...]) -> Any:
        axes.append(names)
        lengths.update(zip(names, array.shape, strict=True))
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
