"""Owns the values that pass between the stages: one frozen type per stage, never changed in place.

    Article ─chunk→ Passage          (library)
    Hit ─collect→ Evidence ─answer→ Draft ─cite→ CitedDraft ─verify→ Answer

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
Verdict = Literal["supported", "partial", "unsupported", "contradicted"]
Status = Literal["grounded", "partial", "not_found", "incomplete"]


class Span(NamedTuple):
    """A half-open range of characters of an article's canonical text."""

    start: int
    end: int


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


def article_id(source: str) -> str:
    """Return the id of the article at a source: it outlives every change of the text."""
    return digest("article", source)[:16]


@dataclass(frozen=True, slots=True)
class Article:
    """One document as loaded: its canonical text, the blocks in it, and what is known about it.

    `source` is the path relative to the articles folder, with forward slashes. `published` is an
    ISO date (YYYY-MM-DD). Blocks are ordered, do not overlap, and hold every visible character.
    """

    source: str
    text: str
    blocks: tuple[Block, ...]
    title: str
    published: str | None = None
    author: str | None = None
    language: str | None = None
    url: str | None = None
    visibility: Literal["public", "internal"] = "public"
    id: str = field(init=False)
    content_hash: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", article_id(self.source))
        content_hash = "sha256:" + hashlib.sha256(self.text.encode("utf-8")).hexdigest()
        object.__setattr__(self, "content_hash", content_hash)


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of an article that is embedded and retrieved as one; `text == article.text[start:end]`.

    `context` (title and section heading) is embedded and indexed in front of the text. `sentences`
    lie inside the passage, in order, without overlap: the spans that citations point to.
    """

    article_id: str
    content_hash: str
    start: int
    end: int
    text: str
    context: str
    sentences: tuple[Span, ...]
    id: str = field(init=False)

    def __post_init__(self) -> None:
        key = digest("passage", self.article_id, self.content_hash, self.context, f"{self.start}:{self.end}")
        object.__setattr__(self, "id", key[:24])

    def quote(self, span: Span) -> str:
        """Return the words of a span that lies inside this passage."""
        if not self.start <= span.start <= span.end <= self.end:
            raise ValueError(f"{span} is outside passage {self.start}:{self.end}")
        return self.text[span.start - self.start : span.end - self.start]


@dataclass(frozen=True, slots=True, eq=False)
class PassageVectors:
    """What one forward pass over a passage yields: its vector, and one per sentence, in order."""

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


@dataclass(frozen=True, slots=True)
class Features:
    """Raw scores of a hit, before any normalisation, so that hits of different questions compare.

    `lexical`: BM25, 0 where no term matches. `similarity`: cosine of question and passage vector.
    `sentence_similarities`: cosine of question and each sentence vector. `coverage`: share of the
    question's terms in the passage, weighted by rarity, 0 to 1. `dense_rank`, `lexical_rank`:
    position in that retriever's list, from 1; None where it did not find the passage.
    """

    lexical: float
    similarity: float
    sentence_similarities: tuple[float, ...]
    coverage: float
    dense_rank: int | None
    lexical_rank: int | None


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found for a question; `score` (0 to 1) orders the hits of this question only."""

    passage: Passage
    source: Source
    score: float
    features: Features


@dataclass(frozen=True, slots=True)
class Sufficiency:
    """Whether the evidence can hold an answer at all, and the raw features that say so."""

    sufficient: bool
    reason: str
    coverage: float
    similarity: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """The hits of one question, best first; evidence number n (from 1) is `hits[n - 1]`."""

    question: str
    hits: tuple[Hit, ...]
    sufficiency: Sufficiency
    term_weights: dict[str, float]
    """Inverse document frequency of each content term of the question."""

    @property
    def hash(self) -> str:
        """Digest over question and passages: equal evidence, equal hash."""
        return digest("evidence", self.question, *(hit.passage.id for hit in self.hits))


class EvidenceSpan(NamedTuple):
    """A span of the article behind evidence number `n`."""

    n: int
    span: Span


@dataclass(frozen=True, slots=True)
class DraftSentence:
    """One sentence of a draft and the evidence spans it points to."""

    text: str
    cites: tuple[EvidenceSpan, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """What an answerer proposes. Not checked: only verification turns it into an `Answer`."""

    sentences: tuple[DraftSentence, ...]
    model: str


@dataclass(frozen=True, slots=True)
class Citation:
    """A footnote: number `n` in the answer points to `quote`, verbatim, at `start:end` of an article."""

    n: int
    evidence_n: int
    source: Source
    start: int
    end: int
    quote: str
    page: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the citation in the shape of the JSON contract."""
        return {
            "n": self.n,
            "evidence_n": self.evidence_n,
            "article_id": self.source.article_id,
            "source": self.source.source,
            "title": self.source.title,
            "published": self.source.published,
            "page": self.page,
            "start": self.start,
            "end": self.end,
            "quote": self.quote,
            "content_hash": self.source.content_hash,
        }


@dataclass(frozen=True, slots=True)
class CitedSentence:
    """A sentence with the numbers of its citations; not verified yet."""

    text: str
    citations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CitedDraft:
    """A draft whose pointers are resolved: `citations[i].n == i + 1`, in order of first use."""

    sentences: tuple[CitedSentence, ...]
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class AnswerSentence:
    """A sentence of the answer at `start:end` of its text, with its verdict and citation numbers."""

    text: str
    start: int
    end: int
    verdict: Verdict
    reasons: tuple[str, ...]
    citations: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the sentence in the shape of the JSON contract."""
        return {
            "text": self.text,
            "start": self.start,
            "end": self.end,
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "citations": list(self.citations),
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """A checked answer: text with numbered marks, its sentences with verdicts, its citations."""

    question: str
    status: Status
    text: str
    sentences: tuple[AnswerSentence, ...]
    citations: tuple[Citation, ...]
    evidence: Evidence
    model: str
    warnings: tuple[str, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the answer in the shape of the JSON contract."""
        cited = {citation.evidence_n for citation in self.citations}
        return {
            "question": self.question,
            "standalone_question": self.question,
            "status": self.status,
            "text": self.text,
            "sentences": [sentence.to_dict() for sentence in self.sentences],
            "citations": [citation.to_dict() for citation in self.citations],
            "evidence": evidence_dicts(self.evidence, cited),
            "dropped_marks": 0,
            "warnings": list(self.warnings),
            "model": self.model,
            "usage": None,
            "timings": {name: round(value, 1) for name, value in self.timings.items()},
        }


def evidence_dicts(evidence: Evidence, cited: set[int]) -> list[dict[str, Any]]:
    """Return the numbered hits in the shape of the JSON contract; `cited` holds evidence numbers."""
    return [
        {
            "n": n,
            "article_id": hit.source.article_id,
            "source": hit.source.source,
            "title": hit.source.title,
            "published": hit.source.published,
            "start": hit.passage.start,
            "end": hit.passage.end,
            "text": hit.passage.text,
            "score": round(hit.score, 4),
            "cited": n in cited,
        }
        for n, hit in enumerate(evidence.hits, start=1)
    ]


class Embedder(Protocol):
    """What the library needs of an embedder beside llama-index's own interface."""

    fingerprint: str
    name: str
    dimension: int

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, special tokens not counted."""

    def embed_question(self, text: str) -> Vector:
        """Return the vector of a question."""

    def embed_passages(self, passages: Sequence[Passage]) -> list[PassageVectors]:
        """Return the vectors of each passage, its context in front, and of its sentences."""
