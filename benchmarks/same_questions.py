"""What are two checkouts asked, to see whether they answer the same?

A question is a command line; ``@`` stands for the folder of the run, where `benchmarks.same_inputs`
has put the files that are named, and ``&&`` joins what must be asked in order. ``numbers WHAT``
asks `benchmarks.same_numbers`.
"""

from pathlib import Path

_SMALL = "simulate --depth 4 --tokens 8 --width 16 --heads 2 --ffn-width 32"
_LAW = "law --n 12 --width 16 --heads 2 --ffn-width 32 --depth 8 --layers 60"
_SWEEP = "sweep @sweep.toml --store @store"
_FUSE = "fuse --quick --seeds 1 --json"
ATTACKED = (
    *("linear", "attention", "weighted-sum", "rank-collapse", "dobrushin-contraction"),
    *("activation-gelu-constant-one", "fusion-max"),
)
COMMANDS = (
    *("figures", "verify", "check", "attack", "replay", "law", "sweep", "status", "export"),
    *("fuse", "simulate", "analyze", "models"),
)
BAD_BLOCKS = (
    *("no-values", "no-scores", "misspelt", "whole", "nan", "one-token", "lengths", "rows", "deaf"),
    *("sandwich", "both", "tau", "activation-unknown", "truncated", "bare"),
)


def _each(text: str, before: str = "", after: str = "") -> tuple[str, ...]:
    """Return a question for each line of a text."""
    lines = (line.strip() for line in text.strip().splitlines())
    return tuple(" ".join(filter(None, (before, line, after))) for line in lines)


def _attack(key: str) -> str:
    """Return the question of an attack and of the file that it writes."""
    file = f"@{key}.json"
    return f"attack {key} --budget 300 --seed 1 --out {file} --json && replay {file} --json"


_SIMULATED = """
    --seeds 3
    --placement pre --value-gain 2
    --placement sandwich --bias-std 0.1
    --norm rms --weights orthogonal
    --norm none --residual 0.5 --weights bert
    --mask causal --seed 7
    --mask window:2 --activation relu
    --mask causal-window:3 --initial clustered
    --mask blocks:3,5 --initial near-consensus
    --mask @mask.npy --weights low-rank --rank 2
    --residual 0 --tied
    --residual 2.5 --score-gain 4 --tau 2
    --fixed-std 1.5 --ffn-gain 0.5 --norm-gain 0.7
    --weights identity --initial orthogonal --ln-eps 1e-5
    --dtype float32 --seeds 2
    --backend torch
    --gated --activation silu
    --gated --placement pre --norm rms --residual-attention 0.5 --residual-ffn 0.25
    --placement parallel
    --placement parallel --gated --weights bert
"""
_LAWS = """
    --graph complete
    --graph path --placement pre
    --graph ring --norm rms
    --graph ring:3 --placement sandwich
    --graph star --norm none --residual 0.5
    --graph tree --value-gain 3
    --graph small-world --seed 3
    --graph scale-free --fixed-std 1.5
    --graph causal --residual 2
    --graph window:2 --no-tied
    --graph causal-window:3 --weights orthogonal
    --graph blocks:5,7 --activation tanh
    --graph star --gated --placement pre
    --graph ring --placement parallel
    --graph tree --residual-attention 0.5 --residual-ffn -1.5
    --graph star --critical value_gain --points 5
    --graph ring --critical residual ffn_gain --critical-range 0.1 4 --points 5
"""
_FILES_OF_GRAPHS = """
    --adjacency @mask.npy
    --adjacency @weights.txt --placement pre
"""
_GOOD_BLOCKS = (
    *("plain", "causal", "biases", "gains", "gelu", "gelu_tanh", "silu", "tanh", "identity"),
    *("pre", "heads", "adjacency", "single", "not-stochastic-quite", "equal", "rank-one", "tiny"),
    *("huge", "no-residual", "no-ffn", "scales", "averaging", "gated", "gated-biases"),
    *("parallel", "two-residuals", "rms", "flat-token"),
)
_WRONG = """
    chekc x
    check absent.npz
    check .
    simulate --dpth 3
    simulate --depth 0
    simulate --tokens 1
    simulate --heads 5
    simulate --tau -1
    simulate --tau nan
    simulate --fixed-std 2 --tau 3
    simulate --norm none --tau 5
    simulate --norm layr
    simulate --bias-std -1
    simulate --rank 65
    simulate --activation foo
    simulate --mask foo
    simulate --mask blocks:3,4
    simulate --mask @absent.npy
    simulate --seeds 0
    simulate --seed -1
    simulate --seeds 1000000000000
    simulate --tokens 100000000
    simulate --backend jax
    simulate --device cuda
    simulate --plot absent/x.png
    simulate --plot x.bmp
    simulate --norm none --value-gain 1e200
    simulate --depth=2.5
    analyze no-such-model
    analyze minilm --text @absent.txt
    analyze minilm --text @empty.txt
    analyze minilm --max-length 7.5
    verify linaer
    verify wu2023
    verify fusion
    verify --trials 0
    verify --seed 0.5
    attack linear --budget=1000.5
    attack sphere-energy-rises
    attack linear --budget 5 --out @sweep.toml
    replay absent.json
    replay @sweep.toml
    law --graph rnig
    law --graph small-world --n 3
    law --model minilm --graph ring
    law --adjacency @mask.npy --n 4
    law --adjacency @absent.npy
    law --text @texts.txt
    law --critical-range 1 2
    figures fig1
    figures fig4 --seed -1
    sweep absent.toml --store @nowhere
    sweep @wrong.toml --store @nowhere
    status @nowhere
    export @nowhere @nowhere.nc
    fuse --shared 2 2
    fuse --data mnits
    fuse --data mnist --encoder minilm
    fuse --quick --full
    fuse --seeds 0
"""
_MODELS = """
    minilm --json
    e5-small --json
    e5-small
    minilm --text @texts.txt --json
    e5-small --text @texts.txt --max-length 12 --skip-special --json
    e5-small --text @texts.txt --prefix '' --json
    minilm --text @texts.txt
    minilm --dtype float32 --json
    minilm --text @texts.txt --plot @trace.png
    minilm --text @corpus.txt
    minilm --text @corpus.txt --max-length 8 --skip-short --json
    minilm --text @texts.txt --via capture --json
    rxnmapper --json
    smollm2 --text @texts.txt
"""

