from simulations.centred.maps import Centred, from_tokens
from simulations.centred.norm import normalise_centred
from simulations.centred.rollout import centred_block, relative_rounding

__all__ = ["Centred", "centred_block", "from_tokens", "normalise_centred", "relative_rounding"]
