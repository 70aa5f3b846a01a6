"""A block from a file: read as it was written, and refused with the array's name otherwise."""

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from simulations.instruments.block_file import BlockFile, read_block
from tests.helpers.blocks import random_tokens
from theory.arrays import InputError
from theory.blocks.forward import apply_block, attention_adjacency
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, FeedForward

N, D, H, K, F = 3, 4, 2, 5, 7
Arrays = dict[str, Any]


def scores() -> Arrays:
    """Return a block that computes its own attention weights, with all that can be given."""
    drawn = iter(range(100))

    def draw(*shape: int) -> Any:
        return random_tokens(next(drawn), *shape)

    return {
        "tokens": draw(N, D),
        "query": draw(H, D, K),
        "key": draw(H, D, K),
        "value_output": draw(H, D, D),
        "ffn_in": draw(D, F),
        "ffn_out": draw(F, D),
        "query_bias": draw(H, K),
        "key_bias": draw(H, K),
        "attention_bias": draw(D),
        "ffn_in_bias": draw(F),
        "ffn_out_bias": draw(D),
        "gain_1": draw(D),
        "shift_1": draw(D),
        "gain_2": draw(D),
        "shift_2": draw(D),
        "ln_eps": np.asarray(1e-3),
        "tau_1": np.asarray(1.5),
        "tau_2": np.asarray(2.5),
        "residual": np.asarray(0.5),
        "mask": np.tri(N, dtype=bool),
        "activation": np.asarray("gelu"),
        "placement": np.asarray("pre"),
    }


def weights() -> Arrays:
    """Return a block with given attention weights and nothing that may be left out."""
    full = scores()
    names = ("tokens", "value_output", "ffn_in", "ffn_out")
    shares = np.random.default_rng(0).dirichlet(np.ones(N), (H, N))
    return {name: full[name] for name in names} | {"adjacency": shares}


def write(folder: Path, arrays: Arrays) -> Path:
    path = folder / "block.npz"
    np.savez(path, **arrays)
    return path


def read(folder: Path, arrays: Arrays) -> BlockFile:
    return read_block(write(folder, arrays))


# --- what was written is read ----------------------------------------------------------------


def test_every_array_reaches_its_place(tmp_path: Path) -> None:
    arrays = scores()
    found = read(tmp_path, arrays)
    norms = [
        Norm(gain=arrays[f"gain_{i}"], shift=arrays[f"shift_{i}"], eps=1e-3, tau=i + 0.5)
        for i in (1, 2)
    ]
    block = Block(
        Attention(
            query=arrays["query"],
            key=arrays["key"],
            value=arrays["value_output"],
            query_bias=arrays["query_bias"],
            key_bias=arrays["key_bias"],
            bias=arrays["attention_bias"],
        ),
        FeedForward(
            weight_in=arrays["ffn_in"],
            weight_out=arrays["ffn_out"],
            bias_in=arrays["ffn_in_bias"],
            bias_out=arrays["ffn_out_bias"],
            activation="gelu",
        ),
        norm_1=norms[0],
        norm_2=norms[1],
        placement="pre",
        residual=0.5,
    )
    assert found.adjacency is None
    np.testing.assert_array_equal(found.tokens, arrays["tokens"])
    np.testing.assert_array_equal(found.mask, arrays["mask"])
    one = apply_block(found.block, found.tokens, mask=found.mask)
    two = apply_block(block, arrays["tokens"], mask=arrays["mask"])
    np.testing.assert_array_equal(one.output, two.output)
    np.testing.assert_array_equal(one.adjacency, two.adjacency)


