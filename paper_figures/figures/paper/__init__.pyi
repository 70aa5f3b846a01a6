from paper_figures.figures.paper import (
    fig1a,
    fig1b,
    fig1c,
    fig2,
    fig3,
    fig4,
    fig5,
    fig5_tuned,
    fig6,
    fig7,
    fusion_score,
    table1,
)

__all__ = [
    "fig1a",
    "fig1b",
    "fig1c",
    "fig2",
    "fig3",
    "fig4",
    "fig5",
    "fig5_tuned",
    "fig6",
    "fig7",
    "fusion_score",
    "table1",
]
