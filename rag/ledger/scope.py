"""Owns a scope as a condition on the table of articles."""

from __future__ import annotations

import json

from rag.types import Scope


def condition(scope: Scope) -> tuple[str, tuple[str, ...]]:
    """Return what an active article `a` must be to lie in a scope: SQL for behind a WHERE, and its parameters."""
    text, parameters = "a.active = 1", []
    if scope.articles:
        text += " AND a.article_id IN (SELECT value FROM json_each(?))"
        parameters.append(json.dumps(scope.articles))
    if scope.as_of is not None:
        text += " AND a.published <= ?"  # what is not known is not before it
        parameters.append(scope.as_of)
    return text, tuple(parameters)
