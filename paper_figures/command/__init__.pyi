from paper_figures.command.terminal import app, complain, emit

__all__ = [
    "app",
    "complain",
    "emit",
]
