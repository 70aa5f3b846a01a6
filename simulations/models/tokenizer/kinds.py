"""How does each kind of tokenizer split texts, before what its folder adds?"""

from base64 import b64decode
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from simulations.models.guards import told
from simulations.models.messages import quote, quote_path
from simulations.models.present import is_there
from simulations.models.tokenizer.files import AS_IT_STANDS, CONFIG, Said, content
from simulations.models.tokens import import_tokenizers
from theory.arrays import InputError

if TYPE_CHECKING:
    from tokenizers import AddedToken
    from tokenizers import Tokenizer as Engine

_BERT = {f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")}
_ROBERTA = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "cls_token": "<s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}
_MPNET = _ROBERTA | {"unk_token": "[UNK]"}
_GPT2 = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>")
_ALBERT = _BERT | {
    "bos_token": "[CLS]",
    "eos_token": "[SEP]",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
}
DEFAULTS: Final[Mapping[str, Mapping[str, str]]] = {
    "BertTokenizer": _BERT,
    "RobertaTokenizer": _ROBERTA,
    "XLMRobertaTokenizer": _ROBERTA,
    "CamembertTokenizer": _ROBERTA,
    "AlbertTokenizer": _ALBERT,
    "MPNetTokenizer": _MPNET,
    "GPT2Tokenizer": _GPT2,
    AS_IT_STANDS: {},
}
"""The tokens that a kind has where its settings name no others."""

MARKS: Final[Mapping[str, tuple[str, str]]] = {
    "BertTokenizer": ("cls_token", "sep_token"),
    "RobertaTokenizer": ("cls_token", "sep_token"),
    "XLMRobertaTokenizer": ("bos_token", "eos_token"),
    "CamembertTokenizer": ("bos_token", "eos_token"),
    "AlbertTokenizer": ("cls_token", "sep_token"),
    "MPNetTokenizer": ("cls_token", "sep_token"),
}
"""The tokens that a kind puts at a text's start and end; others put none, or say so."""

PIECE_MODELS: Final = {
    "BertTokenizer": "WordPiece",
    "RobertaTokenizer": "BPE",
    "XLMRobertaTokenizer": "Unigram",
    "CamembertTokenizer": "Unigram",
    "AlbertTokenizer": "Unigram",
    "MPNetTokenizer": "WordPiece",
    "GPT2Tokenizer": "BPE",
}


def build_engine(
    said: Said, file: Mapping[str, Any], folder: Path, kept: "Engine | None"
) -> "Engine":
    """Return the engine of a kind, with the model of tokenizer.json or one from older files.

    ``kept`` is the engine that tokenizer.json describes, whose model is the kind's own.

    Raises: InputError if there is no vocabulary that the kind can use

    Source: derived from the classes of transformers 5, and tested against them
    """
    if said.kind in ("BertTokenizer", "MPNetTokenizer"):
        return _bert(said, folder, kept)
    if said.kind in ("RobertaTokenizer", "GPT2Tokenizer"):
        return _roberta(said, folder, kept)
    if kept is None:
        raise InputError(
            f"{quote_path(folder)} has no tokenizer.json, which a {said.kind} needs; "
            "AutoTokenizer.from_pretrained(folder).save_pretrained(folder) of transformers "
            "writes it"
        )
    return _unigram(said, file, kept)


def add_marks(engine: "Engine", said: Said) -> None:
    """Make an engine put the kind's tokens at a text's start and end."""
    library = import_tokenizers()
    if said.kind not in MARKS:
        if said.switch("add_bos_token", False):
            start = said.word("bos_token", DEFAULTS[said.kind]["bos_token"])
            engine.post_processor = library.processors.TemplateProcessing(
                single=[start, "$A"], special_tokens=[(start, engine.token_to_id(start))]
            )
        return
    names = MARKS[said.kind]
    first, last = (said.word(name, DEFAULTS[said.kind][name]) for name in names)
    ends = [(mark, engine.token_to_id(mark)) for mark in (first, last)]
    if any(number is None for _, number in ends):
        raise InputError(
            f"{CONFIG}: {' and '.join(names)} must be tokens, but are {quote([first, last])}"
        )
    if said.kind == "RobertaTokenizer":
        trim, space = said.switch("trim_offsets", True), said.switch("add_prefix_space", False)
        engine.post_processor = library.processors.RobertaProcessing(ends[1], ends[0], trim, space)
    else:
        # As lists: a mark may hold a blank or a colon.
        engine.post_processor = library.processors.TemplateProcessing(
            single=[first, "$A", last], special_tokens=ends
        )


def named_tokens(said: Said) -> "dict[str, str | AddedToken]":
    """Return the tokens with a part to play, those of the kind where none is named."""
    named = {**DEFAULTS[said.kind], **said.named}
    tokens = {key: token for key, token in named.items() if token is not None}
    mask = tokens.get("mask_token")
    if said.kind == "CamembertTokenizer" and isinstance(mask, str):
        library = import_tokenizers()
        tokens["mask_token"] = library.AddedToken(mask, lstrip=True, special=True)
    return tokens


def extra_tokens(said: Said) -> "tuple[str | AddedToken, ...]":
    """Return the special tokens without a part, those of the kind where none is listed."""
    if said.kind == "CamembertTokenizer" and not said.extra:
        return ("<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED")
    return said.extra


def _bert(said: Said, folder: Path, kept: "Engine | None") -> "Engine":
    library = import_tokenizers()
    unknown = said.word("unk_token", "[UNK]")
    if kept is not None:
        model = kept.model
        model.unk_token = unknown
    else:
        path = _required(folder, "vocab.txt")
        with told(f"{path.name} is truncated or corrupt"):
            model = library.models.WordPiece.from_file(str(path), unk_token=unknown)
    engine: Engine = library.Tokenizer(model)
    engine.normalizer = library.normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=said.switch("tokenize_chinese_chars", True),
        strip_accents=said.switch("strip_accents", None),
        lowercase=said.switch("do_lower_case", True),
    )
    engine.pre_tokenizer = library.pre_tokenizers.BertPreTokenizer()
    return engine


