"""How fast does attention without residual streams bring tokens to rank one?

The decomposition into paths, the bound that falls doubly exponentially with depth, and what
becomes of both with other constants or with several heads. Source: dong2021.
"""
