"""Do the tokens of a Transformer become alike? The front door: what a notebook asks for by name.

Everything lives in three packages, `theory`, `simulations` and `paper_figures`, which are here as
attributes; what is rarer is found at the doors of their rooms (`theory.law.mode_rates`). A name is
loaded when it is first used, so that importing this costs next to nothing.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