def _roberta(said: Said, folder: Path, kept: "Engine | None") -> "Engine":
    library = import_tokenizers()
    if kept is not None:
        model = kept.model
        model.unk_token = None  # every byte has a piece, or is left out
    else:
        paths = [str(_required(folder, name)) for name in ("vocab.json", "merges.txt")]
        with told("vocab.json or merges.txt is truncated or corrupt"):
            model = library.models.BPE.from_file(*paths)
    engine: Engine = library.Tokenizer(model)
    engine.pre_tokenizer = library.pre_tokenizers.ByteLevel(
        add_prefix_space=said.switch("add_prefix_space", False)
    )
    return engine


def _unigram(said: Said, file: Mapping[str, Any], kept: "Engine") -> "Engine":
    library = import_tokenizers()
    engine: Engine = library.Tokenizer(kept.model)
    steps = _albert_steps(said) if said.kind == "AlbertTokenizer" else []
    engine.normalizer = library.normalizers.Sequence(steps + _characters(file))
    scheme = "always" if said.switch("add_prefix_space", True) else "never"
    engine.pre_tokenizer = library.pre_tokenizers.Sequence(
        [
            library.pre_tokenizers.WhitespaceSplit(),
            library.pre_tokenizers.Metaspace(prepend_scheme=scheme),
        ]
    )
    return engine


def unknown_piece(said: Said, pieces: Iterable[tuple[Any, ...]]) -> int:
    """Return the number of the piece that stands for what is in no other."""
    if said.kind != "CamembertTokenizer":
        return 1 if said.kind == "AlbertTokenizer" else 3
    word = said.word("unk_token", "<unk>")
    return next((i for i, (piece, _) in enumerate(pieces) if piece == word), 0)


def _albert_steps(said: Said) -> list[Any]:
    normalizers = import_tokenizers().normalizers
    steps = [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
    if not said.switch("keep_accents", False):
        steps += [normalizers.NFKD(), normalizers.StripAccents()]
    if said.switch("do_lower_case", True):
        steps.append(normalizers.Lowercase())
    return steps


def _characters(file: Mapping[str, Any]) -> list[Any]:
    """Return the table by which sentencepiece replaces characters, if the file has one."""
    library = import_tokenizers()
    for step in steps_of(file["normalizer"], "normalizers"):
        if step["type"] == "Precompiled":
            return [library.normalizers.Precompiled(b64decode(step["precompiled_charsmap"]))]
    return []


def steps_of(part: Any, key: str) -> list[dict[str, Any]]:
    """Return the steps of a normaliser or a pre-tokeniser, sequences in sequences unfolded."""
    if part is None:
        return []
    if part["type"] == "Sequence":
        return [step for inner in part[key] for step in steps_of(inner, key)]
    return [part]


def _required(folder: Path, name: str) -> Path:
    if not is_there(folder / name):
        raise InputError(f"{quote_path(folder)} has no tokenizer.json (nor a {name})")
    return folder / name


def pad_token(said: Said) -> str:
    """Return what fills up shorter texts."""
    token = named_tokens(said).get("pad_token")
    return "[PAD]" if token is None else content(token)
