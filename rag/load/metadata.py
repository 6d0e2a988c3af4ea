"""Owns dates, names and languages as documents write them."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from dateutil import parser as dateutil_parser

from rag.text import clean

_CHINESE_DATE = re.compile(r"(?P<y>[12]\d{3})\s*年\s*(?P<m>\d{1,2})\s*月\s*(?P<d>\d{1,2})\s*日")
_YEAR_FIRST = re.compile(
    r"(?P<y>[12]\d{3})(?P<border>[-/.])(?P<m>\d{1,2})(?P=border)(?P<d>\d{1,2})(?:Z|[T +]\d{1,2}:|\Z)"
)
_WEB_ADDRESS = re.compile(r"https?://[^\s\x00-\x1f]{1,2000}\Z", re.IGNORECASE)
_DETECT_CHARACTERS = 4000
_DETECT_LETTERS = 20


def parse_date(value: Any) -> str | None:
    """Return the ISO date (YYYY-MM-DD) that a value names in full; None where day, month or year is missing.

    A date without its year ("08/23") stays unknown: nothing is filled in from today. So does one that
    reads differently in two countries ("03/04/2025"): no date is better than a wrong one.
    """
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str) or not 6 <= len(value.strip()) <= 60:
        return None
    text = value.strip()
    try:
        if match := _CHINESE_DATE.match(text) or _YEAR_FIRST.match(text):
            return date(*(int(part) for part in match.group("y", "m", "d"))).isoformat()
        if not re.search(r"[12]\d{3}", text):
            return None
        # Two defaults that differ in everything: what the text does not say would differ too.
        found = {
            dateutil_parser.parse(text, default=default, dayfirst=day_first, ignoretz=True).date()
            for default in (datetime(2001, 1, 1), datetime(2002, 2, 2))
            for day_first in (False, True)
        }
    except (ValueError, OverflowError, TypeError):
        return None
    only = found.pop()
    return only.isoformat() if not found and str(only.year) in text else None


def one_line(value: Any) -> str | None:
    """Return a metadata value, or a list of them, as one line of text; None where it is empty or no text."""
    items = value if isinstance(value, list) else [value]
    # Only plain values: a list of lists of YAML aliases can stand for more text than there is memory.
    plain = [str(item) for item in items if isinstance(item, str | int | float | date) and not isinstance(item, bool)]
    return " ".join(clean(", ".join(plain)).split())[:300] or None


def person_names(value: Any) -> str | None:
    """Return the names in an author entry: text, a mapping with a `name`, or a list of these."""
    people = value if isinstance(value, list) else [value]
    return one_line([person.get("name") if isinstance(person, dict) else person for person in people])


def web_address(value: Any) -> str | None:
    """Return a value that is an http or https address; None for any other, which must not become a link."""
    text = value.strip() if isinstance(value, str) else ""
    return text if _WEB_ADDRESS.match(text) else None


def language_code(value: Any) -> str | None:
    """Return the two- or three-letter code of a language tag ("en-GB" gives "en")."""
    match = re.match(r"([A-Za-z]{2,3})(?:[-_]|\Z)", value.strip()) if isinstance(value, str) else None
    return match.group(1).lower() if match else None


def detect_language(text: str) -> str | None:
    """Return the ISO 639-1 code of the language a text is written in; None where there is too little of it."""
    sample = text[:_DETECT_CHARACTERS]
    if sum(char.isalpha() for char in sample) < _DETECT_LETTERS:
        return None
    import py3langid  # loading its model takes most of a second: only where a file does not say itself

    code: str = py3langid.classify(sample)[0]
    return code
