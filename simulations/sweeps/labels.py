"""What are the numbers of a data set called, and what are they?"""

from typing import Any, Final

from simulations.sweeps.near_consensus import READINGS as LAW_READINGS
from theory.arrays import InputError

MADE_BY: Final = ("oversmooth", "numpy", "scipy", "python", "commit")
"""What a data set says of the code that made its cells."""
_RENAMED = {"norm": "token_norm"}  # "norm" may be an axis: which norm the blocks have
_TEXTS = {
    "cosine_similarity": "mean cosine of the angle between two tokens",
    "token_norm": "Frobenius norm of the tokens, |H|",
    "distance": "distance to consensus, d_M(H)",
    "log_distance": "natural logarithm of d_M(H)",
    "log10_distance": "decimal logarithm of d_M(H)",
    "relative_distance": "d_M(H) / |H|",
    "log10_relative_distance": "decimal logarithm of d_M(H) / |H|",
    "distance_noise": "whether rounding alone may move the distance by more than the tolerance",
    "mean_average_distance": "mean of 1 - cos over pairs of tokens (MAD)",
    "high_frequency_ratio": "|HC[H]| / |DC[H]|: deviations from the mean token over the mean token",
    "dong_residual": "sqrt(norm_1 norm_inf) of the deviations from the mean token",
    "participation_rank": "participation rank of the tokens",
    "diameter": "largest distance of two tokens",
    "effective_rank": "effective rank of the tokens (exponential of the entropy)",
    "stable_rank": "stable rank of the tokens",
    "rank_one_fraction": "sigma_1^2 over the sum of sigma^2: the best rank-one part of the tokens",
    "largest_share": "share of the largest token in d_M(H)^2",
    "largest_token": "number of the token with the largest share, from 0",
    "largest_norm": "length of the longest token",
    "median_norm": "median length of a token",
    "measured_ratio": "d_M after the block over d_M before it",
    "reconstruction_error": "largest difference of the block from the model's own, relative",
    "attention_entropy": "mean entropy of a row of attention weights",
    "attention_similarity": "cosine of the attention weights with those of the block before",
    "lambda": "coupling of the heads",
    "lambda_lower": "lower end of lambda, the coupling of the heads",
    "lambda_upper": "upper end of lambda, the coupling of the heads",
    "lambda_tier": "how the bracket of lambda was found",
    "lambda_noise": "whether rounding alone may move lambda by more than the tolerance",
    "s": "largest singular value of the weights",
    "s_lower": "lower end of s, the largest singular value of the weights",
    "s_upper": "upper end of s, the largest singular value of the weights",
    "s_excess": "by how much s may be too large, relative",
    "sigma_1": "smallest standard deviation that the first norm divides by",
    "sigma_2": "smallest standard deviation that the second norm divides by",
    "v": "coefficient of the block theorem, upper end",
    "v_lower": "lower end of the block theorem's coefficient",
    "v_upper": "upper end of the block theorem's coefficient",
    "v_error": "how far the true v may be above the one computed",
    "v_sharp": "sharper coefficient of the block theorem, upper end",
    "v_stacked": "coefficient of the block theorem with the heads stacked, upper end",
    "attention_diameter": "sum over the heads of Dobrushin's coefficient times the norm, upper end",
    "v_diameter": "coefficient of the block theorem for the diameter, upper end",
    "v_diameter_lower": "lower end of that coefficient",
    "v_diameter_upper": "upper end of that coefficient",
    "diameter_ratio": "diameter after the block over that before it",
    "saturation": "largest d_M that a block ending with a norm puts out, over d_M before it",
    "log10_envelope_v": "decimal logarithm of what v allows d_M to have grown by, from the start",
    "log10_envelope_diameter": "the same, by diameters",
    "log10_envelope": "the same, by all bounds together",
    "v_secant": "v with the sublayer's largest measured ratio in the place of its constant",
    "rounding": "how far rounding alone can lift the ratio above v",
    **LAW_READINGS,
}
_WITHOUT = {"_without_first": "without the first token", "_without_largest": "without the largest"}


def named(name: str) -> tuple[str, dict[str, str]]:
    """Return what a reading is called in a data set, and what is told of it."""
    name = _RENAMED.get(name, name)
    text = _TEXTS.get(name, "")
    for end, without in _WITHOUT.items():
        if name.endswith(end):
            text = f"{_TEXTS[name.removesuffix(end)]}, {without}"
    return name, {"long_name": text, "units": "1"}


def import_xarray() -> Any:
    """Return the library xarray.

    Raises: InputError if it is not installed
    """
    try:
        import xarray
    except ImportError as error:
        raise InputError("reading a store needs xarray: pip install 'oversmooth[sweep]'") from error
    return xarray
