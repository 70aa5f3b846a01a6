from paper_figures import command, figures, pages, sources, workshop

__all__ = [
    "command",
    "figures",
    "pages",
    "sources",
    "workshop",
]
