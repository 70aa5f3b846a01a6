"""What do the exact law and real tangent maps say of a pretrained model, layer by layer?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulations.law.model_layers import model_layers
from simulations.law.model_orbits import SynchronisedModel, synchronised_model
from simulations.law.model_tangents import TangentModel, tangent_model
from simulations.models.checkpoint import Checkpoint
from simulations.models.find import load_checkpoint
from simulations.models.forward import embed
from simulations.models.images import encode_images
from simulations.models.tokens import encode
from simulations.stacks.seeds import generator
from theory.arrays import InputError
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
    inputs: Sequence[str | Path | NDArray[Any]],
    *,
    max_length: int | None = 64,
    prefix: str | None = None,
    vectors: int = 4,
    seed: int = 0,
) -> ModelLaw:
    """Put a checkpoint's layers beside the law, in float64, special tokens included.

    ``inputs`` are texts, or images for a model that reads them, as
    `simulations.models.images.encode_images` takes them. The synchronised orbits start at each
    one's mean token, at the mean of those, and at one random token of the same size; the last two
    stand for as many tokens as the longest input has.

    Raises: InputError if there is no such checkpoint or no input, or one has one token only,
            again and again or not
    """
    if not isinstance(checkpoint, Checkpoint):
        checkpoint = load_checkpoint(checkpoint)
    what = "image" if checkpoint.reads_images else "text"
    if len(inputs) == 0:
        raise InputError(f"{what}s must hold at least one {what}, but is empty")
    if vectors < 1:
        raise InputError(f"vectors must be at least 1, but is {vectors}")
    if checkpoint.reads_images:
        encoded = encode_images(checkpoint, inputs)
    else:
        texts = [each for each in inputs if isinstance(each, str)]
        if len(texts) < len(inputs):
            raise InputError(f"{checkpoint.name} reads texts, but one of its inputs is none")
        encoded = encode(checkpoint, texts, max_length=max_length, prefix=prefix)
    embedded = np.asarray(embed(checkpoint, encoded), dtype=np.float64)
    each = [rows[present] for rows, present in zip(embedded, encoded.token_mask, strict=True)]
    if min(map(len, each)) < 2:
        raise InputError(f"every {what} must have two tokens or more, or there is no difference")
    if not all((rows != rows[0]).any() for rows in each):
        raise InputError(f"every {what} must have tokens that differ, but one repeats a single one")
    layers = model_layers(checkpoint)

    means = [rows.mean(axis=0) for rows in each]
    starts = {
        f"mean of {what} {i + 1}": (mean, len(rows))
        for i, (mean, rows) in enumerate(zip(means, each, strict=True))
    }
    longest = max(map(len, each))
    if len(means) > 1:
        starts["mean of all"] = (np.mean(means, axis=0), longest)
    noise = generator(seed, "law start", means[0].size).standard_normal(means[0].size)
    starts["random"] = (noise * np.linalg.norm(means[0]) / np.linalg.norm(noise), longest)
    return ModelLaw(
        name=checkpoint.name,
        source=checkpoint.source,
        weights_sha256=checkpoint.weights_sha256,
        prefix=encoded.prefix,
        synchronised=synchronised_model(layers, starts),
        tangent=tangent_model(layers, each, vectors=vectors, seed=seed),
    )
