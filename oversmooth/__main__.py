"""``python -m oversmooth``: the command, where it is not on the path."""

import sys

from paper_figures.command.main import main

sys.exit(main())
