"""Owns what a scope must be before it is searched."""

from __future__ import annotations

import re
from datetime import date

from rag.errors import InputError
from rag.types import Scope

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def checked_scope(scope: Scope) -> Scope:
    """Return a scope with each article once; raises InputError where its date is none."""
    articles, as_of = scope
    if as_of is not None and not _is_date(as_of):
        raise InputError(f"{as_of!r:.40} is no date. Write year, month and day, for example 2025-08-31.")
    if not all(isinstance(article, str) and article.isascii() for article in articles):
        raise InputError("What was chosen is no article of the library. Choose again.")
    return Scope(tuple(dict.fromkeys(articles)), as_of)


def _is_date(text: object) -> bool:
    if not isinstance(text, str) or not _DATE.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
