"""How are a model's local bounds stored? (python -m paper_figures.command.local_summary)"""

import sys
from collections.abc import Sequence

from paper_figures.command.terminal import complain, out
from paper_figures.sources.local_bounds import make_bounds, summary_command
from theory.arrays import InputError


def main(argv: Sequence[str] | None = None) -> int:
    """Store one model's bounds: NAME [WORKERS]."""
    words = sys.argv[1:] if argv is None else list(argv)
    if len(words) not in (1, 2) or not all(word.isdigit() for word in words[1:]):
        complain(f"what to run is {summary_command('NAME [WORKERS]')}")
        return 2
    try:
        workers = int(words[1]) if len(words) == 2 else 2
        out.print(str(make_bounds(words[0], workers=workers)), soft_wrap=True)
    except InputError as error:
        complain(error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
