"""The command that lists the models: models."""

from paper_figures.command.terminal import Flag, emit, out


def models(*, json: Flag = False) -> int:
    """List the models that have a name: what they are, and whether they are installed.

    Parameters
    ----------
    json
        Print one JSON object and nothing else.
    """
    from simulations.reports.zoo import zoo_json, zoo_reading, zoo_table

    if json:
        emit(zoo_json())
    else:
        out.print(zoo_table(), zoo_reading(), soft_wrap=True, highlight=False)
    return 0
