"""Owns ranking: which passages answer a question, by words and by meaning, and whether they can hold an answer."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle
from numpy.typing import NDArray

from rag.config import RetrievalSettings
from rag.nodes import to_node
from rag.text import clean, index_terms, mostly_cjk, question_parts, question_terms
from rag.types import Candidates, Embedder, Evidence, Features, Hit, PassageVectors, StoredPassage, Sufficiency, Vector

Numbers = NDArray[np.floating[Any]]

# Chosen on one half of five English and three other public sets, and no worse on their other halves.
_PARTS_WEIGHT = 0.5  # of the parts of a question against the whole of it, in what counts as near
_CJK_WEIGHT = 0.7  # of words, at least: the embedder is English

# An answer is out of reach where the passages share neither words nor meaning with the question.
# Chosen on public sets: their own questions against those of the other sets, asked of the same articles.
_COVERAGE_WEIGHT = 0.3
_ENOUGH = 0.38
_ENOUGH_COVERAGE = 0.18  # where only words count


class Library(Protocol):
    """What retrieval reads of the ledger."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Run a block in which all reads see one state."""

    def passage_count(self) -> int:
        """Return the number of passages that may answer."""

    def search_terms(self, terms: Sequence[str], limit: int) -> list[tuple[int, float]]:
        """Return rows and BM25 scores of passages with any of the terms, best first."""

    def active(self, rows: Sequence[int]) -> set[int]:
        """Return those of the rows that may answer."""

    def candidates(self, rows: Sequence[int]) -> Candidates:
        """Return what ranking needs of those of the rows that may answer."""

    def term_scores(self, terms: Sequence[str], rows: Sequence[int]) -> dict[int, float]:
        """Return the BM25 scores of these rows."""

    def document_frequencies(self, terms: Sequence[str]) -> dict[str, int]:
        """Return in how many passages each term stands."""

    def passages(self, rows: Sequence[int]) -> dict[int, StoredPassage]:
        """Return those of the rows that may answer."""


class DenseIndex(Protocol):
    """Search by passage vector."""

    def search(self, vector: Vector, limit: int) -> list[tuple[int, float]]:
        """Return rows and similarities of the nearest passages, best first."""


class Reranker(Protocol):
    """What puts hits in a better order."""

    depth: int

    def order(self, question: str, hits: Sequence[Hit]) -> list[int]:
        """Return the places of the hits in their new order."""


class HybridRetriever(BaseRetriever):
    """Finds passages by BM25 and by vector, and ranks them by a convex combination of both scores.

    The dense score of a passage is that of its sentence nearest to the question, or to a part of it; the
    lexical one is BM25 with Lucene's k1 = 1.2 and b = 0.75; each is divided by the best of this question
    (Bruch et al. 2023, "An Analysis of Fusion Functions for Hybrid Retrieval"). As a llama-index retriever
    it returns nodes whose metadata name article and offsets.
    """

    def __init__(
        self,
        library: Library,
        index: DenseIndex,
        embedder: Embedder,
        settings: RetrievalSettings,
        reranker: Reranker | None = None,
    ) -> None:
        super().__init__()
        self._library = library
        self._index = index
        self._embedder = embedder
        self._settings = settings
        self._reranker = reranker

    def evidence(self, question: str, top_k: int | None = None) -> Evidence:
        """Return the best passages for a question, best first, and whether they can hold an answer.

        Raises ProviderError where an embedder or a reranker of another maker fails.
        """
        question = clean(question)
        count = top_k or self._settings.top_k
        limit = self._settings.candidates
        vectors = self._embedder.embed_spans(question, question_parts(question))
        terms = question_terms(question)
        with self._library.snapshot():
            dense = self._nearest(vectors.passage, limit)
            lexical = dict(self._library.search_terms(terms, limit))
            found = self._library.candidates(list(dict.fromkeys((*dense, *lexical))))
            scores = lexical | self._library.term_scores(terms, [row for row in found.rows if row not in lexical])
            fused = self._fused(question, found, vectors, scores)
            order = sorted(range(len(fused)), key=lambda i: (-fused[i], found.places[i]))
            wanted = max(count, self._reranker.depth) if self._reranker else count
            kept = [order[i] for i in spread([found.articles[i] for i in order], wanted)]
            stored = self._library.passages([found.rows[i] for i in kept])
            frequencies = self._library.document_frequencies(terms)
            total = self._library.passage_count()
        weights = {term: inverse_document_frequency(count, total) for term, count in frequencies.items()}
        dense_ranks = {row: rank for rank, row in enumerate(dense, start=1)}
        lexical_ranks = {row: rank for rank, row in enumerate(lexical, start=1)}
        hits = tuple(
            _hit(
                stored[row],
                score,
                Features(
                    lexical=scores.get(row, 0.0),
                    similarity=float(stored[row].vectors.passage @ vectors.passage),
                    sentence_similarities=tuple((stored[row].vectors.sentences @ vectors.passage).tolist()),
                    coverage=coverage(weights, stored[row].passage.context + stored[row].passage.text),
                    dense_rank=dense_ranks.get(row),
                    lexical_rank=lexical_ranks.get(row),
                ),
            )
            for row, score in ((found.rows[i], fused[i]) for i in kept)
        )
        hits = self._reranked(question, hits)[:count]
        return Evidence(question, hits, judge(question, hits), weights)

    def _reranked(self, question: str, hits: tuple[Hit, ...]) -> tuple[Hit, ...]:
        """Return the hits in the reranker's order, where there is one; the scores stay where they were."""
        if self._reranker is None or not hits:
            return hits
        order = self._reranker.order(question, hits)
        return tuple(replace(hits[place], score=hit.score) for place, hit in zip(order, hits, strict=True))

    def _fused(
        self, question: str, found: Candidates, vectors: PassageVectors, scores: Mapping[int, float]
    ) -> list[float]:
        """Return the score of each candidate, 0 to 1."""
        if not found.rows:
            return []
        asked = np.vstack([vectors.passage, vectors.sentences])
        similarities = np.maximum.reduceat(found.sentences @ asked.T, found.begins, axis=0)
        lexical = np.array([scores.get(row, 0.0) for row in found.rows])
        weight = self._settings.lexical_weight
        return fuse(lexical, similarities, max(weight, _CJK_WEIGHT) if mostly_cjk(question) else weight)

    def _nearest(self, vector: Vector, limit: int) -> list[int]:
        """Return the rows nearest to a vector that may answer, best first.

        Vectors of versions that are gone are among those of the index; an article that was edited many times
        can fill a list with them. So more is asked for than is needed, and again until enough may answer.
        """
        asked = limit + limit // 2
        while True:
            rows = [row for row, _ in self._index.search(vector, asked)]
            active = self._library.active(rows)
            if len(active) >= limit or len(rows) < asked:
                return [row for row in rows if row in active]
            asked *= 4

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [to_node(hit) for hit in self.evidence(query_bundle.query_str).hits]


