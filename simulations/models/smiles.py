"""How are reactions of molecules split into tokens, atom by atom?"""

from pathlib import Path
from typing import Final

from simulations.models.checkpoint import Tokenizer
from simulations.models.guards import panics_unprinted, told
from simulations.models.present import is_there
from simulations.models.tokens import import_tokenizers
from theory.arrays import InputError

# Atoms in brackets, atoms, bonds, branches, rings, and the arrow of a reaction.
_PATTERN: Final = (
    r"\%\([0-9]{3}\)|\[[^\]]+]|Br?|Cl?|N|O|S|P|F|I|b|c|n|o|s|p|\||\(|\)|\.|=|#|-|\+|\\|\/|:|~|@|\?"
    r"|>>?|\*|\$|\%[0-9]{2}|[0-9]"
)
_FIRST, _LAST, _UNKNOWN, _PADDING = "[CLS]", "[SEP]", "[UNK]", "[PAD]"


def read_smiles_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a list of words, one a line, and the rule that splits SMILES.

    Raises: InputError if the list is missing or damaged, or lacks a word that marks something
    Source: schwaller2021rxnmapper
    """
    path = folder / "vocab.txt"
    if not is_there(path):
        raise InputError(f"the model's folder has no {path.name}")
    library = import_tokenizers()
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} is damaged: {error}") from error
    numbers = {word: number for number, word in enumerate(lines) if word}
    for word in (_FIRST, _LAST, _UNKNOWN, _PADDING):
        if word not in numbers:
            raise InputError(f"{path.name} lacks the word {word}")
    with panics_unprinted(), told(f"the tokenizer of {path.name} cannot be built"):
        engine = library.Tokenizer(library.models.WordLevel(numbers, unk_token=_UNKNOWN))
        engine.pre_tokenizer = library.pre_tokenizers.Split(library.Regex(_PATTERN), "isolated")
        engine.post_processor = library.processors.TemplateProcessing(
            single=[_FIRST, "$A", _LAST],
            special_tokens=[(mark, numbers[mark]) for mark in (_FIRST, _LAST)],
        )
    return Tokenizer(engine, pad_id=numbers[_PADDING])
