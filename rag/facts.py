"""Owns what can be checked to the letter in a sentence: its numbers, its dates, its names."""

from __future__ import annotations

import re
from typing import NamedTuple

from rag.text import index_terms

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
            "september sept sep", "october oct", "november nov", "december dec",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_MONTH = r"(?P<month>" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\b\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?\b"
_YEAR = r"(?P<year>(?:1\d|20)\d\d)\b"
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b{_YEAR}-(?P<number>\d{{1,2}})-{_DAY}",
        rf"{_YEAR}\s*年\s*(?P<number>\d{{1,2}})\s*月(?:\s*(?P<day>\d{{1,2}})\s*[日号])?".replace(r"\b", ""),
        r"(?P<number>\d{1,2})\s*月\s*(?P<day>\d{1,2})\s*[日号]",
        rf"\b{_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?",
        rf"\b{_MONTH}\s+{_DAY}(?:,?\s+{_YEAR})?",
        rf"\b{_MONTH},?\s+(?:of\s+)?{_YEAR}",
    )
)


class Date(NamedTuple):
    """A date as far as it is given."""

    text: str
    year: int | None
    month: int
    day: int | None

    def agrees(self, other: Date) -> bool:
        """Whether another date says all that this one says, where both give a year."""
        same_year = self.year is None or other.year is None or self.year == other.year
        return same_year and self.month == other.month and self.day in (None, other.day)


class Number(NamedTuple):
    """A number with its scale applied: "1.2 million" is 1200000."""

    text: str
    value: float
    percent: bool


class Facts(NamedTuple):
    """What a text states that another text can be checked for."""

    numbers: tuple[Number, ...]
    dates: tuple[Date, ...]


_SCALES = {
    "hundred": 1e2, "thousand": 1e3, "k": 1e3, "million": 1e6, "mln": 1e6, "m": 1e6, "billion": 1e9, "bn": 1e9,
    "b": 1e9, "trillion": 1e12, "tn": 1e12, "万": 1e4, "亿": 1e8,
}  # fmt: skip
_WORDS = {
    word: float(value)
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty".split()
    )
} | {"thirty": 30.0, "forty": 40.0, "fifty": 50.0, "sixty": 60.0, "seventy": 70.0, "eighty": 80.0, "ninety": 90.0}
_FIGURE = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_NUMBER = re.compile(
    rf"(?<![\w.,])(?<![^\W\d_][-–])(?P<figure>{_FIGURE}|{'|'.join(_WORDS)})(?!\d)"
    r"(?:[ -]?(?P<scale>hundred|thousand|million|mln|billion|bn|trillion|tn)\b|(?P<short>[kmb])\b|(?P<cjk>[万亿]))?"
    r"(?P<percent>\s?%|\s?percent\b|\s?per cent\b)?(?![^\W\d_])",
    re.IGNORECASE,
)


def facts(text: str) -> Facts:
    """Return the dates of a text, and its numbers outside of them, written as figures or as words."""
    dates: list[Date] = []
    rest = text
    for pattern in _DATES:
        for match in pattern.finditer(rest):
            parts = match.groupdict()
            month = int(parts["number"]) if parts.get("number") else _MONTHS[parts["month"].lower()]
            day = int(parts["day"]) if parts.get("day") else None
            dates.append(Date(match[0], int(parts["year"]) if parts.get("year") else None, month, day))
        rest = pattern.sub(lambda match: " " * len(match[0]), rest)
    return Facts(tuple(_number(match) for match in _NUMBER.finditer(rest)), tuple(dates))


def _number(match: re.Match[str]) -> Number:
    figure = match["figure"].lower()
    value = _WORDS[figure] if figure in _WORDS else float(figure.replace(",", ""))
    scale = (match["scale"] or match["short"] or match["cjk"] or "").lower()
    return Number(match[0].strip(), value * _SCALES.get(scale, 1.0), match["percent"] is not None)


_NAME = re.compile(r"(?<![\w'’])(?:[^\W\d_a-z][\w&]*(?:[-'’.][^\W\d_]\w*)*)(?:\s+[^\W\d_a-z][\w&]*(?:[-'’.]\w+)*)*")
_NOT_NAMES = frozenset(
    "i a an the this that these those it its he she they we you and or but if when while as at by for from in of on "
    "to with according however also both each every no not yes there here what who which where why how his her their "
    "our your my monday tuesday wednesday thursday friday saturday sunday".split()
) | frozenset(_MONTHS)


def names(text: str) -> tuple[str, ...]:
    """Return the words of a sentence that look like names: capitalised, and not merely because they stand first."""
    found: list[str] = []
    for match in _NAME.finditer(text):
        words = match[0].split()
        if not words[0][0].isupper():  # a script without capitals
            continue
        opens = not text[: match.start()].strip(" \t\n*_\"'“‘(>#-")
        if opens and len(words) == 1 and not _is_acronym(words[0]):
            continue
        if opens and not _is_acronym(words[0]) and words[0].lower() in _NOT_NAMES:
            words = words[1:]
        found += [word for word in words if word.lower() not in _NOT_NAMES and len(word) > 1]
    return tuple(dict.fromkeys(found))


def _is_acronym(word: str) -> bool:
    return sum(char.isupper() for char in word) > 1


def lacks_name(name: str, terms: set[str]) -> bool:
    """Whether a name stands in none of a text's terms, other forms of the word ("Danish" for "Denmark") aside."""
    return any(term not in terms and not any(_same_root(term, other) for other in terms) for term in index_terms(name))


def _same_root(term: str, other: str) -> bool:
    shared = min(len(term), len(other), 5)
    return shared >= 4 and term[:shared] == other[:shared]
