"""Owns pages of PDFs in the browser: the routes of their pictures, and one as HTML with what is cited marked on it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Annotated, TypeVar
from urllib.parse import quote as quoted

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from rag.errors import BusyError, FootnoteError, InputError
from rag.pages import Box, ChangedError, NoPageError, NoPictureError, Page, Pages, bounds
from rag.types import Article, Span
from ui.render import escape, escape_name

_AT_ONCE = 4
_MOST_WAITING = 100  # and drawn one after the other: a queue as long takes seconds
_KEPT = "private, max-age=86400, immutable"  # the address names the content
_NUMBER = re.compile(r"[1-9]\d{0,4}")
_SPANS = re.compile(r"\d{1,9}-\d{1,9}(,\d{1,9}-\d{1,9})*")
_STATUSES: dict[type[FootnoteError], int] = {NoPageError: 404, ChangedError: 409, NoPictureError: 422}
_CANNOT = "The library cannot be read just now. Try again later."
_TAGS = {"title": "h3", "heading": "h3", "text": "p", "boilerplate": "p"}

Result = TypeVar("Result")


def pages_router(pages: Pages) -> APIRouter:
    """Return the routes of pictures of pages, and of what stands where on them; both need the content hash."""
    router = APIRouter()
    queue = _Queue()

    @router.get("/pages/{article_id}/{page}.png")
    async def picture(article_id: str, page: str, content: Annotated[str, Query(alias="hash")] = "") -> Response:
        def answer() -> Response:
            png = pages.picture(article_id, content, _number(page))
            return Response(png, media_type="image/png", headers={"cache-control": _KEPT})

        return await queue.answered(answer)

    @router.get("/pages/{article_id}/{page}.json")
    async def boxes(
        article_id: str, page: str, spans: str = "", content: Annotated[str, Query(alias="hash")] = ""
    ) -> Response:
        def answer() -> Response:
            found = pages.page(article_id, content, _number(page), _spans(spans))
            return JSONResponse(_as_json(found), headers={"cache-control": "no-store"})

        return await queue.answered(answer)

    return router


class _Queue:
    """Lets a few requests work at once, each in a thread of its own; the others wait without one."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def answered(self, answer: Callable[[], Response]) -> Response:
        """Return the answer, or what is said in its place."""
        try:
            return await self._run(answer)
        except BusyError as busy:
            return _said(str(busy), 503, {"retry-after": "5"})
        except InputError as problem:
            return _said(str(problem), _STATUSES.get(type(problem), 400))
        except FootnoteError:  # its words are for whoever runs this, and may hold a path
            return _said(_CANNOT, 503, {"retry-after": "30"})

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self._waiting >= _MOST_WAITING:
            raise BusyError("Too many pages are asked for just now. Try again in a moment.")
        self._waiting += 1
        try:
            async with self._free:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1


