"""The command that puts the exact law beside a simulation and the theorem: law."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from paper_figures.command.law_options import (
    PLAIN_STACK,
    DriverOptions,
    GraphOptions,
    ModelOptions,
    TiedStack,
    require_alone,
)
from paper_figures.command.pictures import require_plot
from paper_figures.command.terminal import Flag
from theory.arrays import InputError

_EACH = Parameter(name="*")  # every field is an option of its own
_GRAPH, _DRIVERS, _MODEL = GraphOptions(), DriverOptions(), ModelOptions()


def law(
    *,
    graph: Annotated[GraphOptions, _EACH] = _GRAPH,
    stack: Annotated[TiedStack, _EACH] = PLAIN_STACK,
    seed: int = 0,
    drivers: Annotated[DriverOptions, _EACH] = _DRIVERS,
    model: Annotated[ModelOptions, _EACH] = _MODEL,
    json: Flag = False,
    plot: Path | None = None,
    prove: Flag = False,
    basin: Flag = False,
    out_file: Annotated[Path | None, Parameter(name="--out")] = None,
) -> int:
    """Say how fast tokens merge near consensus, exactly, on any graph, beside a simulation.

    Prints the rate of every eigenvalue of the graph's random walk; then law, simulation and both
    forms of the block theorem at equal depth and in the limit. With --model, the same of a
    pretrained model, at equal tokens and along what real texts or images do.

    Parameters
    ----------
    seed
        Chooses weights, tokens and random graphs.
    json
        Print one JSON object and nothing else.
    plot
        Also draw the rates, to a .png, .pdf or .svg file.
    prove
        Prove instead whether M attracts: one layer repeated for ever, every rate between two
        numbers that are certain. 0: proved that it attracts or that it repels, 1: undecided.
    basin
        With --prove: prove instead within which distance of consensus all inputs end in it.
    out_file
        With --prove: a file for the certificate, which is not there yet.
    """
    require_plot(plot)
    if model.model is not None:
        require_alone(graph, stack, drivers.critical)
    if prove:
        if plot is not None or drivers != _DRIVERS:
            raise InputError("--prove must come without --plot and without what follows a limit")
        model.require_model()
        from paper_figures.command.law_proved import show_proved_law

        return show_proved_law(
            graph, stack, model, seed=seed, json=json, out_file=out_file, basin=basin
        )
    if out_file is not None or basin or model.layer is not None:
        raise InputError("--out, --basin and --layer must come with --prove")
    if model.model is not None:
        from paper_figures.command.law_of_model import show_model_law

        return show_model_law(model, seed=seed, json=json, plot=plot)
    model.require_model()
    drivers.require_driver()
    from paper_figures.command.law_of_stack import show_stack_law

    return show_stack_law(graph, stack, drivers, seed=seed, json=json, plot=plot)
