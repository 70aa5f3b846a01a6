"""Which slips change nothing that matters, and why? By kernel, in the words of `Slip.what`.

An entry that fits no slip left over is reported as an error, so that none outlives its line.
"""

_SAME = "where nothing is divided by anyway, any number will do"
_SPEED = "only which way is faster, or how many steps at once"
_DOUBLE = "double precision's own rounding, far below that of the other terms"
_ZERO = "the other branch, or a maximum, covers that number"
_DIRECTION = "nothing here has a scale: only the direction counts"
_NARROWER = "narrower than asked for: only more products"
_ROOM = "the last rounding, beside the loss of a product that is several times as large"

SPARED: dict[str, dict[str, str]] = {
    "enclosures": {
        "enclose: 0 -> 1": _ZERO,
        "enclose: 1.0 -> 2": _SAME,
        "enclose: own * MIND -> own / MIND": "second order in a bound that is first order times 1.01",
        "wolkowicz_styan: bound + 16 * WIDE * root -> bound - 16 * WIDE * root": _DOUBLE,
        "wolkowicz_styan: bound + 16 * WIDE * root -> bound": _DOUBLE,
        "wolkowicz_styan: 16 * WIDE * root -> 16 * WIDE / root": _DOUBLE,
        "wolkowicz_styan: 16 -> 0": _DOUBLE,
    },
    "tridiagonal": {
        ": 1e-140 -> 0": "only keeps squares of inverses from overflow",
        "largest_eigenvalue: 2 -> 1": "half or all of the slack keeps a step above all eigenvalues",
        "largest_eigenvalue: slack / 2 -> slack * 2": "half or twice the slack keeps a step above all eigenvalues",
        "largest_eigenvalue: upper + slack -> upper": "the descent starts anywhere above, and the end is widened again",
    },
    "lanczos": {
        "lanczos: 1.0 -> 2": _SAME,
        "lanczos: 0.0 -> 1": _SAME,
        "lanczos: widen(part[..., 0]) + widen(again[..., 0]) -> widen(part[..., 0]) - widen(again[..., 0])": "what orthogonalisation finds the second time is rounding, which is bounded",
        "lanczos: widen(part[..., 0]) + widen(again[..., 0]) -> widen(part[..., 0])": "what orthogonalisation finds the second time is rounding, which is bounded",
        "_orthogonality: 0.5 -> 0": "a vector has length one or zero",
        "_orthogonality: loss * MIND -> loss / MIND": "second order in a bound that is first order times 1.01",
        "refine: off + 64 * WIDE * known.size -> off - 64 * WIDE * known.size": _DOUBLE,
        "refine: off + 64 * WIDE * known.size -> off": _DOUBLE,
        "refine: 64 * WIDE * known.size -> 64 * WIDE / known.size": _DOUBLE,
        "refine: 64 -> 0": _DOUBLE,
        "refine: known.size ** 2 * (1 + 64 * WIDE) -> known.size ** 2 / (1 + 64 * WIDE)": _DOUBLE,
        "refine: 1 + 64 * WIDE -> 1 - 64 * WIDE": _DOUBLE,
        "refine: 1 + 64 * WIDE -> 1": _DOUBLE,
    },
    "rates": {
        "mode_rates: mu.real + 1j * np.abs(mu.imag) -> mu.real - 1j * np.abs(mu.imag)": "the other of two conjugates, which have one rate",
        "tied_orbit: 1.0 -> 2": "a token of zeros stays one",
        "_along: 1.0 -> 2": _SAME,
        "_along: -np.inf -> np.inf": "of a product that is zero the norm is zero too: finite is 0 there",
        "_along: 0 -> 1": "the norm of a product whose largest entry is one is one at least",
        "_along: 0.0 -> 1": _SAME,
        "_attractor_rates: 0.0 -> 1": "a product of zeros has radius zero, which is multiplied by it",
        "_attractor_rates: 1.0 -> 2": _SAME,
    },
    "orbits": {
        "find_attractor: here / (np.linalg.norm(here) or 1.0) -> here * (np.linalg.norm(here) or 1.0)": _DIRECTION,
        "find_attractor: 1.0 -> 2": _DIRECTION,
        "_polish: residual <= 1e-10 * size -> residual >= 1e-10 * size": "only how many steps of Newton's method are tried in vain",
        "_polish: 1e-10 -> 0": "only how many steps of Newton's method are tried in vain",
        "_polish: 1.0 -> 2": _SAME,
    },
    "chains": {
        "_stationary: out[:k + 1].max -> out[:k + 1].min": "a scale that the last division takes out again",
    },
    "polynomials": {
        ": 2 -> 1": _SPEED,
        ": 21 -> 0": _SPEED,
        ": 32 -> 0": _SPEED,
        "begin: math.prod(source.matrices.shape) * 8 -> math.prod(source.matrices.shape) / 8": _SPEED,
        "begin: 8 -> 0": _SPEED,
        "begin: 1.0 -> 2": _SAME,
    },
    "squaring": {
        ": 2 -> 1": _SPEED,
        ": 22 -> 0": _SPEED,
        ": 1 -> 2": _SPEED,
        ": 32 -> 0": _SPEED,
        "group_bracket: 1 -> 2": _SPEED,
        "group_bracket: 1 + max(0.0, tolerance - 8 * own) -> 1 - max(0.0, tolerance - 8 * own)": _NARROWER,
        "group_bracket: 1 + max(0.0, tolerance - 8 * own) -> 1": _NARROWER,
        "group_bracket: 8 * own -> 8 / own": _NARROWER,
        "group_bracket: tolerance - 8 * own -> tolerance + 8 * own": _ROOM,
        "group_bracket: tolerance - 8 * own -> tolerance": _ROOM,
        "group_bracket: 8 -> 0": _ROOM,
        "group_bracket: lower * (1 - own) - tiny(matrices) -> lower * (1 - own)": _ROOM,
        "group_bracket: lower * (1 - own) -> lower / (1 - own)": _ROOM,
        "group_bracket: 1 - own -> 1 + own": _ROOM,
        "group_bracket: 1 - own -> 1": _ROOM,
        "group_bracket: 1 + own -> 1": _ROOM,
        "group_bracket: max -> min": _SPEED,
        "_squared: matrix.shape[-1] <= _SMALL -> matrix.shape[-1] >= _SMALL": _SPEED,
        "_norm_from_last_product: least ** 2 / xp.where(trace > 0, trace, 1.0) / _MORE -> least ** 2 / xp.where(trace > 0, trace, 1.0) * _MORE": _DOUBLE,
        "_norm_from_last_product: xp.minimum(upper, trace) * _MORE -> xp.minimum(upper, trace) / _MORE": _DOUBLE,
        "_norm_from_last_product: xp.sqrt(lower) / factor / _MORE -> xp.sqrt(lower) / factor * _MORE": _DOUBLE,
        "_norm_from_last_product: xp.sqrt(upper) / factor * _MORE -> xp.sqrt(upper) / factor / _MORE": _DOUBLE,
        "_norm_from_last_product: power.rough * _MORE -> power.rough / _MORE": _DOUBLE,
        "_norm_from_last_product: 1.0 -> 2": _SAME,
        "at_safe_scale: 1.0 -> 2": _SAME,
        "_near_one: 1.0 -> 2": _SAME,
    },
    "gram": {
        "gram: eps(rows) * tiny(rows) * (n * q) ** 0.5 * xp.ones_like(unit[:, 0, 0]) -> eps(rows) * tiny(rows) * (n * q) ** 0.5 / xp.ones_like(unit[:, 0, 0])": "ones",
        "gram: 1 -> 2": "a unit that is not one is far above two or far below one",
        "gram: n * q * tiny(rows) ** 0.375 -> n * q / tiny(rows) ** 0.375": "rows at any scale may be brought to their own",
        "gram: 0.375 -> 0": "rows at any scale may be brought to their own",
        "gram: 1.0 -> 2": "one token alone has no deviations, whatever they are divided by",
        "_at_safe_scale: -math.log2(tiny(matrices)) -> math.log2(tiny(matrices))": "`rescale` leaves moderate entries alone too: a pass is saved",
        "_at_safe_scale: 2.0 -> 1": "`rescale` leaves moderate entries alone too: a pass is saved",
        "_at_safe_scale: -few -> few": "`rescale` leaves moderate entries alone too: a pass is saved",
    },
    "brackets": {
        "_in_chunks: tolerance - 8 * own -> tolerance + 8 * own": _ROOM,
        "_in_chunks: tolerance - 8 * own -> tolerance": _ROOM,
        "_in_chunks: 8 -> 0": _ROOM,
    },
}
