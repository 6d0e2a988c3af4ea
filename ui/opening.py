"""Owns what a link of the page opens in the evidence pane."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field

from rag import Footnote
from rag.types import Answer, Source, Span
from ui.conversations import Conversations
from ui.evidence import article_html, gone_html, sources_html
from ui.requests import Conversing, read

_LINK = re.compile(
    r"#(?:(?P<kind>cite|evidence|sources)-(?P<number>[1-9]\d{0,3})(?:\.(?P<k>[1-9]))?(?:-(?P<n>\d{1,4}))?"
    r"|article-(?P<article>[0-9a-f]{16}))"
)


class Opened(Conversing):
    """A link that a reader followed, in a conversation."""

    link: Annotated[str, Field(max_length=200)]


class Opening:
    """Opens evidence: of an answer that is kept, or an article as it is now."""

    def __init__(self, library: Footnote, conversations: Conversations) -> None:
        self._library = library
        self._conversations = conversations

    def act(self, data: Any, session: str) -> dict[str, Any]:
        """Return the side panel that a link leads to."""
        asked = read(Opened, data)
        match = _LINK.fullmatch(asked.link)
        found: str | None = None
        if match and match["article"]:
            found = self._article(match["article"])
        elif match:
            turns = self._conversations.turns(session, asked.conversation)
            number, k = int(match["number"]), int(match["k"] or 1)
            replies = turns[number - 1].replies if number <= len(turns) else ()
            answer = replies[k - 1].answer if k <= len(replies) else None
            key = match["number"] + (f".{k}" if k > 1 else "")
            found = self._of(answer, match["kind"], key, int(match["n"] or 0)) if answer else None
        return {"side": found} if found else {"error": "There is nothing behind this link any more."}

    def _of(self, answer: Answer, kind: str, key: str, n: int) -> str | None:
        if kind == "sources":
            return sources_html(answer, key)
        if kind == "cite" and 1 <= n <= len(answer.citations):
            citation = answer.citations[n - 1]
            label = f"Footnote {n}" if citation.page is None else f"Footnote {n} · page {citation.page}"
            return self._opened(citation.source, Span(citation.start, citation.end), citation.quote, label, key)
        if kind == "evidence" and 1 <= n <= len(answer.evidence.hits):
            hit = answer.evidence.hits[n - 1]
            span = Span(hit.passage.start, hit.passage.end)
            return self._opened(hit.source, span, hit.passage.text, "Found, not cited", key)
        return None

    def _opened(self, source: Source, span: Span, words: str, label: str, key: str) -> str:
        article = self._library.article(source.article_id)
        if article is None:
            return gone_html(source, words)
        return article_html(article, source, span, label, f"#sources-{key}")

    def _article(self, identifier: str) -> str | None:
        source = next((item for item in self._library.sources() if item.article_id == identifier), None)
        article = self._library.article(identifier)
        if source is None or article is None:
            return None
        return article_html(article, source, None, "Article", None)
