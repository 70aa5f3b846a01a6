"""How is a question on the command line answered, and with which exit code?

One file a group of commands; each parses, calls one function of the rooms below, prints and returns
an exit code. What they share is in `paper_figures.command.terminal`.
"""

from theory.doors import door

__getattr__, __dir__, __all__ = door(__name__)
