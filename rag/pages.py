"""Owns showing pages of the library's PDFs: from an article to the file it came from, and to the picture of a page."""

from __future__ import annotations

import hashlib
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from rag import load
from rag.errors import InputError, Unloadable
from rag.folder import FoundFile, read
from rag.ledger import LedgerReader
from rag.load.pdf_page import Rect
from rag.load.sandbox import Sandbox
from rag.types import Article, Span

MOST_SPANS = 100
"""Of one page that are looked for at once."""
_CACHE_BYTES = 32_000_000
_ENTRY = 500  # bytes of what is kept beside pictures, and of each rectangle

Result = TypeVar("Result")

_CHANGED = "This article has changed since. Ask again to see its pages as they are now."
_OTHER_FILE = "The file of this article has changed since it was read. Sync the library to see its pages."
_NO_PAGE = "There is no such page. Open the article from its list of sources."
_NO_PICTURE = "This page cannot be shown as a picture. Read its text instead."


class NoPageError(InputError):
    """The library holds no such article, or the article no such page."""


class ChangedError(InputError):
    """What is there now is not what was asked about."""


class NoPictureError(InputError):
    """The page is there and cannot be drawn."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where a span of an article stands on a page: a rectangle for each of its lines, none where it was not found."""

    span: Span
    rects: tuple[Rect, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Page `number` of `pages`, its size in points as it is shown, and what is marked on it."""

    number: int
    pages: int
    width: float
    height: float
    boxes: tuple[Box, ...]


class Pages:
    """Shows the pages of a library's PDFs. Safe to share between threads; draws one page at a time.

    An article is asked for by its id and the content hash that is meant. All of it raises NoPageError,
    ChangedError, NoPictureError, and StoreError where the library cannot be read.
    """

    def __init__(self, ledger: LedgerReader, folder: Path) -> None:
        self._ledger = ledger
        self._folder = folder
        self._sandbox = Sandbox()  # of its own: a sync may keep the other one for minutes
        self._drawing = threading.Lock()
        self._closed = False
        self._kept: OrderedDict[tuple[object, ...], tuple[object, int]] = OrderedDict()
        self._keeping = threading.Lock()

    def picture(self, article_id: str, content_hash: str, number: int) -> bytes:
        """Return a page, from 1, as a PNG."""
        article, digest = self._article(article_id, content_hash, number)

        def draw() -> tuple[bytes, int]:
            picture = self._sandbox.render_page(self._read(article, digest), number)[1]
            return picture, len(picture)

        return self._once(("picture", article_id, digest, number), draw)

    def page(self, article_id: str, content_hash: str, number: int, spans: Sequence[Span] = ()) -> Page:
        """Return where spans of an article stand on a page of it; of one that goes on elsewhere, what is on this one.

        Raises InputError for more than `MOST_SPANS`.
        """
        if len(spans) > MOST_SPANS:
            raise InputError(f"More than {MOST_SPANS} places of one page are asked for. Ask for fewer.")
        article, digest = self._article(article_id, content_hash, number)
        begin, end = bounds(article, number)
        asked = tuple(dict.fromkeys(Span(*span) for span in spans))
        inside = [(max(span.start, begin) - begin, min(span.end, end) - begin) for span in asked]

        def find() -> tuple[Page, int]:
            data = self._read(article, digest)
            sheet, found = self._sandbox.locate(data, number, article.text[begin:end], inside)
            boxes = tuple(Box(span, tuple(rects)) for span, rects in zip(asked, found, strict=True))
            size = _ENTRY * (1 + len(boxes) + sum(len(box.rects) for box in boxes))
            return Page(number, sheet.pages, sheet.width, sheet.height, boxes), size

        return self._once(("page", article_id, digest, number, asked), find)

    def close(self) -> None:
        """End the child process."""
        self._closed = True
        self._sandbox.close()

    def _article(self, article_id: str, content_hash: str, number: int) -> tuple[Article, str]:
        """Return an article that has this page and this content, and the digest of the bytes it was read from."""
        known = self._ledger.article(article_id)
        record = self._ledger.files().get(known.file) if known else None
        article = self._ledger.article(article_id)  # once more: not of a version before the record
        if article is None or not 1 <= number <= len(article.pages):
            raise NoPageError(_NO_PAGE)
        if article.content_hash != content_hash:
            raise ChangedError(_CHANGED)
        if record is None or record.state != "indexed":  # the last good version answers, its file is another one
            raise ChangedError(_OTHER_FILE)
        return article, record.digest.split(":")[1]

    def _read(self, article: Article, digest: str) -> bytes:
        """Return the bytes that an article was read from, and no others."""
        web_page = self._ledger.web_page(article.file)
        try:
            data = web_page.data if web_page else self._read_file(article.file)
        except Unloadable:
            raise ChangedError(_OTHER_FILE) from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise ChangedError(_OTHER_FILE)
        return data

    def _read_file(self, source: str) -> bytes:
        return read(FoundFile(source, self._folder / source, ""), load.MAX_BYTES)

    def _once(self, key: tuple[object, ...], make: Callable[[], tuple[Result, int]]) -> Result:
        """Return what is kept under a key, or make it: once, while others who want it wait."""
        value = self._get(key)
        if value is None:
            with self._drawing:
                value = self._get(key) or self._make(key, make)
        if isinstance(value, Unloadable):
            raise NoPictureError(_NO_PICTURE)
        return cast("Result", value)

    def _make(self, key: tuple[object, ...], make: Callable[[], tuple[object, int]]) -> object:
        try:
            value, size = make()
        except Unloadable as problem:  # kept too: a hostile page costs its seconds once
            if problem.passing:
                return problem
            value, size = problem, _ENTRY
        finally:
            if self._closed:
                self._sandbox.close()
        with self._keeping:
            self._kept[key] = value, size
            while sum(size for _, size in self._kept.values()) > _CACHE_BYTES:
                self._kept.popitem(last=False)
        return value

    def _get(self, key: tuple[object, ...]) -> object | None:
        with self._keeping:
            if key not in self._kept:
                return None
            self._kept.move_to_end(key)
            return self._kept[key][0]


def bounds(article: Article, number: int) -> Span:
    """Return which part of an article's text stands on one of its pages, from 1."""
    end = article.pages[number] if number < len(article.pages) else len(article.text)
    return Span(article.pages[number - 1], end)


def page_of(article: Article, place: int) -> int | None:
    """Return the number of the page that a place of an article's text is on; None in articles without pages."""
    return bisect_right(article.pages, place) or None
