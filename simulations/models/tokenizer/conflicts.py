"""Where does a tokenizer.json disagree with the kind of tokenizer that its folder names?

A kind is built anew from the vocabulary; what else tokenizer.json says would be lost. What is the
same by another name passes, and so does what a setting replaces; the rest is refused.
"""

from collections.abc import Mapping
from typing import Any, Final, NoReturn

from simulations.models.messages import quote
from simulations.models.tokenizer.files import AS_IT_STANDS, CONFIG, Said
from simulations.models.tokenizer.kinds import PIECE_MODELS, steps_of, unknown_piece
from theory.arrays import InputError

# Of a model: what the kinds use, and what says the same.
_PARTS: Final[Mapping[str, Mapping[str, tuple[Any, ...]]]] = {
    "WordPiece": {"continuing_subword_prefix": ("##",), "max_input_chars_per_word": (100,)},
    "BPE": {
        "dropout": (None, 0.0),
        "continuing_subword_prefix": ("", None),
        "end_of_word_suffix": ("", None),
        "fuse_unk": (False,),
        "byte_fallback": (False,),
        "ignore_merges": (False,),
    },
    "Unigram": {"byte_fallback": (False,)},
}
_ONCE: Final = ("NFKD", "StripAccents", "Lowercase")
_QUOTES: Final = [("``", '"'), ("''", '"')]


def require_agreement(said: Said, file: Mapping[str, Any]) -> None:
    """Raise InputError if a kind would not split texts as its own tokenizer.json does."""
    model = file["model"]
    if model["type"] != PIECE_MODELS[said.kind]:
        _disagree(said, "model", model["type"], PIECE_MODELS[said.kind])
    for key, same in _PARTS[model["type"]].items():
        if model.get(key, same[0]) not in same:
            _disagree(said, f"model's {key}", model[key], same[0])
    steps = steps_of(file["normalizer"], "normalizers")
    before = steps_of(file["pre_tokenizer"], "pretokenizers")
    if model["type"] == "WordPiece":
        _word_piece(said, model, steps, before)
    elif model["type"] == "BPE":
        _byte_pairs(said, steps, before)
    else:
        _pieces(said, model, steps, before)


def require_flags_in_file(said: Said, file: Mapping[str, Any]) -> None:
    """Raise InputError if a setting disagrees with a tokenizer.json that is taken as it stands."""
    for step in steps_of(file["normalizer"], "normalizers"):
        if step["type"] == "BertNormalizer":
            for key, name in (
                ("do_lower_case", "lowercase"),
                ("strip_accents", "strip_accents"),
                ("tokenize_chinese_chars", "handle_chinese_chars"),
            ):
                _same_flag(said, key, step[name])
    for step in steps_of(file["pre_tokenizer"], "pretokenizers"):
        if step["type"] == "ByteLevel":
            _same_flag(said, "add_prefix_space", step["add_prefix_space"], unsaid=None)
        if step["type"] == "Metaspace":
            _same_flag(said, "add_prefix_space", step["prepend_scheme"] != "never", unsaid=None)


def _same_flag(said: Said, key: str, found: object, *, unsaid: object = ...) -> None:
    """Raise InputError if a setting is not what the file does; ``unsaid`` is as if it were none."""
    wanted = said.settings.get(key, found)
    if wanted not in (found, unsaid):
        raise InputError(
            f"{CONFIG}: {key} is {quote(wanted)}, but tokenizer.json has {quote(found)} and is "
            f"taken as it stands for a {AS_IT_STANDS}; change one of them"
        )


def _word_piece(said: Said, model: Any, steps: list[Any], before: list[Any]) -> None:
    if "unk_token" not in said.named and model.get("unk_token", "[UNK]") != "[UNK]":
        _disagree(said, "model's unk_token", model["unk_token"], "[UNK]")
    if not steps and "do_lower_case" not in said.settings:
        _disagree(said, "normalizer", None, "BertNormalizer")
    if steps and [step["type"] for step in steps] != ["BertNormalizer"]:
        _disagree(said, "normalizer", [step["type"] for step in steps], "BertNormalizer")
    if steps and not steps[0]["clean_text"]:
        _disagree(said, "normalizer's clean_text", False, True)
    if [step["type"] for step in before] != ["BertPreTokenizer"]:
        _disagree(said, "pre_tokenizer", [s["type"] for s in before], "BertPreTokenizer")


