"""Does one Transformer block do what its definition and torch's own layer say, on any library?"""

from dataclasses import replace
from types import ModuleType
from typing import Any

import hypothesis.strategies as st
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given

from tests.helpers.blocks import PLACEMENTS, blocks, masks, move, random_block, random_tokens
from tests.helpers.exact_block import block_step, rows_of
from tests.test_theory.helpers.same_block import CLOSE, assert_same
from theory.blocks.forward import apply_block, feed_forward
from theory.blocks.norms import Norm
from theory.blocks.weights import Attention, Block, BlockStep, FeedForward
from theory.statements.instances import member

CAUSAL = np.tri(5, dtype=bool)


# --- the definition --------------------------------------------------------------------------


@given(block=blocks(), mask=st.none() | masks(4), seed=st.integers(0, 999))
def test_a_block_does_what_its_definition_says_in_plain_loops(
    block: Block, mask: Any, seed: int
) -> None:
    tokens = random_tokens(seed, 4, 6)
    with mp.workdps(30):
        exact = block_step(block, rows_of(tokens), mask)
    wanted = BlockStep(
        *(None if part is None else np.asarray(part, dtype=np.float64) for part in exact)
    )
    assert_same(apply_block(block, tokens, mask=mask), wanted)


def torch_layer(**options: Any) -> Any:
    """Return torch's own encoder layer in float64, its zero biases and unit gains replaced."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(
        12, 3, dim_feedforward=20, dropout=0.0, batch_first=True, dtype=torch.float64, **options
    ).eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            if parameter.ndim == 1:
                parameter += 0.2 * torch.randn_like(parameter)
    return layer


def from_torch(layer: Any, *, placement: Any, activation: str) -> Block:
    w = {name: p.detach() for name, p in layer.named_parameters()}
    d, h = 12, 3

    def heads(rows: slice) -> Any:
        return w["self_attn.in_proj_weight"][rows].T.reshape(d, h, d // h).moveaxis(1, 0)

    def head_bias(rows: slice) -> Any:
        return w["self_attn.in_proj_bias"][rows].reshape(h, d // h)

    query, key, value = slice(0, d), slice(d, 2 * d), slice(2 * d, 3 * d)
    out = w["self_attn.out_proj.weight"].T
    attention = Attention(
        query=heads(query),
        key=heads(key),
        value=heads(value),
        output=out.reshape(h, d // h, d),
        query_bias=head_bias(query),
        key_bias=head_bias(key),
        bias=w["self_attn.in_proj_bias"][value] @ out + w["self_attn.out_proj.bias"],
    )
    ffn = FeedForward(
        weight_in=w["linear1.weight"].T,
        weight_out=w["linear2.weight"].T,
        bias_in=w["linear1.bias"],
        bias_out=w["linear2.bias"],
        activation=activation,
    )
    first, second = (
        Norm(gain=w[f"norm{i}.weight"], shift=w[f"norm{i}.bias"], eps=layer.norm1.eps)
        for i in (1, 2)
    )
    return Block(attention, ffn, norm_1=first, norm_2=second, placement=placement)


@pytest.mark.parametrize("placement", ["post", "pre"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_block_agrees_with_the_layer_that_torch_ships(
    placement: str, activation: str, masked: bool
) -> None:
    torch = pytest.importorskip("torch")
    layer = torch_layer(norm_first=placement == "pre", activation=activation)
    block = from_torch(layer, placement=placement, activation=activation)
    tokens = torch.asarray(random_tokens(3, 2, 5, 12))
    mask = torch.asarray(CAUSAL) if masked else None
    with torch.no_grad():
        wanted = layer(tokens, src_mask=None if mask is None else ~mask)
        found = apply_block(block, tokens, mask=mask).output
    assert float((found - wanted).abs().max()) <= 1e-12


@pytest.mark.parametrize(("ours", "theirs"), [("silu", "silu"), ("quick_gelu", "quick_gelu")])
def test_a_gated_sublayer_is_the_one_of_llama(ours: str, theirs: str) -> None:
    torch = pytest.importorskip("torch")
    llama = pytest.importorskip("transformers.models.llama")
    config = llama.LlamaConfig(
        hidden_size=12,
        num_attention_heads=3,
        intermediate_size=20,
        hidden_act=theirs,
        mlp_bias=True,
    )
    torch.manual_seed(0)
    layer = llama.modeling_llama.LlamaMLP(config).double().eval()
    sublayer = FeedForward(
        layer.up_proj.weight.T,
        layer.down_proj.weight.T,
        layer.up_proj.bias,
        layer.down_proj.bias,
        ours,
        layer.gate_proj.weight.T,
        layer.gate_proj.bias,
    )
    tokens = torch.asarray(random_tokens(3, 2, 5, 12))
    with torch.no_grad():
        wanted, found = layer(tokens), feed_forward(sublayer, tokens)
    assert float((found - wanted).abs().max()) <= 1e-14


@pytest.mark.parametrize("parallel", [True, False])
def test_a_parallel_block_is_the_one_of_gpt_neox(parallel: bool) -> None:
    torch = pytest.importorskip("torch")
    neox = pytest.importorskip("transformers.models.gpt_neox")
    d, h = 12, 3
    config = neox.GPTNeoXConfig(
        hidden_size=d,
        num_attention_heads=h,
        intermediate_size=20,
        hidden_act="gelu",
        use_parallel_residual=parallel,
        attn_implementation="eager",
    )
    torch.manual_seed(0)
    layer = neox.modeling_gpt_neox.GPTNeoXLayer(config, 0).double().eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    w = {name: p.detach() for name, p in layer.named_parameters()}
    mixing = w["attention.query_key_value.weight"].reshape(h, 3, d // h, d)
    query, key, value = (mixing[:, i].swapaxes(-2, -1) for i in range(3))
    biases = w["attention.query_key_value.bias"].reshape(h, 3, d // h)
    out = w["attention.dense.weight"].T
    attention = Attention(
        query=query,
        key=key,
        value=value,
        output=out.reshape(h, d // h, d),
        query_bias=biases[:, 0],
        key_bias=biases[:, 1],
        bias=biases[:, 2].reshape(d) @ out + w["attention.dense.bias"],
    )
    ffn = FeedForward(
        w["mlp.dense_h_to_4h.weight"].T,
        w["mlp.dense_4h_to_h.weight"].T,
        w["mlp.dense_h_to_4h.bias"],
        w["mlp.dense_4h_to_h.bias"],
        "gelu",
    )
    one, two = (
        Norm(gain=w[f"{name}.weight"], shift=w[f"{name}.bias"], eps=config.layer_norm_eps)
        for name in ("input_layernorm", "post_attention_layernorm")
    )
    block = Block(attention, ffn, one, two, placement="parallel" if parallel else "pre")
    tokens = torch.asarray(random_tokens(3, 1, 5, d))
    still = torch.ones(1, 5, 4).double(), torch.zeros(1, 5, 4).double()  # no token is turned
    with torch.no_grad():
        wanted = layer(tokens, attention_mask=None, position_embeddings=still)
        found = apply_block(block, tokens).output
    wanted = wanted[0] if isinstance(wanted, tuple) else wanted
    assert float((found - wanted).abs().max()) <= 1e-6, "their softmax is in single precision"


# --- libraries, dtypes, devices, batches -----------------------------------------------------


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("kind", ["layer", "rms"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_library_gives_the_same_and_keeps_dtype_and_device(
    xp: ModuleType, device: Any, placement: Any, kind: Any, dtype: str
) -> None:
    gated = kind == "rms"
    block = random_block(1, placement=placement, kind=kind, eps=1e-5, tau=1.5, gated=gated)
    tokens = random_tokens(1, 2, 5, 6)
    wanted = apply_block(block, tokens, mask=CAUSAL)
    there = xp.asarray(tokens, dtype=getattr(xp, dtype), device=device)
    found = apply_block(
        move(block, xp, dtype=dtype, device=device), there, mask=xp.asarray(CAUSAL, device=device)
    )
    for part in found:
        if part is not None:
            assert part.dtype == there.dtype
            assert part.device == there.device
    assert_same(found, wanted, tolerance=CLOSE if dtype == "float64" else 1e-4)


@given(block=blocks(batch=(2, 3)), mask=st.none() | masks(4), seed=st.integers(0, 999))
def test_a_batch_is_its_members_one_by_one(block: Block, mask: Any, seed: int) -> None:
    tokens = random_tokens(seed, 2, 3, 4, 6)
    together = apply_block(block, tokens, mask=mask)
    for index in np.ndindex(2, 3):
        alone = apply_block(member(block, index), tokens[index], mask=mask)
        assert_same(BlockStep(*(x if x is None else x[index] for x in together)), alone)


@given(block=blocks(), seed=st.integers(0, 999))
def test_one_block_serves_a_batch_and_each_member_may_have_its_mask(
    block: Block, seed: int
) -> None:
    tokens = random_tokens(seed, 3, 4, 6)
    own = np.random.default_rng(seed).random((3, 4, 4)) < 0.5
    own |= np.eye(4, dtype=bool)
    together = apply_block(block, tokens, mask=own)
    for i in range(3):
        alone = apply_block(block, tokens[i], mask=own[i])
        assert_same(BlockStep(*(x if x is None else x[i] for x in together)), alone)


@given(block=blocks())
def test_a_mask_on_keys_alone_is_that_mask_for_every_token(block: Block) -> None:
    tokens = random_tokens(0, 4, 6)
    keys = np.asarray([[True, False, True, True]])
    wanted = apply_block(block, tokens, mask=np.broadcast_to(keys, (4, 4)))
    assert_same(apply_block(block, tokens, mask=keys), wanted, tolerance=0)


@given(block=blocks())
def test_a_given_adjacency_takes_the_place_of_the_computed_one(block: Block) -> None:
    tokens = random_tokens(1, 4, 6)
    step = apply_block(block, tokens, mask=np.tri(4, dtype=bool))
    bare = replace(block, attention=replace(block.attention, query=None, key=None))
    assert_same(apply_block(bare, tokens, adjacency=step.adjacency), step, tolerance=0)


@given(block=blocks(), seed=st.integers(0, 999))
def test_nothing_is_written_into_the_arguments(block: Block, seed: int) -> None:
    tokens = random_tokens(seed, 4, 6)
    before = tokens.copy()
    weights = block.attention.value.copy()
    apply_block(block, tokens, mask=np.tri(4, dtype=bool))
    np.testing.assert_array_equal(tokens, before)
    np.testing.assert_array_equal(block.attention.value, weights)
