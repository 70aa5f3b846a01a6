"""What is trained, on what, and how: everything that decides the result of one fusion run?"""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from theory.arrays import InputError

FusionKind: TypeAlias = Literal["baseline", "concat", "max", "gate"]
Encoder: TypeAlias = Literal["scratch", "minilm", "e5-small"]
DataName: TypeAlias = Literal["rotten-tomatoes", "lee", "newsgroups", "mnist", "fashion-mnist"]
Readout: TypeAlias = Literal["mean", "first"]
Precision: TypeAlias = Literal["float32", "bfloat16"]
FUSIONS: tuple[FusionKind, ...] = get_args(FusionKind)
WEIGHTS_OF_OTHERS = ("minilm", "e5-small")


@dataclass(frozen=True)
class Recipe:
    """One run: the same recipe gives the same numbers on one CPU with as many threads.

    ``encoder`` "scratch" draws a BERT shape of ``depth`` blocks (post-LN) or, with ``placement``
    "pre", that of a vision Transformer; a name of a checkpoint takes its weights and its first
    ``depth`` blocks. ``frozen`` trains the fusion and the classifier only. ``tied`` gives all
    blocks one set of weights; ``shared`` = (first, last), counted from 1, lets the blocks of that
    range use the attention matrices of the first of them.
    ``readout`` is what the classifier sees of F: its mean token, or its first one, which in a text
    is [CLS].
    ``head_rate`` is the learning rate of what is new on top of an encoder, fusion and classifier,
    where it is not ``rate``. With "bfloat16" products of matrices are taken in that precision
    while training; weights, losses and all that is measured stay float32.
    Training ends after ``epochs``, or ``patience`` of them without a better validation score;
    the weights of the best epoch are the ones that the test split sees, once.
    """

    data: str
    fusion: FusionKind = "baseline"
    encoder: Encoder = "scratch"
    frozen: bool = False
    placement: Literal["post", "pre"] = "post"
    depth: int = 12
    width: int = 32
    heads: int = 4
    ffn: int = 64
    tied: bool = False
    shared: tuple[int, int] | None = None
    readout: Readout = "mean"
    dropout: float = 0.1
    epochs: int = 10
    patience: int = 3
    batch: int = 50
    rate: float = 1e-3
    head_rate: float | None = None
    warmup: float = 0.1
    decay: float = 0.01
    longest: int = 32
    train: int | None = None
    validation: int | None = None
    test: int | None = None
    device: str = "cpu"
    precision: Precision = "float32"
    seed: int = 0

    def __post_init__(self) -> None:
        checks: tuple[tuple[str, bool, str], ...] = (
            ("fusion", self.fusion in FUSIONS, f"one of {', '.join(FUSIONS)}"),
            ("encoder", self.encoder in get_args(Encoder), f"one of {get_args(Encoder)}"),
            ("placement", self.placement in ("post", "pre"), "post or pre"),
            ("depth", 1 <= self.depth <= 1000, "from 1 to 1000"),
            ("readout", self.readout in get_args(Readout), "mean or first"),
            ("heads", self.heads >= 1, "at least 1"),
            ("width", self.width >= 1 and self.width % self.heads == 0, "a multiple of heads"),
            ("ffn", self.ffn >= 1, "at least 1"),
            ("dropout", 0 <= self.dropout < 1, "in [0, 1)"),
            ("epochs", self.epochs >= 1, "at least 1"),
            ("patience", self.patience >= 1, "at least 1"),
            ("batch", self.batch >= 1, "at least 1"),
            ("rate", 0 < self.rate < 1, "in (0, 1)"),
            ("head_rate", self.head_rate is None or 0 < self.head_rate < 1, "in (0, 1)"),
            ("precision", self.precision in get_args(Precision), "float32 or bfloat16"),
            ("warmup", 0 <= self.warmup < 1, "in [0, 1)"),
            ("decay", 0 <= self.decay < 1, "in [0, 1)"),
            ("longest", self.longest >= 3, "at least 3"),
            ("seed", self.seed >= 0, "at least 0"),
        )
        for name, fine, wanted in checks:
            if not fine:
                raise InputError(f"{name} must be {wanted}, but is {getattr(self, name)!r}")
        if self.shared is not None and not 1 <= self.shared[0] < self.shared[1] <= self.depth:
            raise InputError(
                f"shared must be a range of two or more blocks from 1 to {self.depth}, but is "
                f"{self.shared}"
            )
        if self.frozen and self.encoder not in WEIGHTS_OF_OTHERS:
            raise InputError("frozen must come with a pretrained encoder, not with random weights")
        if self.encoder in WEIGHTS_OF_OTHERS and (self.tied or self.placement == "pre"):
            raise InputError(f"{self.encoder} has post-LN blocks with weights of their own")

    @property
    def name(self) -> str:
        """The name of the run's files: unique within one experiment."""
        shared = "" if self.shared is None else "-shared{}-{}".format(*self.shared)
        kind = f"{self.data}-{self.encoder}-{self.fusion}-depth{self.depth}"
        return f"{kind}{shared}-seed{self.seed}"
