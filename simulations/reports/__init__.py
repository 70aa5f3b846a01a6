"""How do results become JSON, and tables and sentences that people can read?

One function a kind of result: traces, verdicts, the law on a graph and in a model.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
