"""Readings without the largest token, or without the first, are those of the others alone."""

import numpy as np
import pytest

from simulations.instruments.captured import trace_captured
from simulations.instruments.trace import trace_blocks, trace_centred
from simulations.reports.one_token import is_massive, warning, without_tables
from simulations.reports.traces import reading, trace_json, trace_tables
from tests.helpers.blocks import random_tokens
from tests.test_simulations.helpers.three_layers import STACK, D, N
from theory.measures.subspace import consensus_distance
from theory.measures.tokens import cosine_similarity, relative_distance


def _massive(*, layers: int = 4, texts: int = 2) -> list[np.ndarray]:
    """Return states in which the token 2 is a hundred times as long from layer 1 on."""
    states = [random_tokens(i, texts, N, D) for i in range(layers)]
    for tokens in states[1:]:
        tokens[:, 2] *= 100
    return states


def test_readings_without_a_token_are_those_of_the_others() -> None:
    states = _massive()
    trace = trace_captured(states, final_norm=False)
    for name, out in (("first", 0), ("largest", 2)):
        others = [np.delete(tokens, out, axis=1) for tokens in states]
        for layer in (1, 2, 3):
            for measure, read in (
                ("cosine_similarity", cosine_similarity),
                ("relative_distance", relative_distance),
            ):
                found = trace.tokens[f"{measure}_without_{name}"][layer]
                np.testing.assert_allclose(found, read(others[layer]), rtol=1e-12)
            ratio = consensus_distance(others[layer]) / consensus_distance(others[layer - 1])
            found = trace.blocks[f"measured_ratio_without_{name}"][layer - 1]
            np.testing.assert_allclose(found, ratio, rtol=1e-12)
    np.testing.assert_array_equal(trace.tokens["largest_token"][1:], 2)
    assert (trace.tokens["largest_share"][1:] > 0.7).all()
    lengths = np.linalg.norm(states[3], axis=-1)
    np.testing.assert_allclose(trace.tokens["largest_norm"][3], lengths[:, 2], rtol=1e-14)
    np.testing.assert_allclose(trace.tokens["median_norm"][3], np.median(lengths, axis=-1))


def test_a_token_that_does_not_count_is_neither_first_nor_largest() -> None:
    states = _massive()
    mask = np.ones((2, N), dtype=bool)
    mask[:, [0, 2]] = False
    found = trace_captured(states, token_mask=mask, final_norm=False)
    wanted = trace_captured([tokens[:, mask[0]] for tokens in states], final_norm=False)
    for name in wanted.tokens:
        np.testing.assert_allclose(found.tokens[name], wanted.tokens[name], rtol=1e-12)


def test_with_two_tokens_nothing_is_left_to_measure() -> None:
    trace = trace_captured([random_tokens(i, 2, D) for i in range(2)])
    for name in ("cosine_similarity", "relative_distance"):
        assert np.isnan(trace.tokens[f"{name}_without_first"]).all()
    assert np.isnan(trace.blocks["measured_ratio_without_largest"]).all()
    assert np.isfinite(trace.tokens["cosine_similarity"]).all()


def test_other_tokens_that_are_zero_or_equal_spoil_nothing() -> None:
    zero, equal = np.zeros((4, 3)), np.ones((4, 3))
    zero[1] = equal[1] = 5.0
    trace = trace_captured([zero, equal])
    assert np.isnan(trace.tokens["relative_distance_without_largest"][0])
    assert trace.tokens["relative_distance_without_largest"][1] == 0
    assert np.isnan(trace.blocks["measured_ratio_without_largest"][0])  # equal before and after
    same = trace_captured([np.ones((4, 3))] * 2)
    assert np.isnan(same.tokens["largest_share"]).all()
    assert np.isnan(same.tokens["largest_token"]).all()


def test_centred_coordinates_read_the_same_where_plain_ones_can() -> None:
    tokens = random_tokens(3, 2, N, D)
    plain, centred = trace_blocks(STACK, tokens), trace_centred(STACK, tokens)
    for group in ("tokens", "blocks"):
        found, wanted = getattr(centred, group), getattr(plain, group)
        names = [name for name in wanted if "larg" in name or "without" in name or "median" in name]
        assert names
        for name in names:
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-8, err_msg=name)


# --- what reports say -------------------------------------------------------------------------


def test_a_report_warns_of_a_token_that_makes_most_of_the_distance() -> None:
    trace = trace_captured(_massive(), final_norm=False)
    assert is_massive(trace)
    assert "more than half of d_M^2 after layers 1 to 3, in 2 of 2" in warning(trace)
    assert "token 2 after layer" in warning(trace)
    assert reading(trace).startswith("Warning: one token")
    assert trace_json(trace)["warnings"] == [warning(trace)]


def test_a_report_on_tokens_of_like_size_does_not() -> None:
    trace = trace_captured([np.eye(12), 2 * np.eye(12)])
    assert not is_massive(trace)
    assert warning(trace) == ""
    assert "Warning" not in reading(trace)
    assert trace_json(trace)["warnings"] == []
    assert len(trace_tables(trace, title="", width=200)) == 1


def test_two_tokens_have_one_half_each_and_are_no_cause_to_warn() -> None:
    trace = trace_captured([random_tokens(i, 8, 2, D) for i in range(3)])
    assert not is_massive(trace)


@pytest.mark.parametrize(("width", "tables"), [(80, 2), (92, 2), (130, 1)])
def test_the_tables_without_a_token_fit_the_terminal(width: int, tables: int) -> None:
    trace = trace_captured(_massive(), final_norm=False)
    found = without_tables(trace, width=width)
    assert len(found) == tables
    assert [len(table.rows) for table in found] == [trace.depth + 1] * tables
    columns = [str(column.header) for table in found for column in table.columns]
    assert columns.count("CosSim") == columns.count("CosSim -0") == 1
    assert trace_tables(trace, title="", width=width)[-tables].title == found[0].title


def test_the_first_block_stands_beside_the_others() -> None:
    small, *rest = [random_tokens(i, 2, N, D) for i in range(4)]
    told = reading(trace_captured([small / 100, *rest], final_norm=False))
    first = told.partition("at most a factor ")[2].partition(" in the first block")[0]
    others = told.partition("first block, ")[2].partition(" in the others")[0]
    assert float(first) > 20 > 5 > float(others)


# --- the norm after the last block ------------------------------------------------------------


def _after_a_final_norm() -> list[np.ndarray]:
    states = [random_tokens(0, 2, N, D)]
    states += [states[0] * 50 + random_tokens(i, 2, N, D) for i in range(1, 5)]
    return [*states, states[-1] / 50]


def test_a_last_ratio_far_from_the_others_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="final norm"):
        trace_captured(_after_a_final_norm())


def test_a_first_ratio_far_from_the_others_is_not() -> None:
    trace_captured(_after_a_final_norm()[:-1])


def test_who_says_whether_there_is_a_final_norm_is_not_warned() -> None:
    states = _after_a_final_norm()
    kept, left_out = (trace_captured(states, final_norm=said) for said in (False, True))
    for name, ratios in kept.blocks.items():
        assert np.isfinite(ratios).all()
        np.testing.assert_array_equal(left_out.blocks[name][:-1], ratios[:-1])
        assert np.isnan(left_out.blocks[name][-1]).all()
    assert left_out.tokens.keys() == kept.tokens.keys()
    assert trace_captured(states[:1], final_norm=True).depth == 0
