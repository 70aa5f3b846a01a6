from paper_figures.figures.bounds import (
    bound_vs_rate,
    fixed_sigma,
    lambda_heads,
    ln_std_drivers,
    local_bound,
    phase_diagram,
    residual_attention_exact,
    tau,
    tightness,
)

__all__ = [
    "bound_vs_rate",
    "fixed_sigma",
    "lambda_heads",
    "ln_std_drivers",
    "local_bound",
    "phase_diagram",
    "residual_attention_exact",
    "tau",
    "tightness",
]
