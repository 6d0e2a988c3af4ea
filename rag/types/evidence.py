"""Owns the values of retrieval: hits, whether they can hold an answer, and the evidence of one question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rag.types.library import ALL_ARTICLES, Matrix, Passage, Scope, Source, digest


@dataclass(frozen=True, slots=True)
class Features:
    """Raw scores of a hit, before any normalisation, so that hits of different questions compare.

    `lexical`: BM25, 0 where no term matches. `similarity`: cosine of question and passage vector.
    `sentence_similarities`: cosine of question and each sentence vector. `dense_rank`, `lexical_rank`:
    position in that retriever's list, from 1; None where it did not find the passage.
    """

    lexical: float
    similarity: float
    sentence_similarities: tuple[float, ...]
    dense_rank: int | None
    lexical_rank: int | None


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found for a question; `score` (0 to 1) orders the hits of this question only.

    `sentence_vectors` has a row for each of the passage's sentences.
    """

    passage: Passage
    source: Source
    score: float
    features: Features
    sentence_vectors: Matrix = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Sufficiency:
    """Whether the evidence can hold an answer at all, and the raw features that say so.

    `score` compares between questions: the higher, the surer (0 to 1).
    """

    sufficient: bool
    reason: str
    score: float
    coverage: float
    similarity: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """The hits of one question, best first; evidence number n (from 1) is `hits[n - 1]`.

    `missing` are the things it asks, of several, that the articles do not hold; `scope` is what was searched.
    """

    question: str
    hits: tuple[Hit, ...]
    sufficiency: Sufficiency
    term_weights: dict[str, float]
    """Inverse document frequency of each content term of the question."""
    missing: tuple[str, ...] = ()
    scope: Scope = ALL_ARTICLES

    @property
    def hash(self) -> str:
        """Digest over question, passages and scope: equal evidence, equal hash."""
        return evidence_hash(self.question, [hit.passage for hit in self.hits], self.scope)


def evidence_hash(question: str, passages: Sequence[Passage], scope: Scope = ALL_ARTICLES) -> str:
    """Return what `Evidence.hash` is for these passages."""
    found = digest("evidence", question, *(passage.id for passage in passages))
    if scope == ALL_ARTICLES:
        return found
    return digest("evidence of a scope", found, scope.as_of or "", *sorted(set(scope.articles)))


def evidence_dicts(evidence: Evidence, cited: set[int]) -> list[dict[str, Any]]:
    """Return the numbered hits in the shape of the JSON contract; `cited` holds evidence numbers."""
    return [
        {
            "n": n,
            "article_id": hit.source.article_id,
            "source": hit.source.source,
            "title": hit.source.title,
            "start": hit.passage.start,
            "end": hit.passage.end,
            "text": hit.passage.text,
            "score": round(hit.score, 4),
            "cited": n in cited,
        }
        for n, hit in enumerate(evidence.hits, start=1)
    ]


def scope_dict(scope: Scope) -> dict[str, Any]:
    """Return a scope as the key of the JSON contract, which is there only where not all articles were searched."""
    return {} if scope == ALL_ARTICLES else {"scope": {"articles": list(scope.articles), "as_of": scope.as_of}}
