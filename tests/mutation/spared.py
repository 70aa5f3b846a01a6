"""Which slips change nothing that matters, and why? By kernel, in the words of `Slip.what`.

Slack: the term is there so that the bound is proved, and no input comes near it.
"""

SPARED: dict[str, dict[str, str]] = {}