def _said(sentence: str, status: int, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(sentence, status, {"cache-control": "no-store", **(headers or {})})


def _number(text: str) -> int:
    return int(text) if _NUMBER.fullmatch(text) else 0  # no page has it


def _spans(text: str) -> list[Span]:
    if text and not _SPANS.fullmatch(text):
        raise InputError("The places are not given as start-end, start-end. Open the page from a citation.")
    return [Span(*map(int, part.split("-"))) for part in text.split(",") if part]


def _as_json(page: Page) -> dict[str, object]:
    return {
        "page": page.number,
        "pages": page.pages,
        "width": page.width,
        "height": page.height,
        "boxes": [
            {
                "start": box.span.start,
                "end": box.span.end,
                "rects": [[round(value, 5) for value in rect] for rect in box.rects],
            }
            for box in page.boxes
        ],
    }


# ---------------------------------------------------------------- HTML


def picture_address(article: Article, number: int) -> str:
    """Return where the picture of an article's page is to be had."""
    return f"/pages/{article.id}/{number}.png?hash={quoted(article.content_hash, safe='')}"


def page_html(article: Article, page: Page, current: Span | None = None) -> str:
    """Return a page as a picture with its boxes marked, the one of the span `current` above others; its text below.

    Links to other pages are `#page-ARTICLE-NUMBER`. Places of the marks are shares of `.fn-sheet`, which has to be
    `position: relative`, and they `position: absolute`.
    """
    title = escape_name(article.title)
    marks = "".join(_mark(article, box, box.span == current) for box in page.boxes)
    size = f'width="{round(page.width)}" height="{round(page.height)}"'
    alt = f"Page {page.number} of {title}"
    image = (
        f'<img class="fn-picture" src="{picture_address(article, page.number)}" alt="{alt}" {size} decoding="async">'
    )
    turns = [_turn(article, page, page.number - 1, "prev"), _turn(article, page, page.number + 1, "next")]
    place = f'<span class="fn-place">Page {page.number} of {page.pages}</span>'
    missed = any(box.span == current and not box.rects for box in page.boxes)
    return (
        f'<figure class="fn-page" data-article="{escape(article.id)}" data-page="{page.number}">'
        f'<div class="fn-sheet" style="aspect-ratio:{page.width:.2f}/{page.height:.2f}">{image}{marks}</div>'
        f"<figcaption>{turns[0]}{place}{turns[1]}</figcaption></figure>{_note(article, page, current, missed)}"
        f'<details class="fn-page-text"{" open" * missed}><summary>Text of this page</summary>'
        f"{page_text_html(article, page.number, [box.span for box in page.boxes], current)}</details>"
    )


def page_text_html(article: Article, number: int, spans: Sequence[Span], current: Span | None = None) -> str:
    """Return the text of a page with the spans marked: all there is where it cannot be shown as a picture."""
    begin, end = bounds(article, number)
    body = "".join(
        f'<{_TAGS[kind]} class="fn-{kind}">{_marked(article.text, max(start, begin), min(stop, end), spans, current)}'
        f"</{_TAGS[kind]}>"
        for start, stop, kind in article.blocks
        if start < end and stop > begin
    )
    return f'<div class="fn-body" lang="{escape(article.language or "")}">{body}</div>'


def _mark(article: Article, box: Box, current: bool) -> str:
    """Return the marks of a span, one for each of its lines; its words are read out once."""
    words = escape(article.text[box.span.start : box.span.end])
    marks = []
    kind = "fn-box current" if current else "fn-box"
    for i, (left, top, width, height) in enumerate(box.rects):
        place = f"left:{left:.3%};top:{top:.3%};width:{width:.3%};height:{height:.3%}"
        inside = f'><span class="fn-sr">{words}</span>' if i == 0 else ' aria-hidden="true">'
        data = f'data-start="{box.span.start}" data-end="{box.span.end}"'
        marks.append(f'<mark class="{kind}" {data} style="{place}"{inside}</mark>')
    return "".join(marks)


def _turn(article: Article, page: Page, number: int, relation: str) -> str:
    """Return the link to a neighbour of a page, and nothing where there is none."""
    if not 1 <= number <= page.pages:
        return ""
    shown = f"← Page {number}" if relation == "prev" else f"Page {number} →"
    return (
        f'<a class="fn-turn {relation}" rel="{relation}" href="#page-{escape(article.id)}-{number}" '
        f'data-page="{number}">{shown}</a>'
    )


def _note(article: Article, page: Page, current: Span | None, missed: bool) -> str:
    if missed:
        return (
            '<p class="fn-warning">These words were not found in the picture of the page. They are marked in its '
            "text.</p>"
        )
    begin, end = bounds(article, page.number)
    if current is None or current.start >= end or current.end <= begin:
        return ""
    goes_on, began = article.text[end : current.end].strip(), article.text[current.start : begin].strip()
    links = [_link(article, page.number - 1, "It begins on")] if current.start < begin and began else []
    links += [_link(article, page.number + 1, "It goes on on")] if current.end > end and goes_on else []
    return "".join(f'<p class="fn-note">{link}</p>' for link in links)


def _link(article: Article, number: int, words: str) -> str:
    return f'{words} <a href="#page-{escape(article.id)}-{number}" data-page="{number}">page {number}</a>.'


def _marked(text: str, start: int, end: int, spans: Sequence[Span], current: Span | None) -> str:
    """Return a stretch of a text with spans marked."""
    parts = []
    borders = sorted({start, end, *(min(max(place, start), end) for span in spans for place in span)})
    for left, right in pairwise(borders):
        inside = [span for span in spans if span.start <= left and right <= span.end]
        kind = ' class="current"' if current in inside else ""
        piece = escape(text[left:right])
        parts.append(f"<mark{kind}>{piece}</mark>" if inside else piece)
    return "".join(parts)
