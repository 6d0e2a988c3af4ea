"""Owns what is countable in a sentence and written as a word: half, first, March, Monday, the 1990s."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from rag.facts import MONTHS, Date, Number, facts


class Mention(NamedTuple):
    """Something countable that is written as a word: of `kind` fraction, ordinal, month, weekday, quarter, decade.

    `value` is a share of 1, or the place in its row: 1 for "first", January, Monday; 1990 for "the 1990s".
    """

    text: str
    kind: str
    value: float
    start: int
    end: int


class Countables(NamedTuple):
    """All of a text that can be counted."""

    numbers: tuple[Number, ...]
    dates: tuple[Date, ...]
    mentions: tuple[Mention, ...]


_ORDINALS = {word: float(place) for place, word in enumerate(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth".split(), start=1)}  # fmt: skip
_WEEKDAYS = {word: float(place) for place, word in enumerate(
    "monday tuesday wednesday thursday friday saturday sunday".split(), start=1)}  # fmt: skip
_FRACTIONS = {"half": 1 / 2, "third": 1 / 3, "thirds": 2 / 3, "quarter": 1 / 4, "quarters": 3 / 4}
_LONG = "|".join(name.title() for name in MONTHS if len(name) > 3 and name not in ("march", "sept"))
_MENTIONS = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?:(?P<quarter>(?i:first|second|third|fourth))[- ]quarter|Q(?P<q>[1-4]))\b",
        r"(?<!\d)(?P<decade>(?:1\d|20)\d0)['’]?s\b",
        r"\b(?i:(?P<half>half)|(?:a|one)[- ](?P<part>third|quarter) of"
        r"|two[- ](?P<thirds>thirds)|three[- ](?P<quarters>quarters))\b(?!-)",
        rf"\b(?i:(?P<ordinal>{'|'.join(_ORDINALS)}))\b|(?<![\d.,])\b(?P<figure>\d{{1,3}})(?:st|nd|rd|th)\b",
        rf"\b(?P<weekday>{'|'.join(word.title() for word in _WEEKDAYS)})s?\b",
        rf"\b(?P<month>{_LONG})\b",
        r"\b(?i:in|by|since|until|last|next|this|early|late|mid|of)[ -](?P<spring>(?-i:May|March))\b",
    )
)
_KINDS = {"q": "quarter", "half": "fraction", "part": "fraction", "thirds": "fraction", "quarters": "fraction",
          "figure": "ordinal", "spring": "month"}  # fmt: skip
_VALUES: dict[str, dict[str, float]] = {
    "fraction": _FRACTIONS, "ordinal": _ORDINALS, "quarter": _ORDINALS, "weekday": _WEEKDAYS, "month": {**MONTHS},
}  # fmt: skip


def _mention(match: re.Match[str]) -> Mention:
    group, word = next((group, word) for group, word in match.groupdict().items() if word)
    kind, low = _KINDS.get(group, group), word.lower()
    if kind in ("month", "decade"):  # without the word in front that told it
        return Mention(
            text=word + match[0][match.end(group) - match.start() :],
            kind=kind,
            value=_VALUES.get(kind, {}).get(low) or float(low),
            start=match.start(group),
            end=match.end(),
        )
    return Mention(match[0], kind, _VALUES.get(kind, {}).get(low) or float(low), *match.span())


@lru_cache(maxsize=512)
def countables(text: str) -> Countables:
    """Return the numbers and dates of a text, and what is written as words outside of its dates."""
    found = facts(text)
    for day in found.dates:
        text = text[: day.start] + " " * (day.end - day.start) + text[day.end :]
    mentions: list[Mention] = []
    for pattern in _MENTIONS:
        matches = list(pattern.finditer(text))
        mentions += [_mention(match) for match in matches]
        for match in matches:  # the third quarter is no third
            text = text[: match.start()] + " " * len(match[0]) + text[match.end() :]
    return Countables(*found, tuple(mentions))


# ---------------------------------------------------------------- compared

_ROUNDED = 0.05  # how far "about" and "nearly" reach


def bounds_clash(here: str, there: str) -> bool:
    """Whether "more than 5" is said of a plain 5, or the contrary of it, or "up to 5" has become 5."""
    if {here, there} <= {"", "~"}:
        return False
    up, down = {">", "≥"}, {"<", "≤"}
    return (
        (here in up and there in down)
        or (here in down and there in up)
        or (here in "<>" and not there)
        or (there in down and not here)
    )


def rounds(number: Number, other: Number) -> bool:
    """Whether a number that is called about right is so: "nearly 12 million" for 11.8, "over 11 million" too."""
    if (
        not number.bound
        or number.percent != other.percent
        or (number.measure and other.measure and number.measure != other.measure)
    ):
        return False
    value, there = number.values[-1], other.values[-1]
    low = value if number.bound in (">", "≥") else value * (1 - _ROUNDED)
    high = value if number.bound in ("<", "≤") else value * (1 + _ROUNDED)
    return low <= there <= high and there != 0


def counts(number: Number) -> bool:
    """Whether a number is a word like "one" or "two", which is more often grammar than a figure."""
    return number.text.isalpha() and number.values[0] <= 2


def is_year(number: Number) -> bool:
    """Whether a number is written like a year."""
    return number.text.isdigit() and 1000 <= number.values[0] < 2100 and number.measure is None


def same_mention(one: Mention, other: Mention) -> bool:
    """Whether two words stand for the same."""
    return one.kind == other.kind and one.value == other.value


def weekday(day: Date) -> int | None:
    """Return the day of the week of a full date, 1 for Monday."""
    try:
        return date(day.year, day.month, day.day).isoweekday() if day.year and day.day else None
    except ValueError:  # 30 February
        return None
