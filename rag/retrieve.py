"""Owns ranking: which passages answer a question, by words and by meaning, and whether they can hold an answer."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle

from rag.config import RetrievalSettings
from rag.nodes import to_node
from rag.text import clean, index_terms, mostly_cjk, question_terms
from rag.types import Embedder, Evidence, Features, Hit, StoredPassage, Sufficiency, Vector

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


class HybridRetriever(BaseRetriever):
    """Finds passages by BM25 and by vector, and ranks them by a convex combination of both scores.

    The dense score of a passage is that of its best sentence, the lexical one BM25 with Lucene's
    k1 = 1.2 and b = 0.75; each is divided by the best of this question (Bruch et al. 2023, "An
    Analysis of Fusion Functions for Hybrid Retrieval"). As a llama-index retriever it returns nodes
    whose metadata name article and offsets.
    """

    def __init__(self, library: Library, index: DenseIndex, embedder: Embedder, settings: RetrievalSettings) -> None:
        super().__init__()
        self._library = library
        self._index = index
        self._embedder = embedder
        self._settings = settings

    def evidence(self, question: str, top_k: int | None = None) -> Evidence:
        """Return the best passages for a question, best first, and whether they can hold an answer."""
        question = clean(question)
        limit = self._settings.candidates
        vector = self._embedder.embed_question(question)
        terms = question_terms(question)
        with self._library.snapshot():
            dense, stored = self._nearest(vector, limit)
            lexical = [row for row, _ in self._library.search_terms(terms, limit)]
            stored |= self._library.passages([row for row in lexical if row not in stored])
            scores = self._library.term_scores(terms, list(stored))
            frequencies = self._library.document_frequencies(terms)
            total = self._library.passage_count()
        weights = {term: inverse_document_frequency(count, total) for term, count in frequencies.items()}
        found = list(stored.values())
        similarities = [item.vectors.sentences @ vector for item in found]
        fused = fuse(
            [scores.get(item.row, 0.0) for item in found],
            [float(values.max()) for values in similarities],
            self._settings.lexical_weight,
        )
        order = sorted(range(len(found)), key=lambda i: (-fused[i], found[i].source.source, found[i].passage.start))
        kept = spread([found[i].source.article_id for i in order], top_k or self._settings.top_k)
        dense_ranks = {row: rank for rank, row in enumerate((row for row in dense if row in stored), start=1)}
        lexical_ranks = {row: rank for rank, row in enumerate(lexical, start=1)}
        hits = tuple(
            Hit(
                found[i].passage,
                found[i].source,
                fused[i],
                Features(
                    lexical=scores.get(found[i].row, 0.0),
                    similarity=float(found[i].vectors.passage @ vector),
                    sentence_similarities=tuple(float(value) for value in similarities[i]),
                    coverage=coverage(weights, found[i].passage.context + found[i].passage.text),
                    dense_rank=dense_ranks.get(found[i].row),
                    lexical_rank=lexical_ranks.get(found[i].row),
                ),
                found[i].vectors.sentences,
            )
            for i in (order[position] for position in kept)
        )
        return Evidence(question, hits, judge(question, hits), weights)

    def _nearest(self, vector: Vector, limit: int) -> tuple[list[int], dict[int, StoredPassage]]:
        """Return the rows nearest to a vector, best first, and the passages of those that may answer.

        Vectors of versions that are gone are among the rows; an article that was edited many times can
        fill a list with them. So more is asked for than is needed, and again until enough may answer.
        """
        asked = limit + limit // 2
        while True:
            rows = [row for row, _ in self._index.search(vector, asked)]
            stored = self._library.passages(rows)
            if len(stored) >= limit or len(rows) < asked:
                return rows, stored
            asked *= 4

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [to_node(hit) for hit in self.evidence(query_bundle.query_str).hits]


def inverse_document_frequency(count: int, total: int) -> float:
    """Return how rare a term is that stands in `count` of `total` passages; above 0 (Lucene's form)."""
    return math.log(1 + (total - count + 0.5) / (count + 0.5))


def coverage(weights: dict[str, float], text: str) -> float:
    """Return the share of the question's terms that a text has, weighted by rarity, 0 to 1."""
    whole = sum(weights.values())
    present = weights.keys() & set(index_terms(text))
    return sum(weights[term] for term in present) / whole if whole else 0.0


def fuse(lexical: Sequence[float], dense: Sequence[float], lexical_weight: float) -> list[float]:
    """Return a score from 0 to 1 for each candidate: the weighted mean of both scores, each over its best.

    Scaled from 0, not from the worst candidate: where all are about equally near (as Chinese is to an
    English embedder), small differences must not be blown up to full scale.
    """
    if not lexical:
        return []
    words = np.maximum(lexical, 0.0)
    meaning = np.maximum(dense, 0.0)
    words = words / max(float(words.max()), 1e-9)
    meaning = meaning / max(float(meaning.max()), 1e-9)
    return [float(score) for score in lexical_weight * words + (1 - lexical_weight) * meaning]


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
