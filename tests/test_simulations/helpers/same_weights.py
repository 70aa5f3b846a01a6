"""Which model of transformers has the weights of a checkpoint that it cannot load itself?"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from simulations.models.checkpoint import Checkpoint, embeddings_of
from simulations.models.exported import dinov2, t5
from simulations.models.exported.graph import read_graph
from simulations.models.exported.weights import numbers_of, weights_of
from simulations.models.fairseq import _places
from simulations.models.families.bert import BERT
from simulations.models.families.fairseq import FAIRSEQ_ROBERTA
from simulations.models.families.roberta import ROBERTA
from simulations.models.pickled import load_safely, tensors_of

NAMES = BERT.names


def import_transformers() -> Any:
    """Return transformers, or skip; what it says while it is imported is no concern of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("transformers")


def _filled(kind: Any, config: Any, state: Mapping[str, Any], **options: Any) -> Any:
    """Return a model with these weights and no others."""
    import torch

    tensors = {
        name: torch.asarray(np.array(value, dtype=np.float32)) for name, value in state.items()
    }
    # Not load_state_dict: their constructor first draws every weight at random, for seconds.
    theirs, report = kind.from_pretrained(
        None, config=config, state_dict=tensors, output_loading_info=True, **options
    )
    assert not any(report.values()), report
    return theirs.eval()


def their_bert(checkpoint: Checkpoint, words: NDArray[np.int64]) -> Any:
    """Build their BERT from our blocks, with rows for the given words only."""
    transformers = import_transformers()
    model = checkpoint.architecture
    config = transformers.BertConfig(
        vocab_size=len(words),
        hidden_size=model.width,
        num_hidden_layers=model.layers,
        num_attention_heads=model.heads,
        intermediate_size=model.ffn,
        hidden_act=model.activation,
        layer_norm_eps=model.norm_eps,
        max_position_embeddings=model.positions,
        type_vocab_size=model.token_types,
        attn_implementation="eager",
    )
    embeddings, d = embeddings_of(checkpoint), model.width
    state = {
        "embeddings.word_embeddings.weight": embeddings.word[words],
        "embeddings.position_embeddings.weight": embeddings.position,
        "embeddings.token_type_embeddings.weight": embeddings.token_type,
        "embeddings.LayerNorm.weight": embeddings.norm.gain,
        "embeddings.LayerNorm.bias": embeddings.norm.shift,
    }
    for layer, block in enumerate(checkpoint.blocks):
        start, attention, ffn = NAMES.layer.format(layer), block.attention, block.feed_forward
        assert attention.query is not None
        assert attention.key is not None
        assert attention.query_bias is not None
        assert attention.key_bias is not None
        assert attention.output is not None
        assert ffn is not None
        for name, weight in (
            (NAMES.query, np.moveaxis(attention.query, 1, 2).reshape(d, d)),
            (NAMES.key, np.moveaxis(attention.key, 1, 2).reshape(d, d)),
            (NAMES.value, np.moveaxis(attention.value, 1, 2).reshape(d, d)),
            (NAMES.output, attention.output.reshape(d, d).T),
            (NAMES.ffn_in, ffn.weight_in.T),
            (NAMES.ffn_out, ffn.weight_out.T),
            (NAMES.norm_1, block.norm_1.gain),
            (NAMES.norm_2, block.norm_2.gain),
        ):
            state[start + name + ".weight"] = weight
        for name, bias in (
            (NAMES.query, attention.query_bias.reshape(d)),
            (NAMES.key, attention.key_bias.reshape(d)),
            (NAMES.value, np.zeros(d)),  # ours is in the output's bias already
            (NAMES.output, attention.bias),
            (NAMES.ffn_in, ffn.bias_in),
            (NAMES.ffn_out, ffn.bias_out),
            (NAMES.norm_1, block.norm_1.shift),
            (NAMES.norm_2, block.norm_2.shift),
        ):
            state[start + name + ".bias"] = bias
    return _filled(transformers.BertModel, config, state, add_pooling_layer=False)


