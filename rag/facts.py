"""Owns what can be checked to the letter in a sentence: its numbers, dates and other times, its names."""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from rag.measures import BOUND_AFTER, BOUND_BEFORE, Measure, measure
from rag.text import CJK, index_terms

_LATIN = rf"[^\W\d_{CJK}]"  # a letter that forms words with its neighbours


class Date(NamedTuple):
    """A date as far as it is given; it stands at `start:end`."""

    text: str
    year: int | None
    month: int
    day: int | None
    start: int = 0
    end: int = 0

    def agrees(self, other: Date) -> bool:
        """Whether another date says all that this one says, where both give a year."""
        same_year = self.year is None or other.year is None or self.year == other.year
        return same_year and self.month == other.month and self.day in (None, other.day)


class Number(NamedTuple):
    """A number and the values it may mean: "1.2 million" is 1200000; "412m" is 412, or 412 million.

    `measure` is its unit or currency, None where it has none that we know; `bound` is one of "", ">", "≥",
    "<", "≤", "~". `phrase` is all of this as it stands at `start:end`: "$5", "more than 5 km".
    """

    text: str
    values: tuple[float, ...]
    percent: bool
    measure: Measure | None = None
    bound: str = ""
    phrase: str = ""
    start: int = 0
    end: int = 0

    def agrees(self, other: Number) -> bool:
        """Whether another number may be this one.

        A percentage agrees with percentages only, a unit or currency with its own kind or none: 1 km is
        1000 m, and not 1 mile. Bounds are not compared.
        """
        if self.percent > other.percent or (other.percent and self.measure):
            return False
        one, two, room = 1.0, 1.0, 1e-9
        if self.measure and other.measure:
            if self.measure.kind != other.measure.kind:
                return False
            one, two = self.measure.factor, other.measure.factor
            room = room if one == two else _CONVERTED
        return any(abs(a * one - b * two) <= room * abs(a * one) for a in self.values for b in other.values)


_CONVERTED = 0.01  # "100 km" is "62 miles"


class Facts(NamedTuple):
    """What a text states that another text can be checked for."""

    numbers: tuple[Number, ...]
    dates: tuple[Date, ...]


# ---------------------------------------------------------------- dates

MONTHS = {
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
# "may" and "march" in small letters are words like any other.
_MONTH = rf"\b(?P<month>(?!may|march)(?i:{'|'.join(sorted(MONTHS, key=len, reverse=True))}))\b\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?\b(?![.,]?\d)"
_YEAR = r"(?P<year>(?:1\d|20)\d\d)(?!\d)"
_DATES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?<!\d){_YEAR}-(?P<number>\d{{1,2}})-(?P<day>\d{{1,2}})(?!\d)",
        rf"(?<!\d){_YEAR}\s*年\s*(?P<number>\d{{1,2}})\s*月(?:\s*(?P<day>\d{{1,2}})\s*[日号])?",
        r"(?<!\d)(?P<number>\d{1,2})\s*月\s*(?P<day>\d{1,2})\s*[日号]",
        rf"\b{_DAY}\s+(?:of\s+)?{_MONTH}(?:,?\s+{_YEAR})?",
        rf"{_MONTH}\s+{_DAY}(?:,?\s+{_YEAR})?",
        rf"{_MONTH},?\s+(?:of\s+)?{_YEAR}",
    )
)


def _date(match: re.Match[str]) -> Date | None:
    parts = match.groupdict()
    month = int(parts["number"]) if parts.get("number") else MONTHS.get(parts["month"].lower(), 0)
    day = int(parts["day"]) if parts.get("day") else None
    if not 1 <= month <= 12 or (day is not None and not 1 <= day <= 31):
        return None
    year = int(parts["year"]) if parts.get("year") else None
    return Date(match[0], year, month, day, *match.span())


# ---------------------------------------------------------------- numbers

_SCALES = {
    "dozen": 12.0, "hundred": 1e2, "thousand": 1e3, "million": 1e6, "mln": 1e6, "billion": 1e9, "bn": 1e9,
    "trillion": 1e12, "tn": 1e12, "k": 1e3, "m": 1e6, "b": 1e9, "万": 1e4, "亿": 1e8,
}  # fmt: skip
_UNITS = {
    word: float(value)
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
} | {"dozen": 12.0}
_TENS = {
    word: 10.0 * value
    for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)
}
_BLANK = "[ \u00a0\u2009\u202f]"
_FIGURE = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:[\u00a0\u2009\u202f]\d{3})+|\d+(?:\.\d+)?"
_WORDS = rf"(?:{'|'.join(_TENS)})(?:[- ](?:{'|'.join(list(_UNITS)[1:10])}))?|{'|'.join(_UNITS)}"
_NUMBER = re.compile(
    # Not inside a name (GPT-4o, v2.5), but behind a prefix where it is a year (mid-2024).
    rf"(?<!\d[.,])(?<![\d_])(?<!{_LATIN})(?:(?<!{_LATIN}[-–])(?<!{_LATIN}\.)|(?<=-)(?=(?:1\d|20)\d\d(?!\d)))"
    rf"(?P<figure>{_FIGURE}|{_WORDS})(?!\d)"
    rf"(?:(?:{_BLANK}|-)?(?P<scale>dozen|hundred|thousand|million|mln|billion|bn|trillion|tn)s?(?!{_LATIN})"
    rf"|(?P<short>[kmb])(?!{_LATIN})|(?P<cjk>[万亿]))?"
    rf"(?P<percent>{_BLANK}?[%％]|{_BLANK}?percent\b|{_BLANK}per cent\b)?(?!{_LATIN})",
    re.IGNORECASE,
)


