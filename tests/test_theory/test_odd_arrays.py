"""Whatever is no plain array is refused at every door with one InputError: never a number."""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import networkx as nx
import numpy as np
import pytest
import scipy.sparse

from tests.test_theory.helpers.doors import LISTS_WELCOME, NO_ARRAYS, ON_THE_HOST
from theory.arrays import InputError
from theory.blocks.forward import apply_block
from theory.blocks.norms import HeadNorm, Norm
from theory.blocks.positions import Positions
from theory.blocks.weights import Attention, Block, FeedForward
from theory.bounds.coefficients import block_coefficients, weight_norms
from theory.law.synchronised import linearise
from theory.measures.subspace import consensus
from theory.statements.domains import draw
from theory.theorems.block.shi2022_lemmas import Averaging
from theory.theorems.catalogue import CATALOGUE

_N, _D = 3, 4
_RNG = np.random.default_rng(0)


def _normal(*shape: int) -> Any:
    return _RNG.standard_normal(shape) / 2


_TOKENS = _normal(_N, _D)
_WALK = np.array([[0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.1, 0.2, 0.7]])
_HEADS = np.stack([_WALK, _WALK.T / _WALK.T.sum(axis=-1, keepdims=True)])
_MASK, _COUNT = np.ones((_N, _N), dtype=np.bool_), np.ones(_N, dtype=np.bool_)
_NORM = Norm(gain=_normal(_D), shift=_normal(_D), eps=1e-5)
_FFN = FeedForward(_normal(_D, 5), _normal(5, _D), _normal(5), _normal(_D), "gelu")
_ATTENTION = Attention(
    *(_normal(2, _D, 2), _normal(2, _D, 2), _normal(2, _D, 2), _normal(2, 2, _D)),
    *(_normal(2, 2), _normal(2, 2), _normal(_D)),
)
_PLACED = dataclasses.replace(
    _ATTENTION,
    query_norm=HeadNorm(gain=_normal(2, 2), shift=_normal(2, 2), eps=1e-5),
    positions=Positions(_normal(2, _N, _N), _normal(2, 2 * _N - 1), frequencies=_normal(1)),
)
_BLOCK = Block(_ATTENTION, _FFN, _NORM, _NORM)
_STEP = apply_block(_BLOCK, _TOKENS)
_FOUND = block_coefficients(_BLOCK, _STEP)
_LAYERS = _normal(2, _N, _D)
_PRE = dataclasses.replace(_BLOCK, placement="pre")
_DRAWN = draw(CATALOGUE["attention"].domain, np.random.default_rng(1))