def their_dinov2(checkpoint: Checkpoint, path: Path) -> Any:
    """Build their DINOv2 from the tensors of an ONNX file."""
    transformers = import_transformers()
    graph, model = read_graph(path), checkpoint.architecture
    (mark,) = [name for name in graph.kept if name.endswith(dinov2.MARK)]
    found = weights_of(graph, mark.removesuffix(dinov2.MARK))
    state = {name: numbers_of(weights) for name, weights in found.items()}
    # Their model stretches the positions itself; ours are stretched when they are read.
    assert checkpoint.architecture.image is not None
    config = transformers.Dinov2Config(
        hidden_size=model.width,
        num_hidden_layers=model.layers,
        num_attention_heads=model.heads,
        mlp_ratio=model.ffn // model.width,
        image_size=checkpoint.architecture.image.size,
        patch_size=checkpoint.architecture.image.patch,
        attn_implementation="eager",
    )
    assert checkpoint.embeddings.position is not None
    position = checkpoint.embeddings.position[None]
    state |= {"embeddings.position_embeddings": position}
    state |= {"embeddings.mask_token": np.zeros((1, model.width))}
    return _filled(transformers.Dinov2Model, config, state)


def their_t5(checkpoint: Checkpoint, path: Path) -> Any:
    """Build their encoder of T5 from the tensors of an ONNX file."""
    transformers = import_transformers()
    graph, model = read_graph(path), checkpoint.architecture
    (mark,) = [name for name in graph.kept if name.startswith("enc.") and "relative" in name][:1]
    found = weights_of(graph, mark.partition(t5.MARK)[0])
    state = {f"encoder.{name}": numbers_of(weights) for name, weights in found.items()}
    state["shared.weight"] = state.pop("encoder.embed_tokens.weight")
    config = transformers.T5Config(
        vocab_size=model.vocabulary,
        d_model=model.width,
        d_kv=model.head_features,
        d_ff=model.ffn,
        num_layers=model.layers,
        num_heads=model.heads,
        feed_forward_proj="gated-gelu",
        attn_implementation="eager",
    )
    return _filled(transformers.T5EncoderModel, config, state)


def their_roberta(checkpoint: Checkpoint, path: Path) -> Any:
    """Build their RoBERTa from the tensors of fairseq's file."""
    import argparse

    transformers = import_transformers()
    model = checkpoint.architecture
    kept = tensors_of("fairseq", load_safely(path, allowed=[argparse.Namespace])["model"])
    old, new = FAIRSEQ_ROBERTA.names, ROBERTA.names
    renamed = {
        getattr(old, part): getattr(new, part)
        for part in ("query", "key", "value", "output", "norm_1", "ffn_in", "ffn_out", "norm_2")
    } | {old.word: new.word, old.position: new.position, old.norm: new.norm}
    state = {}
    for name, place in _places(kept.keys(), "fairseq").items():
        inner = name.removeprefix("layers.")
        layer, _, rest = inner.partition(".") if inner != name else ("", "", name)
        module, _, kind = rest.rpartition(".")
        start = new.layer.format(layer) if layer else ""
        state[f"{start}{renamed[module]}.{kind}"] = kept.get_tensor(place)
    state["embeddings.token_type_embeddings.weight"] = np.zeros((1, model.width))
    config = transformers.RobertaConfig(
        vocab_size=model.vocabulary,
        hidden_size=model.width,
        num_hidden_layers=model.layers,
        num_attention_heads=model.heads,
        intermediate_size=model.ffn,
        max_position_embeddings=model.positions,
        type_vocab_size=1,
        layer_norm_eps=model.norm_eps,
        attn_implementation="eager",
    )
    return _filled(transformers.RobertaModel, config, state, add_pooling_layer=False)
