"""How far from consensus are tokens that fuse the hidden states of several layers?

For concatenation, a matrix for each layer, the largest entry, and a gate that gives each token a
mixture of its own. All of it is derived here.
"""
