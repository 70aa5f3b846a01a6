"""Which rows of stored runs does the README show, and how?

    python -m benchmarks.readme RUN.json [RUN.json ...]

puts the table of these runs, one column a run, into README.md in the place of the one that is
there, with a comment that names the runs: nothing in it is typed in, and a test compares the two.
"""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

RESULTS: Final = Path(__file__).parent / "results"
README: Final = Path(__file__).parents[1] / "README.md"
PLACE: Final = re.compile(r"<!-- bench: ([^>]*) -->\n.*?<!-- end of bench -->", re.DOTALL)

WORDS: Final = {
    "peers-all-8": "draw, forward, all measures, 8 cells a draw: times the best peer",
    "peers-all-1": "the same, 1 cell a draw",
    "peers-forward-8": "draw, forward, mean cosine, 8 cells a draw: times the best peer",
    "forward-64": "forward, share of the gemm limit, n = d = 64",
    "forward-32": "forward, share of the gemm limit, n = d = 32",
    "forward-768": "forward, share of the gemm limit, BERT-size, n = 128",
    "measures-768-128": "all measures over plain forward, BERT-size, n = 128",
    "corpus-minilm": "sentences of 32 tokens in MiniLM: times transformers and torch",
    "long-smollm2": "a text of 1,000 tokens in SmolLM2: times transformers and torch",
    "accuracy-lambda": "largest relative error of λ (an upper end, to 1e-2 as asked)",
    "accuracy-s": "largest relative error of s (likewise)",
    "accuracy-distance": "largest relative error of d_M, down to 1e-7 of the tokens",
    "measures-64": "all measures over plain forward, n = d = 64, 8 cells a draw",
    "survey-float32-8": "draw, forward, all measures, 8 cells a draw: times loops over seeds",
    "survey-float32-1": "the same, 1 cell a draw",
    "survey-float64-8": "the same, 8 cells a draw, float64",
    "processes-2": "two processes over one",
    "memory-many-seeds": "memory above imports, many seeds",
    "violations-float32": "upper bounds violated, of 5,760 matrices, float32",
}
"""The rows that the README has, in its order."""


def table(runs: Sequence[dict[str, Any]]) -> str:
    """Return a table in Markdown: figures, those of the peers beside them, and the last goals."""
    rows = [{row["key"]: row for row in run["rows"]} for run in runs]
    head = ["what (float32 unless said)", *(f"{core(run)}, {run['date'][:10]}" for run in runs)]
    lines = [f"| {' | '.join([*head, 'goal'])} |", "| --- " * (len(head) + 1) + "|"]
    for key, words in WORDS.items():
        if not any(key in each for each in rows):
            continue  # no run here has measured it
        cells = [_figure(each.get(key)) for each in rows]
        goal = next((each[key] for each in reversed(rows) if key in each), None)
        lines.append(f"| {' | '.join([words, *cells, _goal(goal)])} |")
    return "\n".join(lines)


def core(run: dict[str, Any]) -> str:
    """Return the kind of processor that the BLAS of numpy took its kernels for."""
    return str(run["machine"]["blas"][0].get("architecture", "unknown BLAS"))


def _figure(row: dict[str, Any] | None) -> str:
    if row is None:
        return "not measured yet"
    others = row.get("others") or {}
    beside = ", ".join(f"{name} {figure:.3g}" for name, figure in others.items())
    unit = {"": "", "x": ""}.get(row["unit"], f" {row['unit']}")
    note = f" {row['note']}" if beside and row.get("note") else ""
    return f"{row['figure']:.3g}{unit}" + (f" ({beside}{note})" if beside else "")


def _goal(row: dict[str, Any] | None) -> str:
    if row is None or row["goal"] is None:
        return ""
    unit = {"": "", "x": ""}.get(row["unit"], f" {row['unit']}")
    return f"{'≥' if row['better'] == 'more' else '≤'} {row['goal']:g}{unit}"


def shown(names: Sequence[str]) -> str:
    """Return what the README has between its two comments, these included."""
    runs = [json.loads((RESULTS / name).read_text()) for name in names]
    return f"<!-- bench: {' '.join(names)} -->\n{table(runs)}\n<!-- end of bench -->"


def main(argv: Sequence[str] | None = None) -> int:
    """Replace the table."""
    names = [Path(name).name for name in (sys.argv[1:] if argv is None else argv)]
    text = README.read_text()
    names = names or PLACE.findall(text)[0].split()
    README.write_text(PLACE.sub(lambda _: shown(names), text))
    return 0


if __name__ == "__main__":
    sys.exit(main())
