"""A Transformer as somebody might write it: a joint projection and odd residual factors."""

from typing import Any

import pytest

from simulations.capture.family import Family
from tests.test_simulations.test_capture.helpers.tiny import Module, unsettle

torch = pytest.importorskip("torch")

D, HEADS = 16, 2
OWN = Family(
    blocks="blocks",
    attention="",
    value="qkv",
    output="out",
    up="up",
    down="down",
    norms=("first", "second"),
)


class Block(Module):  # type: ignore[misc]
    """y = 0.9 x + 0.5 attention(LayerNorm(x)), then 1.1 y + feed_forward(RMSNorm(y))."""

    def __init__(self, *, by_hand: bool = False) -> None:
        super().__init__()
        nn = torch.nn
        self.by_hand = by_hand
        self.first, self.second = nn.LayerNorm(D), nn.RMSNorm(D)
        self.qkv, self.out = nn.Linear(D, 3 * D), nn.Linear(D, D)
        self.up, self.down = nn.Linear(D, 2 * D), nn.Linear(2 * D, D)

    def forward(self, x: Any) -> Any:
        b, n, _ = x.shape
        joint = self.qkv(self.first(x)).view(b, n, 3, HEADS, D // HEADS)
        query, key, value = joint.permute(2, 0, 3, 1, 4)
        if self.by_hand:
            ahead = torch.ones(n, n, device=x.device).triu(1) > 0
            scores = query @ key.mT / (D // HEADS) ** 0.5
            heard = scores.masked_fill(ahead, -1e9).softmax(-1) @ value
        else:
            fused = torch.nn.functional.scaled_dot_product_attention
            heard = fused(query, key, value, is_causal=True)
        x = 0.9 * x + 0.5 * self.out(heard.transpose(1, 2).reshape(b, n, D))
        return 1.1 * x + self.down(torch.nn.functional.silu(self.up(self.second(x))))


class Network(Module):  # type: ignore[misc]
    """Some blocks, and the mean of the tokens at the end."""

    def __init__(self, *, blocks: Any = None, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        made = [Block(**options) for _ in range(2)] if blocks is None else blocks
        self.blocks = torch.nn.ModuleList(made)

    def forward(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return x.mean(1)


def network(**options: Any) -> Any:
    """Return one in eval mode; no parameter has a special value."""
    return unsettle(Network(**options)).eval()
