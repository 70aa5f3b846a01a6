"""Is what is wrong with a block in a file refused with the array's name?"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.test_simulations.helpers.block_files import D, F, H, N, read, scores, weights
from theory.arrays import InputError

NAN, INF = float("nan"), float("inf")


def spoilt(array: Any, value: float) -> Any:
    array = np.array(array)
    array.flat[-1] = value
    return array


@pytest.mark.parametrize("name", ["tokens", "value_output", "ffn_in", "ffn_out"])
def test_a_missing_array_is_named(tmp_path: Path, name: str) -> None:
    arrays = weights()
    del arrays[name]
    with pytest.raises(InputError, match=rf"lacks {name}; it has"):
        read(tmp_path, arrays)


@pytest.mark.parametrize("name", ["adjacency", "query", "key"])
def test_without_weights_or_scores_both_ways_are_offered(tmp_path: Path, name: str) -> None:
    arrays = weights() if name == "adjacency" else scores()
    del arrays[name]
    with pytest.raises(InputError, match=r"lacks adjacency \(or query and key\)"):
        read(tmp_path, arrays)


def test_an_empty_file_of_arrays_lacks_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lacks tokens, value_output, ffn_in.*nothing"):
        read(tmp_path, {})


@pytest.mark.parametrize("name", [n for n, a in scores().items() if a.dtype == np.float64])
@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_numbers_that_are_not_finite_are_refused_in_every_array(
    tmp_path: Path, name: str, bad: float
) -> None:
    arrays = scores()
    arrays[name] = spoilt(arrays[name], bad)
    with pytest.raises(InputError, match=f"^{name} must be finite"):
        read(tmp_path, arrays)


@pytest.mark.parametrize("bad", [NAN, INF])
def test_attention_weights_that_are_not_finite_are_refused(tmp_path: Path, bad: float) -> None:
    with pytest.raises(InputError, match=r"^adjacency must be finite"):
        read(tmp_path, weights() | {"adjacency": spoilt(weights()["adjacency"], bad)})


@pytest.mark.parametrize("name", [n for n, a in scores().items() if a.ndim > 0 and n != "mask"])
def test_a_wrong_shape_is_refused_in_every_array(tmp_path: Path, name: str) -> None:
    arrays = scores()
    for wrong in (
        arrays[name][None],
        arrays[name][..., :1],
        arrays[name][:0],
        arrays[name].ravel(),
    ):
        if wrong.shape == arrays[name].shape:
            continue
        with pytest.raises(InputError) as caught:
            read(tmp_path, arrays | {name: wrong})
        # Where two arrays disagree, the one that came second is named with the first.
        assert name in str(caught.value)
        assert any(word in str(caught.value) for word in ("must have shape", "empty", "two tokens"))


@pytest.mark.parametrize("name", ["tokens", "query", "value_output", "gain_1"])
@pytest.mark.parametrize("dtype", ["int64", "float16", "complex128", "bool", "U3"])
def test_a_wrong_dtype_is_refused_with_what_came(tmp_path: Path, name: str, dtype: str) -> None:
    arrays = scores()
    came = np.ones(arrays[name].shape).astype(dtype)
    message = rf"^{name} must have dtype float32 or float64, but has .*{came.dtype.str[1:2]}"
    with pytest.raises(InputError, match=message):
        read(tmp_path, arrays | {name: came})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("tokens", np.ones((1, D)), "mask|tokens"),
        ("mask", np.ones((N, N)), "^mask must be boolean, but has dtype float64"),
        ("mask", np.ones((N, N + 1), dtype=bool), "^mask must have shape"),
        ("mask", np.ones((2, N, N), dtype=bool), "^mask must have shape"),
        ("mask", np.zeros((N, N), dtype=bool), "^mask must leave every token at least one"),
        ("activation", np.asarray("swish"), "^activation must be one of .* 'swish'"),
        ("activation", np.asarray(b"\xff\xfe"), "^activation must be one of"),
        ("activation", np.asarray(3), "^activation must be one string, but has dtype int64"),
        ("activation", np.asarray(["relu", "gelu"]), "^activation must be one string"),
        ("placement", np.asarray("peri"), "^placement must be 'post'.*'peri'"),
        ("placement", np.asarray("sandwich"), "^placement must be .*'parallel' in.*no names for"),
        ("norm", np.asarray("batch"), "^norm must be one of layer, rms, none, but is 'batch'"),
        ("attention", np.asarray("signed"), "^attention must be one of shares, as given"),
        ("attention", np.asarray("as given"), "^attention must be left out without an adj"),
        ("ffn_gate_bias", np.ones(F), "^ffn_gate_bias is of no use without ffn_gate"),
        ("ffn_gate", np.ones((D, F + 1)), "^ffn_gate must have shape"),
        ("ln_eps", np.asarray(-1e-5), "^ln_eps must not be negative, but is -1e-05"),
        ("ln_eps", np.asarray([1e-5, 1e-5]), "^ln_eps must be one number"),
        ("ln_eps", np.asarray(True), "^ln_eps must have dtype"),
        ("ln_eps", np.zeros(0), "^ln_eps must be one number"),
        ("tau_1", np.asarray(0.0), "^tau_1 must be positive, but is 0.0"),
        ("tau_2", np.asarray(-2.0), "^tau_2 must be positive, but is -2.0"),
        ("tokenz", np.ones((N, D)), "^tokenz is not an array .*did you mean tokens?"),
        ("gain1", np.ones(D), "^gain1 is not an array .*did you mean gain_1?"),
        ("zzz", np.ones(D), r"^zzz is not an array that a block has\. Known: tokens, adja"),
    ],
)
def test_a_bad_value_is_named(tmp_path: Path, name: str, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, scores() | {name: value})


def test_one_token_is_refused(tmp_path: Path) -> None:
    one = {"tokens": np.ones((1, D)), "adjacency": np.ones((H, 1, 1))}
    with pytest.raises(InputError, match=r"^tokens must hold at least two"):
        read(tmp_path, weights() | one)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: 2 * a, r"^adjacency must have rows that sum to one, but row \(0, \d\)"),
        (lambda a: a + 1e-2, "^adjacency must have rows that sum to one"),
        (lambda a: spoilt(a, 2.0), r"^adjacency must have rows that sum to one.*\(1, 2\)"),
        (lambda a: 2 * np.eye(N) - a, "^adjacency must not be negative|^adjacency .*negative"),
        (lambda a: a[0], "^adjacency must have shape"),
        (lambda a: a[:, :2], "^adjacency must have shape"),
        (lambda a: a[:1], "^value_output must have shape .* h = 1, as adjacency has"),
    ],
)
def test_attention_weights_that_are_no_shares_are_refused(
    tmp_path: Path, change: Any, message: str
) -> None:
    arrays = weights()
    with pytest.raises(InputError, match=message):
        read(tmp_path, arrays | {"adjacency": change(arrays["adjacency"])})


@pytest.mark.parametrize("name", ["query", "key", "query_bias", "key_bias", "mask"])
def test_weights_and_scores_contradict_each_other(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"^adjacency already is what .*{name}"):
        read(tmp_path, weights() | {name: scores()[name]})
