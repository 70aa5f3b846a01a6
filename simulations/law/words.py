"""Which M is the law about, in words, and what of tokens that do not hear each other?"""


def span_words(rank: int, modes: int) -> str:
    """Say in words what M is that the law is transverse to, and how many modes that leaves."""
    if rank == 1:
        return "consensus (all tokens equal)"
    return f"the span of {rank} components' indicators, {modes} modes"


def consensus_words(rate: float, rank: int) -> str:
    """Say whether the tokens of several components become equal too."""
    meet = (
        "they need not meet" if rate >= 1 else "from nearby they meet if they settle at one token"
    )
    return (
        f"v is about another distance, to all tokens being equal: across the {rank} components, "
        f"which do not hear each other, that changes by {rate:.6g} a layer, and {meet}."
    )
