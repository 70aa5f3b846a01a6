"""How does hypothesis draw instances of a theorem, awkward ones first and readable when shrunk?"""

from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis.extra.numpy import arrays

from theory.statements.domains import Domain, Sample, draw
from theory.statements.instances import Instance
from theory.statements.theorem import Theorem

# Small whole numbers come first, so that a counterexample shrinks to one that people can read.
ENTRIES = st.integers(-9, 9).map(float) | st.floats(-1000, 1000)


@st.composite
def entries_strategy(pick: st.DrawFn, domain: Domain[Instance]) -> Sample[Instance]:
    """Draw instances whose sizes and entries are chosen one by one: these shrink well."""
    sizes = {name: pick(st.integers(size.low, size.high)) for name, size in domain.sizes.items()}
    params = {
        name: pick(arrays(np.float64, shape, elements=ENTRIES))
        for name, shape in domain.shapes(sizes).items()
    }
    return domain.sample(sizes, params)


def _from_ensembles(domain: Domain[Instance], seed: int) -> Sample[Instance]:
    """Draw from the domain's own mixture: permutations, hubs, nearly equal tokens, ..."""
    return draw(domain, np.random.default_rng(seed))


def sample_strategy(domain: Domain[Instance]) -> st.SearchStrategy[Sample[Instance]]:
    """Draw instances of a domain together with the numbers that they were built from.

    What comes from an ensemble shrinks to a smaller seed only; `entries_strategy` goes further.
    """
    seeded = st.integers(0, 2**32 - 1).map(lambda seed: _from_ensembles(domain, seed))
    return entries_strategy(domain) | seeded


def instances(theorem: Theorem[Any]) -> st.SearchStrategy[Any]:
    """Draw instances that meet a theorem's hypotheses by construction; nothing is filtered."""
    return sample_strategy(theorem.domain).map(lambda sample: sample.instance)