_COUNTED: tuple[list[Any], dict[str, Any]] = ([_TOKENS], {"token_mask": _COUNT})
_ON_GRAPHS: tuple[list[Any], dict[str, Any]] = ([_WALK], {})
CALLS: dict[str, dict[str, tuple[list[Any], dict[str, Any]]]] = {
    "measures": {
        **dict.fromkeys(
            (
                *("consensus_distance", "cosine_similarity", "dong_residual", "effective_rank"),
                *("high_frequency_ratio", "mean_average_distance", "measure_tokens"),
                *("participation_rank", "rank_one_fraction", "relative_distance", "stable_rank"),
                *("largest_share", "token_diameter"),
            ),
            _COUNTED,
        ),
        "Subspace": ([consensus(_N, like=_TOKENS).basis], {}),
        "attention_entropy": ([_HEADS], {"token_mask": _COUNT}),
        "attention_similarity": ([_HEADS, _HEADS], {"token_mask": _COUNT}),
        "consensus": ([_N], {"like": _TOKENS}),
        "dirichlet_energy": ([_TOKENS, _WALK], {"token_mask": _COUNT}),
        "distance": ([consensus(_N, like=_TOKENS), _TOKENS], {}),
        "general": ([_normal(_N, 2)], {}),
        "partition": ([np.array([0, 0, 1])], {"like": _TOKENS}),
        "projective_diameter": _ON_GRAPHS,
    },
    "graphs": {
        **dict.fromkeys(
            (
                *("closed_classes", "dobrushin_coefficient", "is_row_stochastic", "periods"),
                *("radius", "random_walk", "spectral_gap", "spectrum", "stationary_distributions"),
                *("symmetric_adjacency", "to_networkx"),
            ),
            _ON_GRAPHS,
        ),
        "block_mask": ([[1, 2]], {"like": _TOKENS}),
        "causal_mask": ([_N], {"like": _TOKENS}),
        "from_networkx": ([nx.path_graph(_N)], {"like": _TOKENS}),
        "graph_mask": ([nx.path_graph(_N)], {"like": _TOKENS}),
        "full_mask": ([_N], {"like": _TOKENS}),
        "window_mask": ([_N, 1], {"like": _TOKENS}),
    },
    "blocks": {
        "apply_block": ([_BLOCK, _TOKENS], {"mask": _MASK}),
        "apply_norm": ([_NORM, _TOKENS], {}),
        "apply_shared": ([[_BLOCK, _BLOCK], _TOKENS], {"first": 1, "last": 2, "mask": _MASK}),
        "attend": ([_ATTENTION, _HEADS, _TOKENS], {}),
        "attention_adjacency": ([_PLACED, _TOKENS], {"mask": _MASK}),
        "consensus_walks": ([_PLACED, _TOKENS[0], _N], {"mask": _MASK}),
        "concat_fusion": ([_LAYERS], {"factors": _normal(2), "bias": _normal(_D)}),
        "feed_forward": ([_FFN, _TOKENS], {}),
        "gate_fusion": (
            [_LAYERS, _normal(2, _D)],
            {"gate_bias": _normal(2), "bias": _normal(_D)},
        ),
        "max_fusion": ([_LAYERS], {"bias": _normal(_D)}),
    },
    "spectra": {
        "coupling": ([_HEADS], {"token_mask": _COUNT}),
        "coupling_bracket": ([_HEADS], {"token_mask": _COUNT}),
        "coupling_error": ([_HEADS], {"token_mask": _COUNT}),
        "largest_eigenvalue": ([[_normal(2), _normal(2)], [_normal(2)]], {}),
        "product_norm": ([_normal(2, _D, 2), _normal(2, 2, _D)], {}),
        **dict.fromkeys(
            ("singular_values", "spectral_bracket", "spectral_norm", "spectral_norm_error"),
            ([_TOKENS], {}),
        ),
    },
    "bounds": {
        "block_coefficients": (
            [_BLOCK, _STEP],
            {"norms": weight_norms(_BLOCK), "token_mask": _COUNT},
        ),
        "coefficient_bounds": (
            [_BLOCK, _TOKENS, _STEP, _FOUND],
            {"norms": weight_norms(_BLOCK), "token_mask": _COUNT},
        ),
        "distance_rounding": ([_TOKENS], {}),
        "log_factor": ([np.array([0.5, 0.25])], {}),
        "product_rounding": ([_TOKENS, _normal(_D, 2)], {}),
        **dict.fromkeys(
            ("saturation", "saturation_factor"), ([_BLOCK, _TOKENS], {"token_mask": _COUNT})
        ),
        "suprema": ([_BLOCK, _N], {}),
        "weight_norms": ([_BLOCK], {}),
    },
    "law": {
        **dict.fromkeys(("find_attractor", "linearise"), ([_BLOCK, _TOKENS[0]], {})),
        **dict.fromkeys(
            ("operator_rate", "transient_growth", "transverse_rates"),
            ([_BLOCK, _WALK, _TOKENS[0]], {}),
        ),
        "feed_forward_jacobian": ([_FFN, _TOKENS[0]], {}),
        "linear_distances": ([_BLOCK, _WALK, _TOKENS[0], _TOKENS], {}),
        "mode_rates": ([_BLOCK, np.array([0.5, -0.25]), _TOKENS[0]], {"layers": 24}),
        "next_order": ([_BLOCK, _TOKENS[0], _TOKENS], {"mask": _MASK}),
        "norm_jacobian": ([_NORM, _TOKENS[0]], {}),
        "power_law": ([_PRE, _WALK, _TOKENS[0]], {"interval": (2, 12)}),
        "synchronised_orbit": ([[_BLOCK, _BLOCK], _TOKENS[0]], {}),
        "transverse_factor": ([linearise(_BLOCK, _TOKENS[0]), np.array(0.5)], {}),
    },
    "local": dict.fromkeys(("local_bound", "reached_ratio"), ([_BLOCK, _TOKENS, 1e-3], {})),
    "extended": {
        "check_extended": ([CATALOGUE["attention"], Averaging(_TOKENS, _WALK)], {}),
        "extended": ([_TOKENS], {}),
        "recheck": ([CATALOGUE["attention"], _DRAWN.sizes, dict(_DRAWN.params)], {}),
    },
    "symbolic": {},  # it takes no array
    "proofs": {
        "prove_basin": ([_BLOCK, _MASK, _TOKENS[0]], {}),
        "prove_law": ([_BLOCK, _WALK, _TOKENS[0]], {}),
    },
}

