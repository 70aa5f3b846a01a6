"""The command that proves a statement once and for all, and checks what was proved: prove."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from paper_figures.command.terminal import Flag, complain, emit, out
from theory.arrays import InputError

prove = App(name="prove", help="Prove a statement, kept as a certificate; or check a certificate.")
_Out = Annotated[Path, Parameter(name="--out")]


@prove.default
def check(*, check: Path | None = None, json: Flag = False) -> int:
    """Prove a statement, kept as a certificate; or check a certificate.

    0: it is proved; 1: it is not; 2: the question was wrong, or the file is no certificate.

    Parameters
    ----------
    check
        A certificate, checked with exact numbers by the checker of its statement.
    json
        Print one JSON object and nothing else.
    """
    if check is None:
        raise InputError("prove needs a statement, or --check FILE: see oversmooth prove --help")
    from simulations.machine.formats import read_bytes
    from theory.proofs.check import LONGEST
    from theory.proofs.check import check as check_certificate

    data = read_bytes(check, name="certificate", most=LONGEST)
    try:
        proved = check_certificate(data)
    except InputError:
        raise
    except ValueError as error:
        if json:
            emit({"proved": False, "reason": str(error)})
        else:
            complain(f"not proved: {error}")
        return 1
    return _say(proved, json=json)


def _say(proved: str, *, json: bool) -> int:
    if json:
        emit({"proved": True, "statement": proved})
    else:
        out.print(proved, highlight=False, markup=False, soft_wrap=True)
    return 0


@prove.command
def residual_attention(*, tokens: int, t: str, out_file: _Out, json: Flag = False) -> int:
    """Prove how much a residual attention sublayer stretches the distance to M at worst.

    Parameters
    ----------
    tokens
        How many tokens there are.
    t
        The sum of the heads' spectral norms of V, as a fraction P/Q.
    out_file
        A file for the certificate, which is not there yet.
    json
        Print one JSON object and nothing else.
    """
    from theory.proofs.attention import residual_attention as make

    return _keep(out_file, lambda: make(tokens=tokens, t=t), json=json)


@prove.command
def activation_slope(*, activation: str, out_file: _Out, json: Flag = False) -> int:
    """Prove how steep an activation is at most.

    Parameters
    ----------
    activation
        gelu, gelu_tanh, silu or quick_gelu.
    out_file
        A file for the certificate, which is not there yet.
    json
        Print one JSON object and nothing else.
    """
    from theory.proofs.slopes import activation_slope as make

    return _keep(out_file, lambda: make(activation), json=json)


@prove.command
def smallest_counterexample(*, nodes: int = 7, out_file: _Out, json: Flag = False) -> int:
    """Prove which graphs are the smallest that refute a claim of Cai and Wang.

    Parameters
    ----------
    nodes
        All graphs with up to so many are looked at.
    out_file
        A file for the certificate, which is not there yet.
    json
        Print one JSON object and nothing else.
    """
    from theory.proofs.graphs import smallest_counterexample as make

    return _keep(out_file, lambda: make(nodes=nodes), json=json)


def _keep(file: Path, make: Callable[[], dict[str, Any]], *, json: bool) -> int:
    """Make a certificate, check it, write it where nothing is yet, and say what it proves."""
    from simulations.machine.files import write_new
    from simulations.search.counterexamples import require_free
    from theory.proofs.certificates import as_bytes
    from theory.proofs.check import check as check_certificate

    require_free(file)
    data = as_bytes(make())
    proved = check_certificate(data)
    if not write_new(file, data):
        raise InputError(f"{file} is there already; choose another name or remove it")
    return _say(proved, json=json)
