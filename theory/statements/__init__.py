"""What is a theorem or a trend as data, and what does trying it say?

A theorem has hypotheses, two sides, a bound on rounding and a domain that draws instances; it
holds, is refuted, or does not apply. A trend claims something of rates or expectations and is
judged by an interval.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