if find_spec("flint"):
    CALLS["balls"] = {
        "certify": CALLS["extended"]["check_extended"],
        "certify_built": CALLS["extended"]["recheck"],
    }


def _torch() -> Any:
    return import_module("torch")


def _sparse_tensor(array: Any) -> Any:
    return _torch().asarray(array).to_sparse()


def _meta_tensor(array: Any) -> Any:
    return _torch().asarray(array).to("meta")


KINDS: dict[str, Callable[[Any], Any]] = {
    "masked": lambda array: np.ma.masked_array(array, mask=array == array.flat[0]),
    "matrix": lambda array: np.matrix(array),
    "record": lambda array: array.view(np.recarray),
    "sparse": lambda array: scipy.sparse.coo_array(np.atleast_1d(array)),
    "list": lambda array: array.tolist(),
    "number": lambda array: array.flat[0].item(),
    "text": lambda _: "tokens",
}
if find_spec("torch"):
    KINDS |= {"sparse tensor": _sparse_tensor, "meta tensor": _meta_tensor}
    KINDS |= {"another library": lambda array: _torch().asarray(array)}


def _whole(found: Any) -> None:
    """Take all that an iterator gives: nothing is looked at before it is asked for."""
    if isinstance(found, Iterator):
        deque(found, maxlen=0)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where the arrays are in nested arguments."""
    if isinstance(value, np.ndarray):
        yield path
    for key, part in _parts(value):
        yield from _places(part, (*path, key))


def _parts(value: Any) -> list[tuple[Any, Any]]:
    if dataclasses.is_dataclass(value):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list | tuple) else []


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = dict(_parts(value))[key]
    return value


def _put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return the arguments with another array in one place."""
    if not path:
        return new
    key, *rest = path
    inner = _put(dict(_parts(value))[key], tuple(rest), new)
    if isinstance(value, Mapping):
        return {**value, key: inner}
    if hasattr(value, "_fields"):
        return value._replace(**{value._fields[key]: inner})
    if isinstance(value, list | tuple):
        return [*value[:key], inner, *value[key + 1 :]]
    return dataclasses.replace(value, **{key: inner})


def _cases() -> Iterator[Any]:
    for room, calls in CALLS.items():
        for name, (args, options) in calls.items():
            places = list(_places((args, options)))
            for path in places:
                label = ".".join(map(str, path[1:]))
                for kind in KINDS:
                    if kind == "another library" and len(places) == 1:
                        continue
                    lenient = name in ON_THE_HOST and kind == "another library"
                    if lenient or (kind in ("list", "number") and (name, label) in LISTS_WELCOME):
                        continue
                    if kind == "matrix" and _at((args, options), path).ndim > 2:
                        continue
                    yield pytest.param(room, name, path, kind, id=f"{name}-{label}-{kind}")


def test_every_name_at_the_doors_is_looked_at() -> None:
    for room, calls in CALLS.items():
        offered = set(import_module(f"theory.{room}").__all__)
        assert set(calls) | NO_ARRAYS.get(room, set()) == offered


def test_the_plain_arrays_pass() -> None:
    for room, calls in CALLS.items():
        for name, (args, options) in calls.items():
            _whole(getattr(import_module(f"theory.{room}"), name)(*args, **options))


@pytest.mark.parametrize(("room", "name", "path", "kind"), list(_cases()))
@pytest.mark.filterwarnings("ignore:the matrix subclass")
def test_an_odd_array_is_refused_with_one_error(
    room: str, name: str, path: tuple[Any, ...], kind: str
) -> None:
    call = CALLS[room][name]
    plain = _at(call, path)
    function = getattr(import_module(f"theory.{room}"), name)

    def ask() -> None:
        args, options = _put(call, path, KINDS[kind](plain))  # some records refuse it by themselves
        _whole(function(*args, **options))

    with pytest.raises(InputError):
        ask()