def _number(match: re.Match[str], text: str) -> Number | None:
    figure = match["figure"].lower()
    if figure[0].isdigit():
        value = float(re.sub(r"[,\s]", "", figure))
    else:
        parts = [_TENS.get(part, _UNITS.get(part)) for part in re.split("[- ]", figure)]
        if None in parts:  # a letter that only looks like one of these words
            return None
        value = sum(part for part in parts if part is not None)
    if range_ := _RANGE.search(text, max(0, match.start() - 5), match.start()):
        value = value + 100 * int(range_[1]) if re.fullmatch(r"\d\d", figure) else value
    scaled = value * _SCALES.get((match["scale"] or match["short"] or match["cjk"] or "").lower(), 1.0)
    values = (value, scaled) if match["short"] else (scaled,)  # "m" may be metres
    percent = match["percent"] is not None
    unit, start, end = (None, *match.span()) if percent else measure(text, *match.span())
    before = BOUND_BEFORE.search(text, max(0, start - _LOOK), start)
    after = BOUND_AFTER.match(text, end)
    bound = next((kind for found in (before, after) if found for kind, word in found.groupdict().items() if word), "")
    bound = "" if before and before["over"] and unit and unit.kind == "time" else _BOUNDS.get(bound, "")
    start, end = (before.start() if before and bound else start), (after.end() if after and bound else end)
    return Number(match[0].strip(), values, percent, unit, bound, text[start:end].strip(), start, end)


_RANGE = re.compile(r"(?<!\d)(1\d|20)\d\d[–/-]\Z")
_LOOK = 30  # characters in front of a number in which its bound may stand
_BOUNDS = {"more": ">", "over": ">", "least": "≥", "less": "<", "most": "≤", "about": "~"}


def facts(text: str) -> Facts:
    """Return the dates of a text, and its numbers outside of them, written as figures or as words."""
    dates: list[Date] = []
    for pattern in _DATES:
        found = [(match, date) for match in pattern.finditer(text) if (date := _date(match))]
        dates += [date for _, date in found]
        for match, _ in found:  # what is part of a date is no number of its own
            text = text[: match.start()] + " " * len(match[0]) + text[match.end() :]
    numbers = (_number(match, text) for match in _NUMBER.finditer(text))
    return Facts(tuple(number for number in numbers if number), tuple(dates))


# ---------------------------------------------------------------- names

_TOKEN = re.compile(rf"(?:(?<![\w'’])|(?<=[{CJK}])){_LATIN}(?:[^\W{CJK}]|&)*(?:[-'’.](?:[^\W{CJK}])+)*")
_NOT_NAMES = frozenset(
    "i a an the this that these those it its he she they we you and or but if when while as at by for from in of on "
    "to with according however also both each every no not yes there here what who which where why how his her their "
    "our your my monday tuesday wednesday thursday friday saturday sunday".split()
) | frozenset(MONTHS)
_HYPHENATED = re.compile(r"(?<=\w\w)(?:-[a-zß-öø-ÿ]{3,})+\Z")  # of "Paris-based"
_ENDINGS = frozenset("n an ian ean s es ish ese i ic".split())  # of Russia and Russian, Ireland's and Ireland


def names(text: str) -> tuple[str, ...]:
    """Return the words of a sentence that look like names: capitalised, and not merely because they stand first."""
    found: list[str] = []
    for match in _TOKEN.finditer(text):
        word = match[0]
        if not word[0].isupper() or len(word) < 2 or word.lower() in _NOT_NAMES:
            continue
        opens = not text[: match.start()].strip(" \t\n*_\"'“‘(>#-")
        following = _TOKEN.match(text, match.end() + 1)
        alone = following is None or not following[0][0].isupper()
        if not (opens and alone) or sum(char.isupper() for char in word) > 1:
            found.append(_HYPHENATED.sub("", word))
    return tuple(dict.fromkeys(found))


_PEOPLES = {
    term: index_terms(words.split()[0])[0]
    for words in (
        "china chinese", "france french frenchman", "britain british briton uk", "netherlands dutch", "spain spanish",
        "switzerland swiss", "denmark danish dane", "sweden swedish swede", "turkey turkish turk", "poland polish pole",
        "ireland irish", "wales welsh", "scotland scottish scot", "greece greek", "finland finnish finn",
        "norway norwegian", "portugal portuguese", "iceland icelandic", "philippines filipino", "peru peruvian",
        "america american us", "england english", "germany german", "vietnam vietnamese", "europe european",
        "ukraine ukrainian", "canada canadian", "norman normandy", "lebanon lebanese", "thailand thai",
    )
    for term in index_terms(words)
}  # fmt: skip


def lacks_name(name: str, terms: AbstractSet[str]) -> bool:
    """Whether a name stands in none of a text's terms, other forms of the word ("Russian" for "Russia") aside."""
    return any(term not in terms and not any(_same_word(term, other) for other in terms) for term in index_terms(name))


def _same_word(one: str, two: str) -> bool:
    short, long = sorted((one, two), key=len)
    if _PEOPLES.get(one, one) == _PEOPLES.get(two, two):
        return True
    return len(short) >= 4 and long.startswith(short) and long[len(short) :] in _ENDINGS
