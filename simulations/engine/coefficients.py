"""Which v does each cell have, given brackets of lambda and s and the std values?"""

from collections.abc import Mapping, Sequence

import numpy as np

from simulations.numbers import Numbers
from simulations.stacks.stack import Stack
from theory.blocks.activations import activation
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, BlockStep, FeedForward
from theory.blocks.wiring import norms_used
from theory.bounds.coefficients import compose
from theory.bounds.saturating import saturation


@np.errstate(all="ignore")  # a v beyond the range is inf, one of tokens that are NaN is NaN
def coefficients(cells: Sequence[Stack], found: Mapping[str, Numbers]) -> dict[str, Numbers]:
    """Return lambda, s, the sigmas and v from what a chunk read, in float64.

    s(g W) = |g| s(W): the gains of a cell multiply the norms of the unit-gain weights. v and
    v_sharp take the upper side of every bracket, so that what they bound is bounded. v_sharp of a
    gated cell has one constant for all hidden features. With the sums of Dobrushin's coefficients
    there is v_diameter too.

    Shapes: found as `run_chunk` returns it -> (L, c, s)
    Source: shi2022, theorem 2
    """
    wide = {name: np.asarray(x, np.float64) for name, x in found.items() if x.dtype.kind == "f"}
    value_gain, ffn_gain = (
        np.abs([getattr(cell, name) for cell in cells])[:, None]
        for name in ("value_gain", "ffn_gain")
    )

    def s(side: str) -> Numbers:
        largest = value_gain * wide[f"value_{side}"].max(axis=1, keepdims=True)
        if "ffn_in_upper" in wide:
            largest = np.maximum(largest, wide[f"ffn_in_{side}"])
            largest = np.maximum(largest, ffn_gain * wide[f"ffn_out_{side}"])
        if "ffn_gate_upper" in wide:
            largest = np.maximum(largest, wide[f"ffn_gate_{side}"])
        return np.asarray(largest)

    out = {
        "lambda_lower": wide["lambda_lower"],
        "lambda_upper": wide["lambda_upper"],
        "lambda_tier": np.asarray(found["lambda_tier"]),
        "lambda_noise": np.asarray(found["lambda_noise"]),
        "s_lower": s("lower"),
        "s_upper": s("upper"),
    }
    norms = norms_used(cells[0].placement, feed_forward=bool(cells[0].ffn_width))
    sigmas = {
        f"std_{name}": wide[f"sigma_{i}"] for i, name in enumerate(norms) if f"sigma_{i}" in wide
    }
    out |= {name.replace("std", "sigma"): sigma for name, sigma in sigmas.items()}

    lipschitz: float | Numbers = activation(cells[0].activation).lipschitz
    paper = cells[0].heads * np.sqrt(out["lambda_upper"]) * out["s_upper"]
    sharp, ffn_sharp = value_gain * wide["sharp"], np.zeros_like(paper)
    if "ffn_gate_upper" in wide:
        gate, hidden = wide["gate_peak"], lipschitz * wide["hidden_peak"]
        inner = gate * wide["ffn_in_upper"] + hidden * wide["ffn_gate_upper"]
        ffn_sharp += ffn_gain * wide["ffn_out_upper"] * inner
        lipschitz = gate + hidden
    elif "ffn_in_upper" in wide:
        ffn_sharp += lipschitz * ffn_gain * wide["ffn_in_upper"] * wide["ffn_out_upper"]
    out["v"] = _v(cells, sigmas, paper, lipschitz * out["s_upper"] ** 2)
    out["v_sharp"] = _v(cells, sigmas, sharp, ffn_sharp)
    if "mixing" in wide:
        out["attention_diameter"] = value_gain * wide["mixing"]
        out["v_diameter"] = _v(cells, sigmas, out["attention_diameter"], ffn_sharp)
    return out


def saturations(cells: Sequence[Stack]) -> Numbers | None:
    """Return the largest d_M that a block of each cell can put out; None if no cell has one.

    NaN for a cell whose blocks do not end with a norm that divides by each token's std.

    Shapes: -> (c, 1)
    """
    stack = cells[0]
    tokens = np.zeros((stack.tokens, stack.width))
    found = [saturation(_skeleton(cell), tokens) for cell in cells]
    if all(each is None for each in found):
        return None
    return np.asarray([np.nan if each is None else float(each) for each in found])[:, None]


def _v(
    cells: Sequence[Stack], sigmas: Mapping[str, Numbers], attention: Numbers, ffn: Numbers
) -> Numbers:
    """Chain the sublayers' factors cell by cell, by the one formula that there is for it."""
    v = np.empty_like(attention)
    for c, cell in enumerate(cells):
        std = {name: sigma[:, c, :, None] for name, sigma in sigmas.items()}
        step = BlockStep(None, None, **std)
        v[:, c] = compose(_skeleton(cell), step, attention[:, c], ffn[:, c])
    return v


def _skeleton(cell: Stack) -> Block:
    """Return the smallest block with the norms, residual scales and placement of the cell."""
    one = np.ones((1, 1))
    norm = Norm(
        kind=cell.norm,
        gain=np.asarray([cell.norm_gain]),
        eps=cell.ln_eps,
        tau=cell.tau,
        fixed_std=cell.fixed_std,
    )
    return Block(
        Attention(None, None, one[None]),
        FeedForward(one, one) if cell.ffn_width else None,
        norm_1=norm,
        norm_2=norm,
        norm_1_out=norm,
        norm_2_out=norm,
        placement=cell.placement,
        residual=cell.residual,
        residual_attention=cell.residual_attention,
        residual_ffn=cell.residual_ffn,
    )
