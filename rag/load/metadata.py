"""Owns dates, names and languages as documents write them."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

from dateutil import parser as dateutil_parser

_CHINESE_DATE = re.compile(r"(\d{4})\s*年\s*(\d{1,2})\s*月\s*(\d{1,2})\s*日")
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ]|\Z)")
_DETECT_CHARACTERS = 4000
_DETECT_LETTERS = 20


def parse_date(value: Any) -> str | None:
    """Return the ISO date (YYYY-MM-DD) that a value names in full; None where day, month or year is missing.

    A date without its year ("08/23") stays unknown: nothing is filled in from today.
    """
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str) or not 6 <= len(value.strip()) <= 60:
        return None
    text = value.strip()
    try:
        if match := _CHINESE_DATE.match(text) or _ISO_DATE.match(text):
            return date(*(int(part) for part in match.groups())).isoformat()
        # Two defaults that differ in everything: what the text does not say would differ too.
        found = {
            dateutil_parser.parse(text, default=default).date()
            for default in (datetime(2001, 1, 1), datetime(2002, 2, 2))
        }
    except (ValueError, OverflowError, TypeError):
        return None
    return found.pop().isoformat() if len(found) == 1 else None


def one_line(value: Any) -> str | None:
    """Return a metadata value as one line of text, or None where it is empty or no text."""
    if isinstance(value, list):
        value = ", ".join(str(item) for item in value)
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    return " ".join(str(value).split())[:300] or None


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
