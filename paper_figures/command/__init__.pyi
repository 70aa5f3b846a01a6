from paper_figures.command.terminal import complain, emit

__all__ = [
    "complain",
    "emit",
]