PARTS: dict[str, tuple[str, ...]] = {
    "help": ("--help", "--version", "", *(f"{name} --help" for name in COMMANDS)),
    "bad": (
        *_each(_WRONG),
        *(f"check @{name}.npz" for name in BAD_BLOCKS),
        *(f"law --adjacency @{name}" for name in ("row.txt", "words.txt", "negative.txt")),
    ),
    "check": (
        *(f"check @{name}.npz --json" for name in _GOOD_BLOCKS),
        *(f"check @{name}.npz" for name in ("plain", "adjacency", "equal", "rank-one")),
        "check @plain.npz --dtype float32 --json",
        "check @huge.npz --dtype float32",
        "check @heads.npz --backend torch --json",
    ),
    "simulate": (
        *_each(_SIMULATED, _SMALL, "--json"),
        *_each("--seeds 2\n--norm none\n--mask causal --placement pre", _SMALL),
        "simulate --depth 30 --seeds 2 --ffn-width 0 --activation silu --json",
        f"{_SMALL} --plot @trace.png",
    ),
    "analyze": _each(_MODELS, "analyze"),
    "law": (
        *_each(_LAWS, _LAW, "--json"),
        *_each(_FILES_OF_GRAPHS, _LAW.replace("--n 12 ", ""), "--json"),
        f"{_LAW} --graph star --critical value_gain --points 5",
        f"{_LAW} --graph ring --plot @law.png",
        *_each("--json\n--text @texts.txt --max-length 16 --json\n--seed 1", "law --model minilm"),
        "law --n 10 --width 16 --heads 2 --ffn-width 0 --depth 8 --layers 60 --json",
        "law --model e5-small --json",
    ),
    "survey": ("numbers survey @",),
    "verify": (
        "verify --json --out @found",
        "verify --trials 7 --seed 3 --workers 1 --json",
        "verify linear attention init-pre-norm-growth activation-gelu-constant-one --trials 20",
    ),
    "attack": (*map(_attack, ATTACKED), "attack linear --budget 100"),
    "sweep": (
        f"{_SWEEP} --dry-run && {_SWEEP} --workers 0 --json && {_SWEEP} --workers 1 --json"
        " && status @store --json && export @store @all.nc --json && numbers dataset @all.nc"
        " && export @store @all.zarr && status @store",
        "sweep @law.toml --store @law-store --workers 2 --json && export @law-store @law.nc"
        " && numbers dataset @law.nc && sweep @sweep.toml --store @law-store --workers 0",
        "sweep @failing.toml --store @failing-store --workers 0 --json"
        " && status @failing-store --json",
    ),
    "fuse": (
        f"{_FUSE} --data mnist --depth 2 --out @images && {_FUSE} --data mnist --depth 2 --resume"
        " --out @images && fuse --quick --seeds 1 --data mnist --depth 2 --resume --out @images"
        " && fuse --quick --seeds 1 --data mnist --depth 2 --out @images",
        f"{_FUSE} --data mnist --depth 3 --tied --fusion gate --out @tied",
        f"{_FUSE} --data mnist --depth 3 --shared 2 3 --fusion baseline --out @shared",
        f"{_FUSE} --data lee --frozen --fusion gate --out @texts",
        "numbers cut @cut",
    ),
    "files": ("numbers stored",),  # and what is made of the files that `sources` finds
    "figures-quick": ("figures --quick --seed 1 --out @quick",),
    "figures": ("figures --out @all",),
}
"""The questions by part, the slowest last."""


def sources(folder: Path) -> tuple[str, ...]:
    """Return the questions about files that an earlier run has written."""
    replays = sorted([*folder.glob("attack/*.json"), *folder.glob("verify/found/*.json")])
    again = [f"replay @{path.relative_to(folder)} --json" for path in replays]
    read = "status {0} --json && export {0} {0}.nc && numbers dataset {0}.nc"
    store, broken = "@sweep/store", "@broken"
    resumed = f"sweep @sweep.toml --store {broken} --workers 0 --json"
    return (
        *again,
        f"replay {replays[0] if not again else again[0].split()[1]}",
        read.format(store),
        f"sweep @sweep.toml --store {store} --workers 0 --json",
        "status @sweep/failing-store && export @sweep/failing-store @failing.nc"
        " && sweep @failing.toml --store @sweep/failing-store --workers 0 --retry-failed --json",
        f"numbers break @sweep/store {broken} && {read.format(broken)} && {resumed}"
        f" && {read.format(broken).replace('.nc', '-again.nc')}",
        f"{_FUSE} --data mnist --depth 2 --resume --out @fuse/images",
        "numbers resume @fuse/cut",
    )
