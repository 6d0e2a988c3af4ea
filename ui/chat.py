"""Owns one reader's conversation: asking, streaming, stopping, and what a click in it opens."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from rag import Footnote
from rag.errors import FootnoteError, ProviderError
from rag.types import Answer, Citation, Source, Span
from ui.evidence import WELCOME, article_html, gone_html, sources_html
from ui.library import articles_html
from ui.render import answer_html, draft_html, error_html

_REDRAW = 0.05  # seconds between two pictures of a reply that streams in, while few are being written
_READERS = 4  # from so many on they are drawn less often, or drawing would slow down all
_LINK = re.compile(
    r"#(?P<kind>cite|evidence|sources|article|articles)(?:-(?P<first>[0-9a-f]{1,64})(?:-(?P<n>\d{1,4}))?)?"
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and what came of it: an answer, or why there is none."""

    question: str
    answer: Answer | None
    error: str | None = None


class View(NamedTuple):
    """What the page shows: finished turns, the one being answered, the side panel. None leaves a part as it is."""

    history: str | None
    live: str
    side: str | None
    turns: tuple[Turn, ...]
    busy: bool


class Chat:
    """The conversations of all readers of one library; each reader's turns are kept by the page."""

    def __init__(self, library: Footnote) -> None:
        self._library = library
        self._stops: dict[str, threading.Event] = {}

    def ask(self, question: str, turns: tuple[Turn, ...], session: str) -> Iterator[View]:
        """Answer a question, yielding a view whenever there is more to see."""
        question = question.strip()
        if not question:
            return
        stop = self._stops[session] = threading.Event()
        try:
            yield View(None, draft_html(question, "", self._library.model), None, turns, busy=True)
            turn = None
            text, drawn = "", 0.0
            try:
                for part in self._library.stream(question, stop.is_set, said(turns), session):
                    if isinstance(part, Answer):
                        turn = Turn(question, part)
                        continue
                    text += part
                    if time.monotonic() - drawn >= _REDRAW * max(1, len(self._stops) / _READERS):
                        drawn = time.monotonic()
                        yield View(None, draft_html(question, text, self._library.model), None, turns, busy=True)
            except ProviderError as error:
                turn = Turn(question, error.answer, str(error))
            except FootnoteError as error:
                turn = Turn(question, None, str(error))
            except Exception:
                _log.exception("a question could not be answered")
                turn = Turn(question, None, "Something went wrong. Ask again; the log of the server says more.")
            turns = (*turns, turn) if turn else turns
            side = sources_html(turn.answer, len(turns)) if turn and turn.answer else WELCOME
            yield View(history_html(turns), "", side, turns, busy=False)
        finally:
            if self._stops.get(session) is stop:
                del self._stops[session]

    def stop(self, session: str) -> None:
        """End the answer that is being written for a session; what came of it is checked and kept."""
        if event := self._stops.get(session):
            event.set()

    def open(self, link: str, turns: tuple[Turn, ...]) -> str | None:
        """Return the side panel that a link of the page leads to; None where it leads nowhere."""
        match = _LINK.fullmatch(link)
        if not match:
            return None
        kind, first, n = match["kind"], match["first"], match["n"]
        if kind == "articles":
            return articles_html(self._library.sources())
        if kind == "article":
            return self._article(first or "")
        turn = int(first) if first and first.isdigit() and len(first) < 7 else 0
        answer = turns[turn - 1].answer if 1 <= turn <= len(turns) else None
        if answer is None:
            return None
        if kind == "sources":
            return sources_html(answer, turn)
        return self._cited(answer, turn, int(n or 0)) if kind == "cite" else self._evidence(answer, turn, int(n or 0))

    def _cited(self, answer: Answer, turn: int, n: int) -> str | None:
        if not 1 <= n <= len(answer.citations):
            return None
        citation: Citation = answer.citations[n - 1]
        span = Span(citation.start, citation.end)
        label = f"Footnote {n}" if citation.page is None else f"Footnote {n} · page {citation.page}"
        return self._opened(citation.source, span, citation.quote, label, turn)

    def _evidence(self, answer: Answer, turn: int, n: int) -> str | None:
        if not 1 <= n <= len(answer.evidence.hits):
            return None
        hit = answer.evidence.hits[n - 1]
        span = Span(hit.passage.start, hit.passage.end)
        return self._opened(hit.source, span, hit.passage.text, "Found, not cited", turn)

    def _opened(self, source: Source, span: Span, words: str, label: str, turn: int) -> str:
        article = self._library.article(source.article_id)
        if article is None:
            return gone_html(source, words)
        return article_html(article, source, span, label, f"#sources-{turn}")

    def _article(self, identifier: str) -> str | None:
        source = next((item for item in self._library.sources() if item.article_id == identifier), None)
        article = self._library.article(identifier)
        if source is None or article is None:
            return None
        return article_html(article, source, None, "Article", "#articles")


def said(turns: tuple[Turn, ...]) -> list[dict[str, str]]:
    """Return what was asked and answered so far, as messages, so that a follow-up can be understood."""
    messages: list[dict[str, str]] = []
    for turn in turns:
        messages.append({"role": "user", "content": turn.answer.standalone_question if turn.answer else turn.question})
        if turn.answer and turn.answer.text:
            messages.append({"role": "assistant", "content": turn.answer.text})
    return messages


def history_html(turns: tuple[Turn, ...]) -> str:
    """Return the finished turns of a conversation."""
    return "".join(
        answer_html(turn.question, turn.answer, number, turn.error)
        if turn.answer
        else error_html(turn.question, turn.error or "")
        for number, turn in enumerate(turns, start=1)
    )
