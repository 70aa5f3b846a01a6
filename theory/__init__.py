"""Over-smoothing as mathematics: pure functions on arrays."""
