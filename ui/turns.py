"""Owns the values of a conversation on the page: what was asked, how, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from rag.types import ALL_ARTICLES, Answer, Scope

Mode = Literal["answer", "search", "compare"]

SEARCH = "search only"
"""Stands for a model in an `Answer` that is passages only: without text, sentences and citations."""


@dataclass(frozen=True, slots=True)
class Asked:
    """How a question is asked: answered, searched for only, or answered by several to compare; of which articles.

    `models` are names as `Footnote.models` gives them; none means those of the settings.
    """

    mode: Mode = "answer"
    models: tuple[str, ...] = ()
    scope: Scope = ALL_ARTICLES


PLAINLY = Asked()


class Feedback(NamedTuple):
    """What a reader thinks of a reply."""

    good: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, or why there is none; both where a model failed and passages were found."""

    answer: Answer | None
    error: str | None = None
    feedback: Feedback | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and what came of it, at `at` (UTC, ISO 8601): one reply, or one of each model that was compared."""

    question: str
    replies: tuple[Reply, ...]
    asked: Asked = PLAINLY
    at: str = ""
