"""What is a family's own way of keeping its weights and settings?

A file a family says what its tensors and its settings are called, and in what its models differ
from BERT's; `known` finds a family by the model type that a config.json gives.
"""
