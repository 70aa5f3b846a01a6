"""Is a certificate refused once anything in it has been changed, and quickly, in one line?"""

import copy
import hashlib
import json
import tracemalloc
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from theory.proofs.certificates import as_bytes, seal
from theory.proofs.check import NoCertificateError, check
from theory.proofs.checkers import residual_attention

STORED = Path(__file__).parents[3] / "theory" / "proofs" / "stored"
TINY = "attention-3-tokens-t-1"
SMALL = "attention-4-tokens-t-1_2"
LARGE = "attention-6-tokens-t-2"


def _load(name: str) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads((STORED / f"{name}.json").read_bytes())
    return whole


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else None
    )
    if inside is None:
        yield path
        return
    for key, below in inside:
        yield from _leaves(below, (*path, key))


def _changed(whole: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(whole)
    at: Any = changed
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return changed


def _sealed(whole: dict[str, Any]) -> bytes:
    return as_bytes(seal(whole["statement"], whole["claim"], whole["proof"]))


def _value(whole: dict[str, Any], path: tuple[Any, ...]) -> Any:
    for key in path:
        whole = whole[key]
    return whole


def _refused(data: bytes) -> str:
    with pytest.raises(ValueError, match=r".+") as caught:
        check(data)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 400
    return line


def _relabelled(f: Any, g: Any) -> bool:
    """Whether two maps are one, but for the names of the tokens."""
    if not isinstance(f, list) or not set(g) <= set(range(len(g))):
        return False
    names = permutations(range(len(f)))
    return any(all(g[p[i]] == p[f[i]] for i in range(len(f))) for p in names)


@pytest.mark.parametrize(("name", "step"), [(SMALL, 1), (LARGE, 97)])
def test_any_other_number_without_a_new_digest_is_damage(name: str, step: int) -> None:
    whole = _load(name)
    for path in [p for p in _leaves(whole) if p[0] in ("claim", "proof")][::step]:
        old = _value(whole, path)
        new = old + 1 if isinstance(old, int) else f"1{old}"
        assert "damaged" in _refused(as_bytes(_changed(whole, path, new)))


@pytest.mark.parametrize(("name", "step"), [(TINY, 1), (SMALL, 5), (LARGE, 401)])
def test_with_a_new_digest_no_other_number_proves_anything(name: str, step: int) -> None:
    """What has room proves the same in it, and so does a relabelled map: they move far."""
    whole = _load(name)
    unit, n = whole["proof"]["denominator"], whole["claim"]["tokens"]
    paths = [p for p in _leaves(whole["proof"], ("proof",)) if "denominator" not in p][::step]
    for path in paths:
        old, matrix = _value(whole, path), path[1] == "cases" and path[3] >= n
        for new in (old - 50 * unit, old + 50 * unit) if matrix else (old - 1, old + 1):
            changed = _changed(whole, path, new)
            if matrix or not _relabelled(
                *(_value(each, path[:3])[:n] for each in (whole, changed))
            ):
                _refused(_sealed(changed))
    for new in (0, -unit, unit // 2, 2 * unit):
        _refused(_sealed(_changed(whole, ("proof", "denominator"), new)))


@pytest.mark.parametrize("name", [SMALL, LARGE])
def test_a_stronger_claim_is_not_proved(name: str) -> None:
    whole = _load(name)
    claim = whole["claim"]
    at_most, reached, t = (
        Fraction(claim[key]) for key in ("at_most_squared", "reached_squared", "t")
    )
    stronger = {
        "at_most_squared": str(reached),
        "reached_squared": str((reached + Fraction(1, 10**9)).limit_denominator(10**15)),
        "t": str(t + Fraction(1, 1000)),
        "tokens": claim["tokens"] + 1,
    }
    assert reached < at_most
    assert set(stronger) == set(claim)
    for key, value in stronger.items():
        _refused(_sealed(_changed(whole, ("claim", key), value)))
    weaker = _changed(whole, ("claim", "at_most_squared"), str(at_most + 1))
    assert "by at most" in check(_sealed(weaker)), "it is true, and proved"


def test_a_map_that_is_missing_is_missed() -> None:
    whole = _load(SMALL)
    for k in range(len(whole["proof"]["cases"])):
        left = copy.deepcopy(whole)
        del left["proof"]["cases"][k]
        assert "are not looked at" in _refused(_sealed(left))
    twice = copy.deepcopy(whole)
    twice["proof"]["cases"].append(whole["proof"]["cases"][3])
    assert "proved twice" in _refused(_sealed(twice))


@pytest.mark.parametrize("value", [None, True, 1.5, "1", "1/0", "2/4", "-1/2", [], {}, 10**40])
def test_a_value_of_another_kind_is_refused_everywhere(value: Any) -> None:
    whole = _load(SMALL)
    for path in [p for p in _leaves(whole) if p[0] != "statement"][::7]:
        _refused(as_bytes(_changed(whole, path, value)))
        if path[0] in ("claim", "proof"):
            _refused(_sealed(_changed(whole, path, value)))


def test_a_field_more_or_less_is_refused() -> None:
    whole = _load(SMALL)
    for place in ((), ("claim",), ("proof",), ("proof", "worst")):
        for key in (*_value(whole, place), "more"):
            changed = copy.deepcopy(whole)
            at = _value(changed, place)
            if key in at:
                del at[key]
            else:
                at[key] = 1
            if place:
                _refused(_sealed(changed))
            _refused(as_bytes(changed))


def test_part_of_a_file_is_no_certificate() -> None:
    data = (STORED / f"{SMALL}.json").read_bytes()
    for end in range(0, len(data), 11):
        with pytest.raises(NoCertificateError):
            check(data[:end])


def _hostile() -> dict[str, bytes]:
    data = (STORED / f"{SMALL}.json").read_bytes()
    digits = b"9" * 100_000
    return {
        "another version": data.replace(b'certificate":1', b'certificate":2'),
        "another statement": data.replace(b"residual-attention", b"residual-intention"),
        "a key twice": data.replace(b'{"claim":', b'{"claim":{},"claim":', 1),
        "blanks": data.replace(b":", b": "),
        "no ASCII": data.replace(b"worst", "wörst".encode()),
        "a huge number": data.replace(b'"denominator":', b'"denominator":' + digits),
        "a huge fraction": data.replace(b'"t":"1/2"', b'"t":"1/' + digits + b'"'),
        "deep": data.replace(b'"cases":', b'"cases":' + b"[" * 400_000),
        "rather deep": data.replace(b'"t":"1/2"', b'"t":' + b"[" * 900 + b"]" * 900),
        "not a number": data.replace(b'"denominator":', b'"denominator":NaN,"x":'),
        "too large": b'{"claim":' + b" " * 2**20 + data[9:],
    }


@pytest.mark.parametrize("kind", _hostile())
@pytest.mark.parametrize("ask", [check, residual_attention.check])
def test_a_hostile_file_is_one_line_and_takes_no_memory(
    kind: str, ask: Callable[[bytes], str]
) -> None:
    data = _hostile()[kind]
    assert data != (STORED / f"{SMALL}.json").read_bytes()
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"^[^\n]{1,400}$"):
            ask(data)
        assert tracemalloc.get_traced_memory()[1] < 2**25
    finally:
        tracemalloc.stop()


def test_a_digest_alone_proves_nothing() -> None:
    whole = _load(SMALL)
    whole["proof"]["cases"] = []
    rest = {key: value for key, value in whole.items() if key != "sha256"}
    whole["sha256"] = hashlib.sha256(as_bytes(rest)).hexdigest()
    assert "maps are not looked at" in _refused(as_bytes(whole))
