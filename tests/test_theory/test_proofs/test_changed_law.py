"""A proof of the law in which anything is changed is refused, in one line."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("flint")

from tests.test_theory.test_proofs.test_law import block, graph  # flint is an extra
from theory.proofs.certificates import as_bytes, seal
from theory.proofs.check import check
from theory.proofs.checkers import law as checker
from theory.proofs.checkers.envelope import NoCertificateError
from theory.proofs.law import prove_law

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def small() -> dict[str, Any]:
    made, token = block(3, 3, gated=True, eps=1e-5)
    certificate = prove_law(made, graph("full", 2), token).certificate
    assert certificate is not None
    plain: dict[str, Any] = json.loads(as_bytes(certificate))
    check(as_bytes(plain))
    return plain


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(node, dict | list):
        pairs = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in pairs:
            yield from leaves(value, (*path, key))
    else:
        yield path, node


def changed(whole: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(whole))
    at: Any = copy
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return copy


def other(value: Any) -> Any:
    """Return something else of the same type, far away."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 2 ** max(3, abs(value).bit_length() - 2, 52 * (value == 0))
    return "tanh" if value is not None else [1, 0]


def stronger(small: dict[str, Any]) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Yield each field changed, so that the claim is another or the proof is none."""
    for path, value in leaves({"claim": small["claim"], "proof": small["proof"]}):
        if path == ("claim", "period"):
            continue  # a fixed point is a cycle of any length: a true claim, proved or not
        if path[:2] == ("proof", "bases"):
            continue  # other vectors may do as well: whole bases are changed below
        at: Any = small
        for key in path[:-1]:
            at = at[key]
        exponent_of_zeros = path[-1] == 1 and not np.any(np.asarray(at[0], dtype=object))
        if isinstance(value, int) and isinstance(at, list) and len(at) == 2 and exponent_of_zeros:
            continue  # zero times any power of two is the same number
        new = other(value)
        if path[:2] in {("claim", "along"), ("claim", "transverse")} and path[2] == 1:
            new = value - 1 if path[3] == 1 else value - 2**40  # a smaller upper bound
        if path[:3] == ("proof", "inverse", 0):
            new = value + 2**50  # one that is nearly right would do
        if path[:2] == ("claim", "radius"):
            new = (-1, -400)[path[2]]  # a larger box may have one token only as well
        yield path, changed(small, path, new)
    unit = [[[int(i == j) for j in range(3)] for i in range(3)], 0]
    for k in range(2):
        yield ("basis", k), changed(small, ("proof", "bases", k, "re"), unit)
        yield ("basis", k), changed(small, ("proof", "bases", k, "im"), unit)


def test_every_field_that_is_changed_is_refused(small: dict[str, Any]) -> None:
    tried = 0
    for path, whole in stronger(small):
        with pytest.raises(ValueError, match="damaged"):
            check(as_bytes(whole))
        resealed = seal("law", whole["claim"], whole["proof"])
        with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
            print(path, check(as_bytes(resealed)))  # noqa: T201  which field changes nothing
        tried += 1
    assert tried > 100


def test_keys_that_come_or_go_are_refused(small: dict[str, Any]) -> None:
    for part in ("claim", "proof"):
        for key in small[part]:
            rest = {name: value for name, value in small[part].items() if name != key}
            for parts in (rest, {**small[part], "more": 1}):
                whole = seal("law", *(parts if p == part else small[p] for p in ("claim", "proof")))
                with pytest.raises(ValueError, match="must be"):
                    check(as_bytes(whole))


def hostile(small: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield claims and proofs that are too large, too deep, or of other shapes."""
    claim, proof = small["claim"], small["proof"]
    wide = ["linear", 0, [[[0] * 4096] * 3, 0], [[0] * 4096, 0]]
    yield {**claim, "centre": [[0] * 4097, 0]}, proof
    yield {**claim, "centre": [[], 0]}, proof
    yield {**claim, "centre": [[0, 0, 2**3000], 0]}, proof
    yield {**claim, "centre": [[0, 0, 0], 10**9]}, proof
    yield {**claim, "period": 10**9}, proof
    yield {**claim, "graph": [[1] * 257] * 257}, proof
    yield {**claim, "graph": [[0, 0], [1, 1]]}, proof
    yield {**claim, "graph": [[2**255 + i * j for i in range(100)] for j in range(100)]}, proof
    yield {**claim, "layer": [["walk", 0]] * 65}, proof
    yield {**claim, "layer": [["walk", i] for i in range(64)], "period": 24}, proof
    yield {**claim, "layer": [wide] + [["activate", i, "tanh"] for i in range(1, 9)]}, proof
    yield {**claim, "layer": [["sum", 0, 5, [1, 0]]]}, proof
    yield {**claim, "layer": [["sum", -1, 0, [1, 0]]]}, proof
    yield {**claim, "layer": [["linear", 0, [[[1], [1, 2], [3]], 0], [[1], 0]]]}, proof
    yield {**claim, "layer": [[]]}, proof
    yield {**claim, "layer": 7, "graph": None}, proof
    yield claim, {**proof, "bases": []}
    yield claim, {**proof, "bases": [{"re": [[[0] * 3] * 3, 0], "im": [[[0] * 3] * 3, 0]}] * 2}
    yield claim, {**proof, "bases": None, "inverse": True}


def test_hostile_certificates_are_refused_in_one_line(small: dict[str, Any]) -> None:
    for claim, proof in hostile(small):
        with pytest.raises(ValueError, match=r"\A[^\n]{1,160}\Z"):
            checker.check(as_bytes(seal("law", claim, proof)))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[" * 100_000,
        b'{"oversmooth_certificate":NaN}',
        b'{"oversmooth_certificate":1.0,"claim":{},"proof":{},"sha256":"","statement":"law"}',
        b'{"oversmooth_certificate":1,"statement":"law"}',
        b"9" * 5000,
        "\u00e9".encode(),
        b" " * (2**26 + 1),
    ],
    ids=["empty", "deep", "NaN", "decimal", "keys", "digits", "letters", "long"],
)
def test_what_is_no_certificate_is_called_so(data: bytes) -> None:
    with pytest.raises(NoCertificateError, match=r"\Ano certificate of law: [^\n]*\Z"):
        checker.check(data)


def test_a_key_that_comes_twice_is_refused(small: dict[str, Any]) -> None:
    data = as_bytes(small)
    twice = data[:-1] + b',"statement":"law"}'
    with pytest.raises(ValueError, match="twice"):
        checker.check(twice)
