"""Is a certificate a proof?

One file a statement. Each stands alone, so that whoever doubts us reads one short file: it imports
nothing of ours, runs as `python NAME.py FILE` (0: proved, 1: not proved, 2: no certificate), and
computes everything again from the claim. That they repeat the reading of a certificate is meant.
"""
