"""The block coefficient v: a bound that no block breaks, and the same as by hand."""

from typing import Any

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
from hypothesis import given, target

from tests.helpers.blocks import Floats, blocks, masks, random_block, random_tokens
from tests.helpers.exact_block import block_step, rows_of
from tests.test_theory.helpers.exact import norm as frobenius
from tests.test_theory.helpers.exact import residual as centred
from tests.test_theory.helpers.stretch import ROUNDING, coefficients
from theory.blocks.activations import activation
from theory.blocks.forward import apply_block
from theory.blocks.norms import Norm
from theory.blocks.weights import Block, BlockStep, FeedForward
from theory.bounds.coefficients import WeightNorms, block_coefficients, norm_stretch, weight_norms

EPS = float(np.finfo(np.float64).eps)


# --- no block breaks the bound ---------------------------------------------------------------


@st.composite
def awkward_tokens(draw: st.DrawFn) -> Floats:
    """Draw tokens far from each other, nearly equal, in two clusters, or along one line."""
    tokens = random_tokens(draw(st.integers(0, 999)), 4, 6)
    kind = draw(st.sampled_from(["far", "near", "clusters", "line"]))
    if kind == "near":
        return tokens[:1] + 10.0 ** -draw(st.integers(1, 12)) * tokens
    if kind == "clusters":
        return tokens[[0, 0, 1, 1]]
    return tokens[:1] * np.asarray([[1.0], [-1.0], [3.0], [0.2]]) if kind == "line" else tokens


@given(block=blocks(), tokens=awkward_tokens(), mask=st.none() | masks(4))
def test_no_block_stretches_the_distance_by_more_than_any_form_of_v(
    block: Block, tokens: Floats, mask: Any
) -> None:
    found = coefficients(block, tokens, mask=mask)
    with mp.workdps(60):
        rows = rows_of(tokens)
        exact = block_step(block, rows, mask)
        ratio = float(frobenius(centred(exact.output)) / frobenius(centred(rows)))
    target(ratio / float(found.v_stacked), label="measured over bound")
    assert ratio <= float(found.v_stacked) * (1 + ROUNDING)


@given(block=blocks(), tokens=awkward_tokens(), mask=st.none() | masks(4))
def test_the_sharper_forms_are_never_larger(block: Block, tokens: Floats, mask: Any) -> None:
    found = coefficients(block, tokens, mask=mask)
    assert 0 <= found.v_stacked <= found.v_sharp
    assert found.v_sharp <= found.v * (1 + 16 * EPS)  # a dozen products and sums


# --- by hand ---------------------------------------------------------------------------------


def by_hand(block: Block, step: BlockStep) -> dict[str, float]:
    """Return the coefficients of a block without batch axes from textbook formulas."""
    n = step.adjacency.shape[-1]
    centring = np.eye(n) - np.full((n, n), 1 / n)
    top = [np.linalg.eigvalsh(a.T @ centring @ a)[-1] for a in step.adjacency]
    attention = block.attention
    products = [
        v if attention.output is None else v @ attention.output[k]
        for k, v in enumerate(attention.value)
    ]
    sizes = [float(np.linalg.norm(p, 2)) for p in products]
    ffn = block.feed_forward
    ends: list[float] = []
    c = sharp = 0.0
    if ffn is not None:
        ends = [float(np.linalg.norm(w, 2)) for w in (ffn.weight_in, ffn.weight_out)]
        c = activation(ffn.activation).lipschitz
        sharp = c * ends[0] * ends[1]
        if ffn.weight_gate is not None:
            assert step.gate is not None
            assert step.hidden is not None
            ends.append(float(np.linalg.norm(ffn.weight_gate, 2)))
            a, b = np.abs(step.gate).max(axis=0), np.abs(step.hidden).max(axis=0)
            sharp = ends[1] * (a.max() * ends[0] + c * b.max() * ends[2])
            sharp = min(
                sharp, through(a, ffn.weight_in, ffn) + c * through(b, ffn.weight_gate, ffn)
            )
            c = a.max() + c * b.max()
    s, root = max(sizes + ends), max(top) ** 0.5
    r_1, r_2 = (
        abs(block.residual if own is None else own)
        for own in (block.residual_attention, block.residual_ffn)
    )

    def stretch(norm: Norm, std: Any) -> float:
        gain = 1.0 if norm.gain is None else float(np.abs(norm.gain).max())
        return 1.0 if norm.kind == "none" else gain / (norm.tau * float(std.min()))

    one, two = stretch(block.norm_1, step.std_1), 1.0
    out_one = out_two = 1.0
    if ffn is not None:
        two = stretch(block.norm_2, step.std_2)
    if block.placement == "sandwich":
        out_one = stretch(block.norm_1_out, step.std_1_out)
        out_two = 1.0 if ffn is None else stretch(block.norm_2_out, step.std_2_out)

    def v(attend: float, feed: float) -> float:
        if block.placement == "post":
            return one * (r_1 + attend) * (1.0 if ffn is None else two * (r_2 + feed))
        if block.placement == "parallel":
            return r_1 + one * attend + (0.0 if ffn is None else two * feed)
        last = 1.0 if ffn is None else r_2 + two * feed * out_two
        return (r_1 + one * attend * out_one) * last

    tau = [np.abs(a[:, None] - a[None]).sum(axis=-1).max() / 2 for a in step.adjacency]
    mixing = float(sum(t * size for t, size in zip(tau, sizes, strict=True)))
    heads = sum(t**0.5 * size for t, size in zip(top, sizes, strict=True))
    return {
        "lambda": max(top),
        "s": s,
        "v": v(root * len(top) * s, c * s * s),
        "v_sharp": v(heads, sharp),
        "attention_diameter": mixing,
        "v_diameter": v(mixing, sharp),
    }


