"""Which names at the doors of theory take arrays in a way of their own, or none?"""

# What takes no array, and records: their arrays are looked at where a function takes the record.
NO_ARRAYS = {
    "blocks": {
        *("ACTIVATIONS", "Activation", "Placement", "activation", "attention_flops", "Attention"),
        *("Block", "BlockStep", "FeedForward", "HeadNorm", "Norm", "Positions"),
    },
    "spectra": {"Bracket"},
    "bounds": {
        *("CoefficientBounds", "Coefficients", "Convergence", "Suprema", "Supremum"),
        *("WeightNorms", "convergence"),
    },
    "law": {"Attractor", "LawReport", "Linearised", "ModeRates", "NextOrder", "PowerLaw"},
    "local": {"LocalBound"},
    "extended": {"ExtendedArray", "ExtendedVerdict"},
    "balls": {"CertifiedVerdict"},
    "symbolic": {  # names of claims and activations, whole numbers, and formulas
        *("block_coefficient", "coefficient_floor", "cosine_from_distance", "critical_spread"),
        *("explicit_first_order", "first_order", "formula", "gate_stationarity"),
        *("lipschitz_constant", "sharp_coefficient", "std_threshold", "tau_degeneracy"),
        *("two_token_effective_rank", "two_tokens", "gated_coefficient", "product_identity"),
    },
    # certificates, and their bytes
    "proofs": {
        *("STATEMENTS", "NoCertificateError", "as_bytes", "check_certificate", "seal"),
        *("Basin", "LawProof", "ModeBounds"),
    },
}
# A list, or labels on the host beside tokens on a device, will do here.
LISTS_WELCOME = {
    *(("log_factor", "0"), ("partition", "0"), ("mode_rates", "1"), ("transverse_factor", "1")),
    *(("extended", "0"), ("recheck", "2.tokens"), ("recheck", "2.weights")),
    *(("certify_built", "2.tokens"), ("certify_built", "2.weights")),
}
# These bring everything to the host, so that a library may differ from another.
ON_THE_HOST = {
    *("log_factor", "partition", "suprema", "find_attractor", "operator_rate", "mode_rates"),
    *("transient_growth", "transverse_rates", "linear_distances", "next_order", "power_law"),
    *("check_extended", "recheck", "certify", "certify_built", "prove_basin", "prove_law"),
    *("local_bound", "reached_ratio"),
}
