"""Machines, randomness and files: stacks of blocks, and real models."""