def through(peaks: Floats, weight: Floats, ffn: FeedForward) -> float:
    """Return |W sqrt(peaks)| |sqrt(peaks) W_out|, with a diagonal matrix of the peaks."""
    root = np.diag(np.sqrt(peaks))
    return float(np.linalg.norm(weight @ root, 2) * np.linalg.norm(root @ ffn.weight_out, 2))


@given(block=blocks(), mask=st.none() | masks(4), seed=st.integers(0, 999))
def test_the_numbers_are_those_of_the_textbook_formulas(block: Block, mask: Any, seed: int) -> None:
    step = apply_block(block, random_tokens(seed, 4, 6), mask=mask)
    found = dict(block_coefficients(block, step).items())
    for name, wanted in by_hand(block, step).items():
        number = found[name]
        assert number is not None
        # eigvalsh of A^T C A errs by a few eps of its norm, so sqrt(lambda) by sqrt of that
        # where A is nearly of rank one; scores of random tokens are not.
        assert abs(float(number) - wanted) <= 1e-7 * wanted + 1e-9, name
    for name, std in (("sigma_1", step.std_1), ("sigma_2", step.std_2)):
        assert found[name] is None if std is None else found[name] == std.min()


def test_coefficients_are_compared_by_identity_and_without_an_error() -> None:
    block = random_block(0, batch=(2,))
    one, other = (coefficients(block, random_tokens(0, 2, 4, 6)) for _ in range(2))
    assert one == one
    assert one != other
    assert weight_norms(block) != weight_norms(block)


def test_the_names_are_those_of_reports() -> None:
    found = coefficients(random_block(0), random_tokens(0, 4, 6))
    names = [name for name, _ in found.items()]
    first = ["lambda", "s", "sigma_1", "sigma_2", "v", "v_sharp", "v_stacked"]
    assert names == [*first, "attention_diameter", "v_diameter"]


def test_without_feed_forward_and_norms_there_are_no_such_numbers() -> None:
    found = coefficients(random_block(0, feed_forward=False, kind="none"), random_tokens(0, 4, 6))
    assert found.sigma_1 is None
    assert found.sigma_2 is None
    norms = weight_norms(random_block(0, feed_forward=False))
    assert norms.ffn_in is None
    assert norms.ffn_out is None
    assert norms.largest == norms.value.max()


def test_given_norms_are_used_instead_of_new_ones() -> None:
    block, tokens = random_block(0), random_tokens(0, 4, 6)
    step = apply_block(block, tokens)
    norms = weight_norms(block)
    same = block_coefficients(block, step, norms=norms)
    assert vars(same) == vars(block_coefficients(block, step))
    assert norms.ffn_in is not None
    doubled = WeightNorms(norms.value, 100 * norms.ffn_in, norms.ffn_out)
    assert block_coefficients(block, step, norms=doubled).s == 100 * norms.ffn_in


def test_a_norm_that_divides_nothing_stretches_nothing() -> None:
    like = np.ones(())
    assert norm_stretch(Norm("none", gain=np.full(3, 9.0)), np.ones(4), like=like) == 1
    assert norm_stretch(Norm(tau=2.0), np.asarray([0.5, 3.0]), like=like) == 1
    hidden = norm_stretch(
        Norm(), np.asarray([0.5, 3.0]), like=like, token_mask=np.asarray([False, True])
    )
    assert hidden == 1 / 3
