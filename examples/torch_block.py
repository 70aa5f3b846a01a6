"""Write one layer of a PyTorch model as the arrays that `oversmooth check` reads.

    python examples/torch_block.py block.npz && oversmooth check block.npz

The layer here is a fresh ``torch.nn.TransformerEncoderLayer``; put your own, and the tokens that
enter it, in its place.
"""

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

_ACTIVATIONS = {
    functional.relu: "relu",
    torch.relu: "relu",
    functional.gelu: "gelu",
    functional.silu: "silu",
    torch.tanh: "tanh",
}
_MODULES = {torch.nn.ReLU: "relu", torch.nn.SiLU: "silu", torch.nn.Tanh: "tanh"}


def block_arrays(
    layer: torch.nn.TransformerEncoderLayer, tokens: torch.Tensor
) -> dict[str, np.ndarray]:
    """Return the layer and the tokens (n, d) that enter it under the names of docs/your_model.md.

    PyTorch keeps weights for x W^T; here they multiply from the right, one matrix a head.

    Raises: ValueError for a layer that these arrays cannot say
    """
    attention, norms = layer.self_attn, (layer.norm1, layer.norm2)
    if attention.in_proj_weight is None or attention.bias_k is not None or attention.add_zero_attn:
        raise ValueError("attention must have no kdim, no add_bias_kv and no add_zero_attn")
    if not all(isinstance(norm, torch.nn.LayerNorm) for norm in norms):
        raise ValueError(f"both norms must be LayerNorm, but are {norms}")
    if norms[0].eps != norms[1].eps:
        raise ValueError(f"both norms must have one eps, but have {norms[0].eps}, {norms[1].eps}")
    heads, width = attention.num_heads, attention.head_dim

    def by_head(weight: torch.Tensor) -> torch.Tensor:
        return weight.T.reshape(-1, heads, width).permute(1, 0, 2)

    query, key, value = attention.in_proj_weight.chunk(3)
    output = attention.out_proj.weight.T
    arrays = {
        "tokens": tokens,
        "query": by_head(query),
        "key": by_head(key),
        "value_output": by_head(value) @ output.reshape(heads, width, -1),
        "ffn_in": layer.linear1.weight.T,
        "ffn_in_bias": layer.linear1.bias,
        "ffn_out": layer.linear2.weight.T,
        "ffn_out_bias": layer.linear2.bias,
        "gain_1": norms[0].weight,
        "shift_1": norms[0].bias,
        "gain_2": norms[1].weight,
        "shift_2": norms[1].bias,
    }
    if attention.in_proj_bias is not None:
        query_bias, key_bias, value_bias = attention.in_proj_bias.chunk(3)
        arrays |= {
            "query_bias": query_bias.reshape(heads, width),
            "key_bias": key_bias.reshape(heads, width),
            "attention_bias": value_bias @ output + attention.out_proj.bias,
        }
    plain = {
        name: array.detach().cpu().double().numpy()
        for name, array in arrays.items()
        if array is not None
    }
    return plain | {
        "ln_eps": np.asarray(norms[0].eps),
        "activation": np.asarray(_activation(layer.activation)),
        "placement": np.asarray("pre" if layer.norm_first else "post"),
    }


def _activation(function: object) -> str:
    if isinstance(function, torch.nn.GELU):
        return "gelu_tanh" if function.approximate == "tanh" else "gelu"
    for kind, name in _MODULES.items():
        if isinstance(function, kind):
            return name
    if function not in _ACTIVATIONS:
        raise ValueError(f"activation must be relu, gelu, silu or tanh of PyTorch, not {function}")
    return _ACTIVATIONS[function]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file that the only argument names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("file", help="such as block.npz")
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(64, nhead=4, dim_feedforward=256).eval()
    np.savez(parser.parse_args(arguments).file, **block_arrays(layer, torch.randn(24, 64)))


if __name__ == "__main__":
    main()
