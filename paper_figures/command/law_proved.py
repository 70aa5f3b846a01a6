"""How does the command prove what the law says of one network, and keep the proof?"""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from paper_figures.command.law_options import GraphOptions, ModelOptions, TiedStack
from paper_figures.command.terminal import emit, err, out
from simulations.law.layers import repeated_layer
from simulations.law.networks import draw_network
from simulations.machine.files import write_new
from simulations.models.texts import DEFAULT_TEXTS, read_texts
from simulations.numbers import Numbers
from simulations.reports.law_proof import (
    basin_json,
    basin_reading,
    proof_json,
    proof_reading,
    proof_table,
)
from simulations.search.counterexamples import require_free
from simulations.stacks.graphs import graph_by_name, read_graph
from theory.arrays import InputError
from theory.blocks.weights import Block
from theory.proofs.basin import prove_basin
from theory.proofs.certificates import as_bytes
from theory.proofs.check import check
from theory.proofs.law import prove_law


def show_proved_law(
    graph: GraphOptions,
    stack: TiedStack,
    model: ModelOptions,
    *,
    seed: int,
    json: bool,
    out_file: Path | None,
    basin: bool,
) -> int:
    """Print what is proved, keep the certificate if asked; 1 if it is undecided."""
    if out_file is not None:
        require_free(out_file)
    asked = _of_stack(graph, stack, seed) if model.model is None else _of_model(model)
    with err.status(f"{asked.title}: proving"):
        if basin:
            ball = prove_basin(asked.block, _mask(asked.walk), asked.token)
            told, said, certificate = basin_json(ball), basin_reading(ball), ball.certificate
            tables, decided = [], ball.certificate is not None
        else:
            found = prove_law(asked.block, asked.walk, asked.token)
            told, said, certificate = proof_json(found), proof_reading(found), found.certificate
            tables = [proof_table(found, title=asked.title)] if found.modes else []
            decided = found.verdict != "undecided"
    if json:
        emit(told)
    else:
        if tables:
            out.print(*tables)
        out.print(said, soft_wrap=True, highlight=False, markup=False)
    if out_file is not None and certificate is not None:
        _keep(out_file, certificate, quiet=json)
    return 0 if decided else 1


class _Asked(NamedTuple):
    """The block that is repeated, who listens to whom, where the token starts, and a title."""

    block: Block
    walk: Numbers
    token: Numbers
    title: str


def _of_stack(graph: GraphOptions, stack: TiedStack, seed: int) -> _Asked:
    if not stack.tied:
        raise InputError("--prove is about one layer repeated for ever: leave out --no-tied")
    read = read_graph(
        graph.file or graph.graph or "complete",
        graph.size(stack),
        seed=seed,
        format=graph.format,
        self_loops=graph.self_loops,
        directed=graph.directed,
    )
    walk = read.adjacency
    drawn, token = draw_network(replace(stack, tokens=len(walk)), seed=seed)
    assert isinstance(drawn, Block)  # the stack is tied
    assert token is not None  # it draws tokens
    title = f"{stack.placement}-{stack.norm} block on {graph.title}, {len(walk)} tokens"
    return _Asked(drawn, walk, token, title)


def _of_model(model: ModelOptions) -> _Asked:
    assert model.model is not None
    layer = 0 if model.layer is None else model.layer
    texts = DEFAULT_TEXTS if model.text is None else read_texts(model.text)
    block, token = repeated_layer(model.model, texts, layer, max_length=model.max_length)
    walk = graph_by_name("complete", 2)  # its walk has the eigenvalues 1 and 0, as any larger
    return _Asked(block, walk, token, f"layer {layer} of {model.model}, repeated, full attention")


def _mask(walk: Numbers) -> Numbers:
    if walk.dtype != np.bool_:
        raise InputError("--basin needs a graph of zeros and ones: other weights are no scores")
    return walk


def _keep(file: Path, certificate: dict[str, Any], *, quiet: bool) -> None:
    data = as_bytes(certificate)
    proved = check(data)
    if not write_new(file, data):
        raise InputError(f"{file} is there already; choose another name or remove it")
    if not quiet:
        out.print(f"{file}: {proved}", soft_wrap=True, highlight=False, markup=False)
