"""How are many commands run without importing the libraries each time: by a process that forks.

    python -m benchmarks.same_warm PACKAGE

Reads a JSON line for each command, {"words", "out", "err"}, runs ``python -m PACKAGE`` with these
words in a child whose output goes to the two files, and prints the child's exit code.
"""

import contextlib
import json
import os
import runpy
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until the input ends."""
    (package,) = sys.argv[1:] if argv is None else argv
    sys.argv = [package, "--version"]
    with contextlib.redirect_stdout(None), contextlib.suppress(SystemExit):
        runpy.run_module(package, run_name="__main__", alter_sys=True)  # imports what all need
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if not child:
            _become(package, order)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    return 0


def _become(package: str, order: dict[str, object]) -> None:
    """Run one command as if it had just been started; does not return."""
    for number, name in enumerate((os.devnull, order["out"], order["err"])):
        flags = os.O_WRONLY | os.O_CREAT if number else os.O_RDONLY
        os.dup2(os.open(str(name), flags), number)
    words = order["words"]
    assert isinstance(words, list)
    sys.argv = [package, *words]
    code = 1
    try:
        runpy.run_module(package, run_name="__main__", alter_sys=True)
    except SystemExit as stop:
        code = int(stop.code or 0)
    except BaseException:  # noqa: BLE001 - shown as the interpreter would show it
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    raise SystemExit(main())