@pytest.mark.parametrize("name", sorted(scores().keys() - weights().keys() - {"query", "key"}))
def test_every_array_that_may_be_left_out_matters(tmp_path: Path, name: str) -> None:
    arrays = scores()
    arrays["activation"] = np.asarray("tanh")
    full = read(tmp_path, arrays)
    del arrays[name]
    less = read(tmp_path, arrays)
    one = apply_block(full.block, full.tokens, mask=full.mask).output
    two = apply_block(less.block, less.tokens, mask=less.mask).output
    # A bias of the keys adds one number to all scores of a token, which softmax forgets.
    assert (np.abs(one - two).max() > 1e-8) == (name != "key_bias")


def test_what_is_left_out_is_plain(tmp_path: Path) -> None:
    arrays = weights()
    block, tokens, adjacency, mask = read(tmp_path, arrays)
    np.testing.assert_array_equal(tokens, arrays["tokens"])
    assert adjacency is not None
    np.testing.assert_allclose(adjacency, arrays["adjacency"], rtol=1e-15)
    assert mask is None
    assert vars(block.norm_1) == vars(block.norm_2) == vars(Norm())
    assert (block.placement, block.residual) == ("post", 1.0)
    assert block.feed_forward is not None
    assert block.feed_forward.activation == "relu"
    assert block.feed_forward.bias_in is None
    assert block.attention.bias is None


