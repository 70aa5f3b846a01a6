"""How is a source written out that the code names by its key in references.bib?"""

import re
import unicodedata
from functools import cache
from importlib.resources import files

_ACCENTS = {"'": "\u0301", "`": "\u0300", '"': "\u0308", "^": "\u0302", "~": "\u0303"}
_ACCENTS |= {"c": "\u0327", "v": "\u030c", "H": "\u030b"}
_LETTERS = {r"{\L}": "\u0141", r"{\l}": "\u0142", r"{\o}": "\u00f8", r"{\ss}": "\u00df"}
_MOST_NAMES = 3


def cite(key: str) -> str:
    """Return authors, year, title and place of a source; the key where it cannot be looked up."""
    if key == "derived":
        return "this project; see the note"
    fields = _entries().get(key)
    if fields is None:
        return key
    where = fields.get("booktitle") or fields.get("journal") or fields.get("publisher")
    preprint = f"arXiv:{fields['eprint']}" if "eprint" in fields else None
    title = f"{_people(fields['author'])} ({fields['year']}). {fields['title']}"
    return ". ".join(part for part in (title, where, preprint) if part) + "."


@cache
def _entries() -> dict[str, dict[str, str]]:
    """Read the file as this project writes it: one field a line, in braces."""
    text = (files("theory") / "references.bib").read_text(encoding="utf-8")
    found = {}
    for entry in re.split(r"^@", text, flags=re.MULTILINE)[1:]:
        key = entry.partition("{")[2].partition(",")[0]
        fields = re.findall(r"^\s*(\w+)\s*=\s*\{(.*)\},?\s*$", entry, flags=re.MULTILINE)
        found[key] = {name: _plain(value) for name, value in fields}
    return found


def _plain(text: str) -> str:
    """Turn the accents that TeX writes as commands into letters, and drop the braces."""
    for command, letter in _LETTERS.items():
        text = text.replace(command, letter)
    accents = re.escape("".join(_ACCENTS))
    text = re.sub(rf"\{{?\\([{accents}])\{{?\\?(\w)\}}?\}}?", lambda m: m[2] + _ACCENTS[m[1]], text)
    return unicodedata.normalize("NFC", re.sub(r"[{}]", "", text).replace("--", "\u2013"))


def _people(authors: str) -> str:
    names = [name.partition(",")[0].strip() for name in authors.split(" and ")]
    if len(names) > _MOST_NAMES:
        return f"{names[0]} et al."
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
