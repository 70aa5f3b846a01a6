"""How does a finished sweep become a stored summary? (python -m paper_figures.command.summaries)"""

import sys
from collections.abc import Sequence
from pathlib import Path

from paper_figures.command.terminal import complain, out
from paper_figures.sources.sweep_summaries import make_summary, summary_command
from theory.arrays import InputError


def main(argv: Sequence[str] | None = None) -> int:
    """Make one summary: NAME STORE."""
    words = sys.argv[1:] if argv is None else list(argv)
    if len(words) != 2:
        complain(f"what to run is {summary_command('NAME')}")
        return 2
    try:
        out.print(str(make_summary(words[0], Path(words[1]))), soft_wrap=True)
    except InputError as error:
        complain(error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
