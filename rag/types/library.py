"""Owns the values of the library: an article, its passages, their vectors.

All offsets count characters (code points) of `Article.text`, the canonical text, and are
half-open: `text[start:end]`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]
"""One embedding, shape (dimension,), unit length."""
Matrix = NDArray[np.float32]
"""Embeddings as rows, shape (n, dimension), each of unit length."""

BlockKind = Literal["title", "heading", "text", "boilerplate"]


class Span(NamedTuple):
    """A half-open range of characters of an article's canonical text."""

    start: int
    end: int


class Scope(NamedTuple):
    """Which articles a question is asked of: those with these ids, or all where there are none.

    With `as_of`, an ISO date, only those published on that day or before it; what has no date is left out then.
    """

    articles: tuple[str, ...] = ()
    as_of: str | None = None


ALL_ARTICLES = Scope()


class Block(NamedTuple):
    """A paragraph, heading, list item or table row; only `text` blocks can be quoted as evidence."""

    start: int
    end: int
    kind: BlockKind


def digest(*parts: str) -> str:
    """Return the hex SHA-256 over the parts; no two different sequences of parts share an input."""
    hasher = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8")
        hasher.update(len(data).to_bytes(8, "big"))
        hasher.update(data)
    return hasher.hexdigest()


def article_id(file: str, part: str | None = None) -> str:
    """Return the id of the article in a file, or of one of several in it: it outlives every change of the text."""
    return digest("article", file, *([part] if part is not None else []))[:16]


@dataclass(frozen=True, slots=True)
class Article:
    """One document as loaded: its canonical text, the blocks in it, and what is known about it.

    `file` is the path relative to the articles folder, with forward slashes, or the address of a web
    page; `part` names one article of a file that holds several. `published` is an ISO date (YYYY-MM-DD).
    Blocks are ordered, do not overlap, and hold every visible character. `pages` holds where each page
    begins in the text, from page 1 on; empty where there are none. `notes` say what reading it left in
    doubt, such as a guessed encoding.
    """

    file: str
    text: str
    blocks: tuple[Block, ...]
    title: str
    published: str | None = None
    author: str | None = None
    language: str | None = None
    url: str | None = None
    visibility: Literal["public", "internal"] = "public"
    part: str | None = None
    pages: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    id: str = field(init=False)
    content_hash: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", article_id(self.file, self.part))
        content_hash = "sha256:" + hashlib.sha256(self.text.encode("utf-8")).hexdigest()
        object.__setattr__(self, "content_hash", content_hash)

    @property
    def source(self) -> str:
        """What citations name: the file, and the part of it."""
        return self.file if self.part is None else f"{self.file}#{self.part}"


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of an article that is embedded and retrieved as one; `text == article.text[start:end]`.

    `context` (title and section heading) is embedded and indexed in front of the text. `sentences`
    lie inside the passage, in order, without overlap: the spans that citations point to. `pages` are
    the page it begins on and those that begin inside it, as (start, number); empty where there are none.
    """

    article_id: str
    content_hash: str
    start: int
    end: int
    text: str
    context: str
    sentences: tuple[Span, ...]
    pages: tuple[tuple[int, int], ...] = ()
    id: str = field(init=False)

    def __post_init__(self) -> None:
        key = digest("passage", self.article_id, self.content_hash, self.context, f"{self.start}:{self.end}")
        object.__setattr__(self, "id", key[:24])

    def quote(self, span: Span) -> str:
        """Return the words of a span that lies inside this passage."""
        if not self.start <= span.start <= span.end <= self.end:
            raise ValueError(f"{span} is outside passage {self.start}:{self.end}")
        return self.text[span.start - self.start : span.end - self.start]

    def page(self, span: Span) -> int | None:
        """Return the number of the page that a span begins on, from 1; None in articles without pages."""
        return max((number for start, number in self.pages if start <= span.start), default=None)


@dataclass(frozen=True, slots=True, eq=False)
class PassageVectors:
    """What one forward pass over a text yields: its vector, and one per sentence or part of it, in order."""

    passage: Vector
    sentences: Matrix


@dataclass(frozen=True, slots=True)
class Source:
    """What a reader needs to know about the article that a passage comes from."""

    article_id: str
    source: str
    title: str
    published: str | None
    author: str | None
    language: str | None
    url: str | None
    visibility: str
    content_hash: str


@dataclass(frozen=True, slots=True, eq=False)
class StoredPassage:
    """A passage of an active article as the ledger gives it back; `row` is its number there."""

    row: int
    passage: Passage
    source: Source
    vectors: PassageVectors


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What ranking needs of passages that may answer: for each its row, its article's id, and where it stands.

    `sentences` are the vectors of all their sentences, one after another; those of the i-th passage begin
    at `begins[i]`.
    """

    rows: list[int]
    articles: list[str]
    places: list[tuple[str, int]]
    begins: list[int]
    sentences: Matrix


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sync is: files done of all, and passages embedded so far."""

    done: int
    total: int
    passages: int


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What became of every file seen: each is in exactly one of the lists, or counted as unchanged."""

    indexed: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    failed: tuple[tuple[str, str], ...]
    removed: tuple[str, ...]
    unchanged: int

    def to_dict(self) -> dict[str, Any]:
        """Return the report in the shape of the JSON contract."""
        return {
            "indexed": list(self.indexed),
            "skipped": [{"source": source, "reason": reason} for source, reason in self.skipped],
            "failed": [{"source": source, "reason": reason} for source, reason in self.failed],
            "removed": list(self.removed),
            "unchanged": self.unchanged,
        }


class Embedder(Protocol):
    """What the library needs of an embedder beside llama-index's own interface."""

    fingerprint: str
    name: str
    in_house: bool

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, special tokens not counted."""

    def embed_question(self, text: str) -> Vector:
        """Return the vector of a question."""

    def embed_spans(self, text: str, spans: Sequence[Span]) -> PassageVectors:
        """Return the vectors of a question and of parts of it."""

    def embed_passages(self, passages: Sequence[Passage]) -> list[PassageVectors]:
        """Return the vectors of each passage, its context in front, and of its sentences."""