def _hit(stored: StoredPassage, score: float, features: Features) -> Hit:
    return Hit(stored.passage, stored.source, score, features, stored.vectors.sentences)


def inverse_document_frequency(count: int, total: int) -> float:
    """Return how rare a term is that stands in `count` of `total` passages; above 0 (Lucene's form)."""
    return math.log(1 + (total - count + 0.5) / (count + 0.5))


def coverage(weights: dict[str, float], text: str) -> float:
    """Return the share of the question's terms that a text has, weighted by rarity, 0 to 1."""
    whole = sum(weights.values())
    present = weights.keys() & set(index_terms(text))
    return sum(weights[term] for term in present) / whole if whole else 0.0


def fuse(lexical: Numbers, similarities: Numbers, lexical_weight: float) -> list[float]:
    """Return a score from 0 to 1 for each candidate: the weighted mean of words and meaning, each over its best.

    `similarities` has a row for each candidate: to the question as a whole and, where it has parts, to each of
    them. What answers one part of a question of several counts as what is near to all of it.
    Scaled from 0, not from the worst candidate: where all are about equally near (as Chinese is to an
    English embedder), small differences must not be blown up to full scale.
    """
    words = _over_best(lexical)
    meaning = _over_best(similarities)
    if meaning.shape[1] > 1:
        parts = _over_best(meaning[:, 1:].max(axis=1))
        whole = (1 - _PARTS_WEIGHT) * meaning[:, 0] + _PARTS_WEIGHT * parts
    else:
        whole = meaning[:, 0]
    fused: list[float] = np.minimum(lexical_weight * words + (1 - lexical_weight) * whole, 1.0).tolist()
    return fused


def _over_best(scores: Numbers) -> Numbers:
    positive = np.maximum(scores, 0.0)
    scaled: Numbers = positive / np.maximum(positive.max(axis=0, initial=0.0), 1e-9)
    return scaled


def spread(articles: Sequence[str], count: int) -> list[int]:
    """Return the positions of `count` ranked passages, given the article of each, in order of rank.

    No article takes more than half of the places while others have passages left.
    """
    most = max(1, count // 2)
    taken: Counter[str] = Counter()
    chosen: list[int] = []
    spare: list[int] = []
    for position, article in enumerate(articles):
        taken[article] += 1
        (chosen if taken[article] <= most else spare).append(position)
    chosen = chosen[:count]
    return sorted(chosen + spare[: count - len(chosen)])


def judge(question: str, hits: Sequence[Hit]) -> Sufficiency:
    """Return whether the hits can hold an answer: raw scores only, since the best scaled score is always 1.

    For questions in Chinese, Japanese or Korean only words count: the built-in embedder is English,
    and finds all such texts about equally near.
    """
    if not hits:
        return Sufficiency(False, "The library holds no passage.", 0.0, 0.0, 0.0)
    covered = max(hit.features.coverage for hit in hits)
    similar = max(max(hit.features.sentence_similarities) for hit in hits)
    score = _COVERAGE_WEIGHT * covered + (1 - _COVERAGE_WEIGHT) * similar
    enough = covered >= _ENOUGH_COVERAGE if mostly_cjk(question) else score >= _ENOUGH
    reason = "" if enough else "No passage is near enough to the question, in words or in meaning."
    return Sufficiency(enough, reason, score, covered, similar)
