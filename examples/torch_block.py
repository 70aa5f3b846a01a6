"""Write one layer of a PyTorch model as the arrays that `oversmooth check` reads.

    python examples/torch_block.py block.npz && oversmooth check block.npz

The layer here is a fresh ``torch.nn.TransformerEncoderLayer``; put your own, and the tokens that
enter it, in its place.
"""

import sys
from collections.abc import Sequence

import numpy as np
import torch


def block_arrays(
    layer: torch.nn.TransformerEncoderLayer, tokens: torch.Tensor
) -> dict[str, np.ndarray]:
    """Return the layer and the tokens (n, d) that enter it under the names of docs/your_model.md.

    PyTorch keeps weights for x W^T; here they multiply from the right, one matrix a head.
    """
    attention = layer.self_attn
    heads, width = attention.num_heads, attention.head_dim
    query, key, value = attention.in_proj_weight.chunk(3)
    query_bias, key_bias, value_bias = attention.in_proj_bias.chunk(3)

    def by_head(weight: torch.Tensor) -> torch.Tensor:
        return weight.T.reshape(-1, heads, width).permute(1, 0, 2)

    output = attention.out_proj.weight.T.reshape(heads, width, -1)
    arrays = {
        "tokens": tokens,
        "query": by_head(query),
        "key": by_head(key),
        "query_bias": query_bias.reshape(heads, width),
        "key_bias": key_bias.reshape(heads, width),
        "value_output": by_head(value) @ output,
        "attention_bias": value_bias @ attention.out_proj.weight.T + attention.out_proj.bias,
        "ffn_in": layer.linear1.weight.T,
        "ffn_in_bias": layer.linear1.bias,
        "ffn_out": layer.linear2.weight.T,
        "ffn_out_bias": layer.linear2.bias,
        "gain_1": layer.norm1.weight,
        "shift_1": layer.norm1.bias,
        "gain_2": layer.norm2.weight,
        "shift_2": layer.norm2.bias,
    }
    plain = {name: array.detach().cpu().numpy() for name, array in arrays.items()}
    placement = "pre" if layer.norm_first else "post"
    return plain | {
        "ln_eps": np.asarray(layer.norm1.eps),
        "activation": np.asarray(layer.activation.__name__),
        "placement": np.asarray(placement),
    }


def main(arguments: Sequence[str]) -> None:
    """Write the file that the only argument names."""
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(64, nhead=4, dim_feedforward=256).double().eval()
    np.savez(arguments[0], **block_arrays(layer, torch.randn(24, 64, dtype=torch.float64)))


if __name__ == "__main__":
    main(sys.argv[1:])
