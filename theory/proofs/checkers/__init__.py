"""Is a certificate a proof?

The folder stands alone: copied anywhere, `python checkers FILE` answers (0: proved, 1: not proved,
2: no certificate). It imports nothing of ours, and needs Python; for slopes and laws python-flint.
One file a statement computes everything again from the claim. `envelope` is what all ask first,
`programs` how a layer is read, `law_slopes` and `basin_changes` what its slope does.
"""