def test_weights_that_scores_give_may_be_given_instead(tmp_path: Path) -> None:
    arrays = scores()
    del arrays["placement"]
    first = read(tmp_path, arrays)
    shares = attention_adjacency(first.block.attention, first.tokens, mask=first.mask)
    given_them = {k: v for k, v in arrays.items() if "query" not in k and "key" not in k}
    del given_them["mask"]
    second = read(tmp_path, given_them | {"adjacency": shares})
    one = apply_block(first.block, first.tokens, mask=first.mask).output
    two = apply_block(second.block, second.tokens, adjacency=second.adjacency).output
    np.testing.assert_allclose(one, two, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_single_precision_becomes_double_and_its_rows_still_count(
    tmp_path: Path, save: Any
) -> None:
    arrays = {name: array.astype(np.float32) for name, array in weights().items()}
    save(tmp_path / "block.npz", **arrays)
    found = read_block(tmp_path / "block.npz")
    assert found.tokens.dtype == np.float64
    assert found.adjacency is not None
    assert found.adjacency.dtype == np.float64
    assert np.abs(found.adjacency.sum(axis=-1) - 1).max() <= 4e-16
    np.testing.assert_array_equal(found.tokens, arrays["tokens"].astype(np.float64))


@pytest.mark.parametrize("number", [1, np.float32(1), np.asarray([1.0]), np.asarray([[1]])])
def test_one_number_may_be_written_in_any_way(tmp_path: Path, number: Any) -> None:
    assert read(tmp_path, weights() | {"residual": number}).block.residual == 1.0


# --- what is wrong is named ------------------------------------------------------------------

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
        ("placement", np.asarray("sandwich"), "^placement must be 'post' or 'pre'.*no names for"),
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


# --- files -----------------------------------------------------------------------------------


def test_a_file_that_is_not_there_or_is_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone.npz does not exist"):
        read_block(tmp_path / "gone.npz")
    with pytest.raises(InputError, match="is a folder"):
        read_block(tmp_path)


def test_a_bare_array_is_not_a_block(tmp_path: Path) -> None:
    path = tmp_path / "tokens.npy"
    np.save(path, np.ones((N, D)))
    with pytest.raises(InputError, match=r"tokens.npy must be an .npz file.* one bare array"):
        read_block(path)


class _Bomb:
    """Something whose unpickling would be noticed."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("pickled code was run",))


@pytest.mark.parametrize("inside", [False, True])
def test_pickled_code_is_never_run(tmp_path: Path, inside: bool) -> None:
    path = tmp_path / "block.npz"
    if inside:
        box = np.empty(1, dtype=object)
        box[0] = _Bomb()
        np.savez(path, **weights() | {"tokens": box})
    else:
        path.write_bytes(pickle.dumps(_Bomb()))
    with pytest.raises(InputError, match=r"block.npz must be an .npz file of plain arrays"):
        read_block(path)


def test_other_bytes_in_the_place_of_an_array_are_refused(tmp_path: Path) -> None:
    arrays = weights()
    del arrays["tokens"]
    for bytes_ in (b"", b"abc", b"\x93NUMPY"):
        path = write(tmp_path, arrays)
        with zipfile.ZipFile(path, "a") as file:
            file.writestr("tokens.npy", bytes_)
        with pytest.raises(InputError, match=r"tokens must be an array|block.npz"):
            read_block(path)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000000000,), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3, -4), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), ",
        "(((((",
        "{'descr': 'nonsense', 'fortran_order': False, 'shape': (3, 4), }",
        "{'shape': (3, 4)}",
        "[]",
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, header: str) -> None:
    arrays = weights()
    del arrays["tokens"]
    path = write(tmp_path, arrays)
    line = header.encode() + b"\n"
    bytes_ = b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + b"\0" * 96
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("tokens.npy", bytes_)
    with pytest.raises(InputError, match=r"block.npz"):
        read_block(path)


def _whole(compressed: bool) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **scores())
    return buffer.getvalue()


WHOLE = {compressed: _whole(compressed) for compressed in (False, True)}


@given(compressed=st.booleans(), share=st.floats(0, 1, exclude_max=True))
def test_a_truncated_file_is_refused(
    tmp_path_factory: pytest.TempPathFactory, compressed: bool, share: float
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.npz"
    path.write_bytes(WHOLE[compressed][: int(share * len(WHOLE[compressed]))])
    with pytest.raises(InputError, match=r"cut.npz"):
        read_block(path)


@given(
    compressed=st.booleans(),
    # Distances from the end too: there stands the directory, whose numbers zipfile believes.
    flips=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True) | st.integers(-2200, -1), st.integers(1, 255)),
        min_size=1,
        max_size=4,
    ),
)
def test_a_damaged_file_is_read_as_it_was_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    compressed: bool,
    flips: list[tuple[Any, int]],
) -> None:
    bytes_ = bytearray(WHOLE[compressed])
    for place, change in flips:
        bytes_[int(place * len(bytes_)) if isinstance(place, float) else place] ^= change
    path = tmp_path_factory.getbasetemp() / "flipped.npz"
    path.write_bytes(bytes(bytes_))
    try:
        found = read_block(path)
    except InputError:
        return
    # Zip keeps a sum of every array's bytes: what is read is what was written.
    np.testing.assert_array_equal(found.tokens, scores()["tokens"])
    np.testing.assert_array_equal(found.block.attention.value, scores()["value_output"])


@pytest.mark.parametrize("bits", [8, 11])
def test_attention_that_was_once_in_half_precision_is_read_and_it_is_said(
    tmp_path: Path, bits: int
) -> None:
    arrays = weights()
    significand, exponent = np.frexp(arrays["adjacency"])
    once = np.ldexp(np.round(significand * 2.0**bits), exponent - bits)
    with pytest.warns(UserWarning, match="miss one by up to .* divided by its sum"):
        found = read(tmp_path, arrays | {"adjacency": once.astype(np.float32)})
    assert found.adjacency is not None
    np.testing.assert_allclose(found.adjacency, arrays["adjacency"], rtol=2.0 ** (1 - bits))
    np.testing.assert_allclose(found.adjacency.sum(axis=-1), 1, rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.int64, np.uint8])
def test_a_mask_of_zeros_and_ones_is_a_mask(tmp_path: Path, dtype: Any) -> None:
    arrays = scores()
    found = read(tmp_path, arrays | {"mask": arrays["mask"].astype(dtype)})
    np.testing.assert_array_equal(found.mask, arrays["mask"])
    assert found.mask is not None
    assert found.mask.dtype == np.bool_
    with pytest.raises(InputError, match=r"^mask must be boolean"):
        read(tmp_path, arrays | {"mask": 2 * arrays["mask"].astype(dtype)})
