"""``python -m paper_figures``: the command, where it is not on the path."""

import sys

from paper_figures.command.start import start

if __name__ == "__main__":
    sys.exit(start())
