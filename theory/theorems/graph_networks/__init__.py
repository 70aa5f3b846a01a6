"""How fast do graph convolutions smooth the features of nodes?

The Dirichlet energy under a convolution, a weight and an activation (cai2020); the distance to the
subspace of a graph's components (oono2020), also with biases (huang2020).
"""
