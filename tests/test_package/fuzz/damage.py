"""What may happen to a file that somebody wrote: to its values, its arrays, its bytes?"""

import copy
import io
import random
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUMBERS = (0, 1, -1, 2, 3, 1.5, -0.0, 1e308, -1e308, 5e-324, 1e-5, 2**31, 2**63, 10**10, 10**20)
WORDS = ("", "x", "gelu", "post", "pre", "none", "nan", "inf", "1e999", "é\ud800", "a" * 3000)


def deep(levels: int) -> Any:
    """Return a list in a list in a list."""
    found: Any = []
    for _ in range(levels):
        found = [found]
    return found


def junk(rng: random.Random) -> Any:
    """Return a value where another kind of value is wanted."""
    kinds: tuple[Callable[[], Any], ...] = (
        lambda: None,
        lambda: rng.random() < 0.5,
        lambda: rng.choice(NUMBERS),
        lambda: rng.choice((float("nan"), float("inf"), 10**400)),
        lambda: rng.choice(WORDS),
        lambda: rng.choice(([], {}, [None], [[]], {"a": 1}, {"": []})),
        lambda: [rng.choice(NUMBERS) for _ in range(rng.randint(1, 5))],
        lambda: deep(rng.choice((5, 400))),
    )
    return rng.choice(kinds)()


def spoilt(content: Any, rng: random.Random, *, depth: int = 0) -> Any:
    """Return JSON's kind of content with one place in it changed, left out, doubled or renamed."""
    content = copy.deepcopy(content) if depth == 0 else content
    if isinstance(content, dict) and content and rng.random() < 0.9:
        key = rng.choice(list(content))
        what = rng.random()
        if what < 0.15:
            del content[key]
        elif what < 0.25:
            content[rng.choice((key + "x", key[1:], key.upper(), "", "b" * 500))] = content[key]
        else:
            content[key] = spoilt(content[key], rng, depth=depth + 1)
        return content
    if isinstance(content, list) and content and rng.random() < 0.8:
        place = rng.randrange(len(content))
        what = rng.random()
        if what < 0.15:
            del content[place]
        elif what < 0.3:
            content.insert(place, copy.copy(content[place]))
        else:
            content[place] = spoilt(content[place], rng, depth=depth + 1)
        return content
    return junk(rng)


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Return bytes some of which are changed, missing, doubled or strange."""
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(content) + 1)
        to = min(len(content), at + rng.choice((1, 2, 8, 100)))
        before, some, after = content[:at], content[at:to], content[to:]
        ways = (
            before + after,
            before,
            before + some + some + after,
            before + rng.randbytes(to - at) + after,
            before + rng.choice(_STRANGE) + some + after,
        )
        content = rng.choice(ways)
    return content


_STRANGE = (
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"9" * 5000,
    b"[" * 2000,
    b"{" * 50,
    b"\r",
    b"-",
    b".",
)


def strange(array: NDArray[Any], rng: random.Random) -> NDArray[Any]:
    """Return an array of another shape, dtype, scale or content."""
    if array.dtype.kind not in "biufc":  # a name, say: there is nothing to scale
        return np.asarray(rng.choice((*WORDS[:8], 0, 1.5)))
    kinds: tuple[Callable[[], NDArray[Any]], ...] = (
        lambda: array[..., :1] if array.ndim else array[None],
        lambda: array[:0] if array.ndim else array[None, None],
        lambda: array[None],
        lambda: array.ravel(),
        lambda: array.T,
        lambda: np.asarray(rng.choice(NUMBERS[:-1])),
        lambda: array.astype(rng.choice(("f2", "f4", ">f8", "i8", "c16", "?", "U5"))),
        lambda: np.asarray(array, dtype=float) * rng.choice((0.0, 1e-320, 1e-160, 1e160, 1e308)),
        lambda: _with(array, rng.choice((np.nan, np.inf, -np.inf, 1e308, -1.0))),
        lambda: np.zeros_like(array),
        lambda: np.asarray(rng.choice(WORDS[:8])),
        lambda: np.concatenate([array, array], axis=-1) if array.ndim else array,
        lambda: np.empty(2, dtype=object),
        lambda: np.zeros(2, dtype=[("a", "f8"), ("b", "i4")]),
    )
    with np.errstate(all="ignore"):
        return rng.choice(kinds)()


def _with(array: NDArray[Any], value: float) -> NDArray[Any]:
    found = np.array(array, dtype=float)
    if found.size:
        found.flat[found.size // 2] = value
    return found


def array_bytes(array: NDArray[Any]) -> bytes:
    """Return what a .npy file of an array holds."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def lying_header(array: NDArray[Any], rng: random.Random) -> bytes:
    """Return a .npy file whose header promises another shape than there is."""
    shape = rng.choice(("(10000000000,)", "(3, -4)", "(200000, 200000)", "()", "((((", "(1e3,)"))
    line = (
        f"{{'descr': '{array.dtype.str}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    )
    return b"\x93NUMPY\x01\x00" + len(line).to_bytes(2, "little") + line + array.tobytes()


def archive(members: dict[str, bytes], rng: random.Random) -> bytes:
    """Return an .npz file of members, some of which may be there twice or in a folder."""
    buffer = io.BytesIO()
    way = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(buffer, "w", way) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
        if rng.random() < 0.1:
            file.writestr(rng.choice(("../x.npy", "a/b.npy", "notes.txt")), b"x")
        if rng.random() < 0.03:
            file.writestr("zeros.npy", b"\0" * 2**27)
    return buffer.getvalue()
