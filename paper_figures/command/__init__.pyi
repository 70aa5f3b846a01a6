from paper_figures.command.main import COMMANDS
from paper_figures.command.terminal import complain, emit

__all__ = [
    "COMMANDS",
    "complain",
    "emit",
]