def _byte_pairs(said: Said, steps: list[Any], before: list[Any]) -> None:
    if steps:
        _disagree(said, "normalizer", [step["type"] for step in steps], None)
    if [step["type"] for step in before] != ["ByteLevel"]:
        _disagree(said, "pre_tokenizer", [step["type"] for step in before], "ByteLevel")
    if not before[0].get("use_regex", True):
        _disagree(said, "pre_tokenizer's use_regex", False, True)


def _pieces(said: Said, model: Any, steps: list[Any], before: list[Any]) -> None:
    unknown = unknown_piece(said, model["vocab"])
    if model.get("unk_id") != unknown:
        _disagree(said, "model's unk_id", model.get("unk_id"), unknown)
    flags = _flags(steps)
    if said.kind == "AlbertTokenizer":
        wanted = {"keep_accents": False, "do_lower_case": True, "quotes": True}
        made = "Replace, Replace, NFKD, StripAccents, Lowercase"
    else:
        wanted = {"keep_accents": True, "do_lower_case": False, "quotes": False}
        made = "Precompiled"
    for key, value in wanted.items():
        if flags is None or (flags[key] != value and key not in said.settings):
            found = ", ".join(step["type"] for step in steps) or None
            _disagree(said, "normalizer", found, made)
    # Blanks are split off first, so that a Metaspace alone splits words at the same places.
    kinds = [step["type"] for step in before]
    if kinds not in (["Metaspace"], ["WhitespaceSplit", "Metaspace"]):
        _disagree(said, "pre_tokenizer", kinds, ["WhitespaceSplit", "Metaspace"])
    space = before[-1]
    if space["replacement"] != "▁" or not space.get("split", True):
        _disagree(said, "pre_tokenizer's Metaspace", space, "▁")
    if space["prepend_scheme"] != "always" and "add_prefix_space" not in said.settings:
        _disagree(said, "pre_tokenizer's prepend_scheme", space["prepend_scheme"], "always")


def _flags(steps: list[Any]) -> dict[str, bool] | None:
    """Return what a sentencepiece normaliser does, by the settings' names; None if it is none."""
    kinds = [step["type"] for step in steps if not _only_blanks(step)]
    # Doing these again changes nothing; some files list them twice.
    kinds = [k for i, k in enumerate(kinds) if k not in _ONCE or k not in kinds[:i]]
    rules = [_rule(step) for step in steps if step["type"] == "Replace" and not _only_blanks(step)]
    accents = [kind for kind in kinds if kind in ("NFKD", "StripAccents")]
    if rules not in ([], _QUOTES) or accents not in ([], ["NFKD", "StripAccents"]):
        return None
    order = ["Replace", "Replace", "NFKD", "StripAccents", "Lowercase", "Precompiled"]
    rest = iter(order)
    if not all(kind in rest for kind in kinds):  # each once, in this order
        return None
    return {
        "keep_accents": not accents,
        "do_lower_case": "Lowercase" in kinds,
        "quotes": bool(rules),
    }


def _only_blanks(step: Mapping[str, Any]) -> bool:
    """Whether a step merely drops blanks that no word keeps anyway."""
    if step["type"] == "Strip":
        return True
    return bool(step["type"] == "Replace" and step["pattern"] == {"Regex": " {2,}"})


def _rule(step: Mapping[str, Any]) -> tuple[Any, Any]:
    return step["pattern"].get("String"), step["content"]


def _disagree(said: Said, part: str, found: object, made: object) -> NoReturn:
    raise InputError(
        f"tokenizer.json: its {part} is {quote(found)}, but a {said.kind}, which this folder "
        f'means, has {quote(made)}; to take tokenizer.json as it stands, put "tokenizer_class": '
        f'"{AS_IT_STANDS}" into {CONFIG}'
    )
