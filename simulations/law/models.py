"""What do the exact law and real tangent maps say of a pretrained model, layer by layer?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from simulations.law.model_orbits import SynchronisedModel, synchronised_model
from simulations.law.model_tangents import TangentModel, tangent_model
from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.forward import embed
from simulations.models.tokens import encode
from simulations.stacks.seeds import generator
from theory.arrays import InputError
from theory.bounds.coefficients import weight_norms
from theory.law.orbits import host_block
from theory.records import brief_repr


@brief_repr
@dataclass(frozen=True, eq=False)
class ModelLaw:
    """A pretrained model at the synchronised state, and along its real trajectories."""

    name: str
    source: str
    weights_sha256: str
    prefix: str
    synchronised: SynchronisedModel
    tangent: TangentModel

    @property
    def ordered(self) -> bool:
        """Whether measured <= v_sharp <= v in every layer of every text, as the theorem says."""
        real = self.tangent
        slack = 1 + 1e-9  # rounding of norms and ratios: d^2 eps is 3e-11 for 384 features
        return bool(
            (real.measured <= real.v_sharp * slack).all()
            and (real.v_sharp <= real.v * slack).all()
            and (self.synchronised.largest <= self.synchronised.v_sharp * slack).all()
        )


def model_law(
    checkpoint: Checkpoint | str,
    texts: Sequence[str],
    *,
    max_length: int | None = 64,
    prefix: str | None = None,
    vectors: int = 4,
    seed: int = 0,
) -> ModelLaw:
    """Put a checkpoint's layers beside the law, in float64, special tokens included.

    The synchronised orbits start at each text's mean token, at the mean of those, and at one
    random token of the same size.

    Raises: InputError if there is no such checkpoint or no text, or a text has one token only
    """
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = load_checkpoint(checkpoint)
    plain = all(block.attention.plain for block in checkpoint.blocks)
    if not plain or checkpoint.architecture.causal:
        raise InputError(
            f"the law of a whole model is about encoders whose tokens all listen to all by queries "
            f"and keys alone, but {checkpoint.name} is a decoder, or has other scores"
        )
    if not texts:
        raise InputError("texts must hold at least one text, but is empty")
    if vectors < 1:
        raise InputError(f"vectors must be at least 1, but is {vectors}")
    encoded = encode(checkpoint, texts, max_length=max_length, prefix=prefix)
    embedded = np.asarray(embed(checkpoint, encoded), dtype=np.float64)
    each = [rows[present] for rows, present in zip(embedded, encoded.token_mask, strict=True)]
    if min(map(len, each)) < 2:
        raise InputError("every text must have two tokens or more, or there is no difference")
    distinct = {id(block): host_block(block) for block in checkpoint.blocks}
    blocks = [distinct[id(block)] for block in checkpoint.blocks]
    known = {key: weight_norms(block, tolerance=1e-6) for key, block in distinct.items()}
    norms = [known[id(block)] for block in checkpoint.blocks]

    means = [rows.mean(axis=0) for rows in each]
    starts = {f"mean of text {i + 1}": mean for i, mean in enumerate(means)}
    if len(means) > 1:
        starts["mean of all"] = np.mean(means, axis=0)
    noise = generator(seed, "law start", means[0].size).standard_normal(means[0].size)
    starts["random"] = noise * np.linalg.norm(means[0]) / np.linalg.norm(noise)
    return ModelLaw(
        name=checkpoint.name,
        source=checkpoint.source,
        weights_sha256=checkpoint.weights_sha256,
        prefix=encoded.prefix,
        synchronised=synchronised_model(blocks, starts, norms=norms),
        tangent=tangent_model(blocks, each, norms=norms, vectors=vectors, seed=seed),
    )
