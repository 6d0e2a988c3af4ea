"""Owns which capitalised words that stand nowhere in a source are no names it lacks: short forms, and openings."""

from __future__ import annotations

import re

from rag.text import CJK

_LETTER = rf"[^\W\d_{CJK}]"
_WORD = re.compile(rf"{_LETTER}+")
_SHORT = re.compile(rf"(?:{_LETTER}\.?){{2,6}}s?")
_TITLED = re.compile(rf"[^\W\d_a-z{CJK}][^\W\d_A-Z{CJK}]+")
_NUMBERED = re.compile(rf"({_LETTER}{{2,}})-\d+")
_QUARTER = re.compile("Q[1-4]")
_ANY_CASE = 3  # letters from which on a short form may stand for words in small letters ("YoY", "CBT")


def accounted_for(name: str, claim: str, source: str) -> bool:
    """Whether a name that a source lacks is none, or stands there in full.

    Quarters ("Q3") are compared as such; a short form may be the initials of words that stand there side by side
    ("EU", "U.S."); "COVID-19" may be called "COVID", where no other number follows that; and a word that opens the
    claim is capitalised anyway, unless another such word follows it.
    """
    if _QUARTER.fullmatch(name):
        return True
    return _abbreviates(name, source) or _goes_without_number(name, source) or _merely_opens(name, claim)


def _abbreviates(name: str, source: str) -> bool:
    if not _SHORT.fullmatch(name) or sum(char.isupper() for char in name) < 2:
        return False
    letters = "".join(char for char in name.removesuffix("s") if char.isalpha())
    words = _WORD.findall(source)
    capitals = "".join(word[0] if word[0].isupper() else " " for word in words)
    anyhow = "".join(word[0].lower() for word in words) if len(letters) >= _ANY_CASE else ""
    return letters.upper() in capitals or letters.lower() in anyhow


def _goes_without_number(name: str, source: str) -> bool:
    numbered = _NUMBERED.fullmatch(name)
    if numbered is None:
        return False
    found = re.findall(rf"(?<!\w){re.escape(numbered[1])}(?!\w)([- ]?\d)?", source)
    return bool(found) and not any(found)


def _merely_opens(name: str, claim: str) -> bool:
    start = claim.find(name)
    if sum(char.isupper() for char in name) > 1 or any(char.isalnum() for char in claim[:start]):
        return False
    following = re.search(r"\w+", claim[start + len(name) :])
    return following is None or not _TITLED.fullmatch(following[0])
