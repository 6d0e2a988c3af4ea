"""Owns what a link of the page opens in the evidence pane."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from rag import Footnote
from rag.errors import FootnoteError, InputError, StoreError
from rag.pages import Page, Pages, page_of
from rag.types import Answer, Span
from ui.conversations import Conversations
from ui.evidence import gone_html, missing_html, nowhere_html, sources_html
from ui.reading import Place, Reading, article_html
from ui.render import citations_of
from ui.requests import Conversing, Key, read

_LINK = re.compile(
    r"#(?P<kind>cite|evidence|sources)-(?P<key>[1-9]\d{0,3}(?:\.[1-9])?)(?:-(?P<n>[1-9]\d{0,3}))?"
    r"(?P<spans>(?:-\d{1,9}-\d{1,9}){0,3})"
)
_ARTICLE = re.compile(
    r"#article-(?P<article>[0-9a-f]{16})(?:-(?P<start>\d{1,9})-(?P<end>\d{1,9})-(?P<hash>[0-9a-f]{8}))?"
)
_NOTHING = "There is nothing behind this link any more."
_UNREADABLE = "This page cannot be shown just now. The text is shown instead."
_NO_PLACE = "The link leads to a place that the article does not have."
_NEAREST = "Not word for word: this is the nearest that was found."
_MOST_MARKED = 40  # other citations on a page; more are not looked for


class Opened(Conversing):
    """A link that a reader followed; articles with pages are shown as one, `page` or that of the words, or as text."""

    link: Annotated[str, Field(max_length=200)]
    view: Literal["page", "text"] | None = None
    page: Annotated[int, Field(ge=1, le=100_000)] | None = None


class Selected(Conversing):
    """Words of an answer that a reader selected."""

    key: Key
    words: Annotated[str, Field(min_length=3, max_length=500)]


class Opening:
    """Opens evidence: of an answer that is kept, or an article as it is now."""

    def __init__(self, library: Footnote, conversations: Conversations, pages: Pages) -> None:
        self._library = library
        self._conversations = conversations
        self._pages = pages

    def act(self, data: Any, session: str) -> dict[str, Any]:
        """Return the side panel that a link leads to."""
        asked = read(Opened, data)
        if match := _ARTICLE.fullmatch(asked.link):
            return {"side": self._article(match, asked)}
        if not (match := _LINK.fullmatch(asked.link)):
            raise InputError(_NOTHING)
        answer = kept_answer(self._conversations, session, asked.conversation, match["key"])
        if match["kind"] == "sources":
            return {"side": sources_html(answer, match["key"])}
        return {"side": self._opened(answer, match["key"], place_of(asked.link, answer), asked)}

    def origin(self, data: Any, session: str) -> dict[str, Any]:
        """Return the side panel of the place that selected words of an answer come from, and the link to it."""
        asked = read(Selected, data)
        answer = kept_answer(self._conversations, session, asked.conversation, asked.key)
        found = self._library.origin(asked.words, answer)
        if found is None:
            return {"side": nowhere_html(asked.words, asked.key, len(answer.evidence.hits)), "link": ""}
        cited = next((c.n for c in answer.citations if found.spans == (Span(c.start, c.end),)), None)
        if cited:
            link = f"#cite-{asked.key}-{cited}"
        else:
            link = f"#evidence-{asked.key}-{found.n}" + "".join(f"-{start}-{end}" for start, end in found.spans)
        note = "" if found.exact else " ".join((_NEAREST, *found.doubts))
        place = place_of(link, answer)
        opened = Opened(conversation=asked.conversation, link=link)
        return {"side": self._opened(answer, asked.key, place, opened, note), "link": link}

    def _opened(self, answer: Answer, key: str, place: Place, asked: Opened, note: str = "") -> str:
        """Return a place of an answer's evidence in the article as it is now."""
        article = self._library.article(place.source.article_id)
        if article is None:
            return gone_html(place.source, place.words, key)
        others = tuple(
            (span, item.n)
            for item in answer.citations
            if item.source.article_id == article.id and item.source.content_hash == place.source.content_hash
            if (span := Span(item.start, item.end)) not in place.spans
        )
        return self._shown(Reading(article, place, key, others, note=note), asked)

    def _article(self, match: re.Match[str], asked: Opened) -> str:
        """Return an article that no answer led to, at the place that a shared link names, if it names one."""
        source = next((item for item in self._library.sources() if item.article_id == match["article"]), None)
        article = self._library.article(match["article"])
        if source is None or article is None:
            return missing_html()
        whole = Reading(article, Place(source, asked.link, "Article"))
        if not match["hash"]:
            return self._shown(whole, asked)
        span, meant = Span(int(match["start"]), int(match["end"])), f"sha256:{match['hash']}"
        if not article.content_hash.startswith(meant):
            source = replace(source, content_hash=meant)
        elif not span.start < span.end <= len(article.text):
            return self._shown(whole._replace(note=_NO_PLACE), asked)
        return self._shown(Reading(article, Place(source, asked.link, "Linked passage", (span,))), asked)

    def _shown(self, reading: Reading, asked: Opened) -> str:
        """Return a reading as a page where that is wanted and can be had, else as text."""
        spans = reading.place.spans
        if reading.article.pages and not reading.changed and (asked.view == "page" or (spans and not asked.view)):
            page = self._page(reading, asked.page or page_of(reading.article, spans[0].start if spans else 0) or 1)
            reading = reading._replace(note=page) if isinstance(page, str) else reading._replace(page=page)
        return article_html(reading)

    def _page(self, reading: Reading, number: int) -> Page | str:
        """Return a page with what is marked on it, or why it cannot be shown."""
        article = reading.article
        spans = [*reading.place.spans, *(span for span, _ in reading.others[:_MOST_MARKED])]
        try:
            return self._pages.page(article.id, article.content_hash, number, spans)
        except StoreError:  # its words are for whoever runs this
            return _UNREADABLE
        except FootnoteError as error:
            return f"{error} The text is shown instead."


