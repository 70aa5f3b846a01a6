"""Is every way to put a block together found, with the very weights that it was made of?"""

from typing import Any

import numpy as np
import pytest

from simulations.capture.family import Family
from simulations.capture.trace import read_model
from tests.test_simulations.test_capture.helpers.own import network
from tests.test_simulations.test_capture.helpers.tiny import Module, tokens
from theory.arrays import InputError
from theory.blocks.weights import PLACEMENTS

torch = pytest.importorskip("torch")

D, HEADS, WIDE = 12, 4, 20
M = D // HEADS
FAMILY = Family(
    blocks="blocks",
    attention="",
    value="qkv",
    output="out",
    up="up",
    down="down",
    norms=("n1", "n2", "o1", "o2"),
)
# Groups of heads that share keys and values, whether they lie group by group, RMSNorm.
LAYOUTS = ((1, False, False), (2, False, True), (2, True, False), (4, True, True))
GATES = {"none": "gelu", "first": "silu", "second": "gelu_tanh"}
"""Where the gate stands in a joint projection, and the activation that goes with it here."""


class Anything(Module):  # type: ignore[misc]
    """A block of any placement, gate, number of groups, layout of values and kind of norm."""

    def __init__(self, placement: str, gate: str, groups: int, by_group: bool, rms: bool) -> None:
        super().__init__()
        nn = torch.nn
        self.placement, self.gate, self.groups, self.by_group = placement, gate, groups, by_group
        self.qkv, self.out = nn.Linear(D, (HEADS + 2 * groups) * M), nn.Linear(D, D)
        self.up, self.down = nn.Linear(D, WIDE * (1 if gate == "none" else 2)), nn.Linear(WIDE, D)
        kind = nn.RMSNorm if rms else nn.LayerNorm
        self.n1, self.n2, self.o1, self.o2 = (kind(D, eps=1e-3) for _ in range(4))

    def values(self) -> Any:
        """Return the columns of the values, by group: (groups, M)."""
        columns = torch.arange((HEADS + 2 * self.groups) * M)
        if self.by_group:
            return columns.view(self.groups, -1, M)[:, -1]
        return columns[-self.groups * M :].view(self.groups, M)

    def attend(self, x: Any) -> Any:
        b, n, _ = x.shape
        joint, each = self.qkv(x), HEADS // self.groups
        if self.by_group:
            parts = joint.view(b, n, self.groups, each + 2, M)
            query = parts[..., :-2, :].reshape(b, n, HEADS, M)
            key, value = parts[..., -2, :], parts[..., -1, :]
        else:
            query, key, value = joint.split([D, self.groups * M, self.groups * M], -1)
            query, key, value = (y.view(b, n, -1, M) for y in (query, key, value))
        query, key, value = (y.transpose(1, 2) for y in (query, key, value))
        fused = torch.nn.functional.scaled_dot_product_attention
        heard = fused(query, key, value, is_causal=True, enable_gqa=True)
        return self.out(heard.transpose(1, 2).reshape(b, n, D))

    def feed(self, x: Any) -> Any:
        phi = torch.nn.functional
        if self.gate == "none":
            return self.down(phi.gelu(self.up(x)))
        first, second = self.up(x).chunk(2, -1)
        if self.gate == "first":
            return self.down(phi.silu(first) * second)
        return self.down(first * phi.gelu(second, approximate="tanh"))

    def forward(self, x: Any) -> Any:
        if self.placement == "post":
            y = self.n1(0.8 * x + self.attend(x))
            return self.n2(1.3 * y + 0.7 * self.feed(y))
        if self.placement == "pre":
            y = 0.8 * x + self.attend(self.n1(x))
            return 1.3 * y + 0.7 * self.feed(self.n2(y))
        if self.placement == "sandwich":
            y = 0.8 * x + self.o1(self.attend(self.n1(x)))
            return 1.3 * y + 0.7 * self.o2(self.feed(self.n2(y)))
        return 0.8 * x + self.attend(self.n1(x)) + 0.7 * self.feed(self.n2(x))


def family_of(placement: str) -> Family:
    """Return the names of the norms that are called, and of the rest."""
    names = FAMILY.norms if placement == "sandwich" else FAMILY.norms[:2]
    return Family(**{**vars(FAMILY), "norms": names})


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("gate", GATES)
def test_a_block_is_found_with_its_weights(placement: str, gate: str) -> None:
    for groups, by_group, rms in LAYOUTS:
        module = Anything(placement, gate, groups, by_group, rms)
        model = network(blocks=[module]).double()
        (reading,) = read_model(model, tokens(2, 6, D).double(), family=family_of(placement))
        block = reading.block
        assert block is not None
        sublayer = block.feed_forward
        assert sublayer is not None
        assert reading.error < 1e-12
        assert block.placement == placement
        assert {block.norm_1.kind, block.norm_2.kind} == {"rms" if rms else "layer"}
        assert block.norm_1.eps == block.norm_2.eps == 1e-3
        assert (sublayer.activation, sublayer.gated) == (GATES[gate], gate != "none")
        scales = (0.8,) if placement == "parallel" else (0.8, 1.3)
        np.testing.assert_allclose(block.residual_scales, scales, rtol=1e-9)
        with torch.no_grad():
            weight = module.qkv.weight[module.values()].mT.numpy()  # (groups, D, M)
            gain, up, down = (y.weight.numpy() for y in (module.n1, module.up, module.down))
        wanted = np.repeat(weight, HEADS // groups, axis=0)
        np.testing.assert_array_equal(block.attention.value, wanted)
        np.testing.assert_array_equal(block.norm_1.gain, gain)
        inner = up.T if gate == "none" else up.T[:, WIDE:] if gate == "first" else up.T[:, :WIDE]
        np.testing.assert_array_equal(sublayer.weight_in, inner)
        share = 1.0 if placement == "sandwich" else 0.7  # a norm at the end has it
        np.testing.assert_allclose(sublayer.weight_out, share * down.T, rtol=1e-9)


def test_a_norm_that_is_there_but_was_not_called_is_refused() -> None:
    model = network(blocks=[Anything("pre", "none", 4, False, False)])
    with pytest.raises(InputError, match=r"block 0 .*: o1 is there but was not called"):
        read_model(model, tokens(2, 6, D), family=FAMILY)
