"""By how much can one block, or a part of it, stretch or shrink the distance to consensus?

Each part by itself (linear map, activation, residual sum, attention, norm), then the whole block;
how small its coefficient can be, and what the scale of its norms does. Sources: shi2022 for the
upper bounds; the sharp ones, the lower ones and the limits of the norms are derived here.
"""
