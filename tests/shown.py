"""What the page shows of values: turns, drafts and articles, as the browser gets them."""

from __future__ import annotations

from rag.types import Answer, Article, Hit, Span
from ui.reading import Place, Reading, article_html
from ui.turn_view import draft_html, refused_html, turn_html
from ui.turns import Reply, Turn


def turn(answer: Answer, number: int = 1, error: str | None = None) -> str:
    """Return a finished turn with this answer, in the conversation `conv`."""
    return turn_html(Turn(answer.question, (Reply(answer, error),)), number, "conv")


def draft(question: str, text: str, model: str) -> str:
    """Return a turn of which this text has come so far."""
    return draft_html(question, 1, [("", text)], model)


def refused(question: str, message: str) -> str:
    """Return a question that was not answered, and why."""
    return refused_html(question, 1, message)


def article(opened: Article, hit: Hit) -> str:
    """Return an article open at a passage of it."""
    span = Span(hit.passage.start, hit.passage.end)
    place = Place(hit.source, "#evidence-1-1", "Found, not cited", (span,), hit.passage.text)
    return article_html(Reading(opened, place, "1"))