def kept_answer(conversations: Conversations, session: str, conversation: str, key: str) -> Answer:
    """Return an answer of a conversation of this reader by its key. Raises InputError where there is none."""
    turns = conversations.turns(session, conversation)
    number, _, k = key.partition(".")
    replies = turns[int(number) - 1].replies if int(number) <= len(turns) else ()
    answer = replies[int(k or 1) - 1].answer if int(k or 1) <= len(replies) else None
    if answer is None:
        raise InputError(_NOTHING)
    return answer


def place_of(link: str, answer: Answer) -> Place:
    """Return where a link to a citation or a passage of an answer leads. Raises InputError where to nothing."""
    match = _LINK.fullmatch(link)
    n = int(match["n"] or 0) if match else 0
    if match and match["kind"] == "cite" and 1 <= n <= len(answer.citations) and not match["spans"]:
        citation, count = answer.citations[n - 1], len(answer.citations)
        around = _neighbours(f"#cite-{match['key']}", n, range(1, count + 1))
        span = Span(citation.start, citation.end)
        return Place(citation.source, link, f"Footnote {n} of {count}", (span,), citation.quote, *around)
    if match and match["kind"] == "evidence" and 1 <= n <= len(answer.evidence.hits):
        hit, numbers = answer.evidence.hits[n - 1], [int(number) for number in match["spans"].split("-")[1:]]
        spans = tuple(Span(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True))
        spans = spans or (Span(hit.passage.start, hit.passage.end),)
        if all(hit.passage.start <= span.start < span.end <= hit.passage.end for span in spans):
            words = " … ".join(hit.passage.quote(span) for span in spans)
            cited = citations_of(answer)
            rest = [number for number in range(1, len(answer.evidence.hits) + 1) if number not in cited]
            around = _neighbours(f"#evidence-{match['key']}", n, rest)
            return Place(hit.source, link, _label(n, answer, cited.get(n, [])), spans, words, *around)
    raise InputError(_NOTHING)


def _label(n: int, answer: Answer, numbers: Sequence[int]) -> str:
    state = "found, not cited"
    if numbers:
        state = f"cited in footnote{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"
    return f"Passage {n} of {len(answer.evidence.hits)}, {state}"


def _neighbours(link: str, n: int, numbers: Sequence[int]) -> tuple[str | None, str | None]:
    """Return the links to what comes before and after `n` in a list of numbers."""
    before = max((number for number in numbers if number < n), default=None)
    after = min((number for number in numbers if number > n), default=None)
    return (f"{link}-{before}" if before else None, f"{link}-{after}" if after else None)
