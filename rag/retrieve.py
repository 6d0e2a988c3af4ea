"""Owns ranking: which passages answer a question, by words and by meaning."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle
from numpy.typing import NDArray

from rag.config import RetrievalSettings
from rag.nodes import to_node
from rag.spread import spread
from rag.text import clean, index_terms, mostly_cjk, question_parts, question_terms
from rag.types import Candidates, Embedder, Evidence, Features, Hit, PassageVectors, StoredPassage, Sufficiency, Vector

Numbers = NDArray[np.floating[Any]]

# Chosen on one half of five English and three other public sets, and no worse on their other halves.
_PARTS_WEIGHT = 0.5  # of the parts of a question against the whole of it, in what counts as near
_SCORED = 4000  # passages, about: where the rarest terms stand in so many, others find none
_CJK_WEIGHT = 0.7  # of words, at least: the embedder is English

_BETWEEN_WORDS = re.compile(r"\W+")


class Library(Protocol):
    """What retrieval reads of the ledger."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Run a block in which all reads see one state."""

    def passage_count(self) -> int:
        """Return the number of passages that may answer."""

    def search_terms(self, terms: Sequence[str], limit: int) -> list[int]:
        """Return the rows of passages with any of the terms, best by BM25 first."""

    def active(self, rows: Sequence[int]) -> set[int]:
        """Return those of the rows that may answer."""

    def rows_of(self, articles: Sequence[str]) -> list[int]:
        """Return the rows of the passages of these articles that may answer."""

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


Judge = Callable[[str, Sequence[Hit], Mapping[str, float]], Sufficiency]
"""Tells from the hits of a question, and the weight of each of its terms, whether they can hold an answer."""


class Reranker(Protocol):
    """What puts hits in a better order."""

    depth: int

    def order(self, question: str, hits: Sequence[Hit]) -> list[int]:
        """Return the places of the hits in their new order."""


class _Words(NamedTuple):
    """What the words of a question find: rows, best first; and how rare each term is."""

    rows: list[int]
    weights: dict[str, float]


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
        judge: Judge,
        reranker: Reranker | None = None,
    ) -> None:
        super().__init__()
        self._library = library
        self._index = index
        self._embedder = embedder
        self._settings = settings
        self._reranker = reranker
        self._judge = judge

    def evidence(self, question: str, top_k: int | None = None, within: Sequence[str] | None = None) -> Evidence:
        """Return the best passages for a question, best first, and whether they can hold an answer.

        With `within`, ids of articles, all their passages are candidates, and no others. Raises ProviderError
        where an embedder or a reranker of another maker fails.
        """
        question = clean(question)
        count = top_k or self._settings.top_k
        terms = question_terms(question)
        vectors = self._embedder.embed_spans(question, question_parts(question))
        with self._library.snapshot():
            words = self._by_words(terms)
            dense = self._nearest(vectors.passage, self._settings.candidates) if within is None else []
            rows = (*dense, *words.rows) if within is None else self._library.rows_of(within)
            found = self._library.candidates(list(dict.fromkeys(rows)))
            scores = self._library.term_scores(terms, found.rows)
            fused = self._fused(question, found, vectors, scores)
            order = sorted(range(len(fused)), key=lambda i: (-fused[i], found.places[i]))
            wanted = max(count, self._reranker.depth) if self._reranker else count
            ranked = _Ranked(self._library, [found.rows[i] for i in order], wanted, set(terms))
            kept = [order[i] for i in spread([found.articles[i] for i in order], wanted, ranked.told, count)]
            stored = ranked.stored
        dense_ranks = {row: rank for rank, row in enumerate(dense, start=1)}
        lexical_ranks = {row: rank for rank, row in enumerate(words.rows, start=1)}
        hits = tuple(
            _hit(
                stored[row],
                score,
                Features(
                    lexical=scores.get(row, 0.0),
                    similarity=float(stored[row].vectors.passage @ vectors.passage),
                    sentence_similarities=tuple((stored[row].vectors.sentences @ vectors.passage).tolist()),
                    dense_rank=dense_ranks.get(row),
                    lexical_rank=lexical_ranks.get(row),
                ),
            )
            for row, score in ((found.rows[i], fused[i]) for i in kept)
        )
        hits = self._reranked(question, hits)[:count]
        return Evidence(question, hits, self._judge(question, hits, words.weights), words.weights)

    def _by_words(self, terms: Sequence[str]) -> _Words:
        """Return what words alone find, by the rarest of them.

        Passages with frequent words only are not looked for: they would have to be scored by the thousand,
        and do not come near to those that have a rare one.
        """
        frequencies = self._library.document_frequencies(terms)
        telling: list[str] = []
        scored = 0
        for term in sorted(filter(frequencies.get, terms), key=lambda term: frequencies[term]):
            scored += frequencies[term]
            if telling and scored > _SCORED:
                break
            telling.append(term)
        total = self._library.passage_count()
        weights = {term: inverse_document_frequency(count, total) for term, count in frequencies.items()}
        return _Words(self._library.search_terms(telling, self._settings.candidates), weights)

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


class _Ranked:
    """The passages of ranked rows, read some at a time: mostly the first are all that is wanted."""

    def __init__(self, library: Library, rows: Sequence[int], step: int, terms: Set[str]) -> None:
        self.stored: dict[int, StoredPassage] = {}
        self._library = library
        self._rows = rows
        self._step = step
        self._terms = terms

    def told(self, position: int) -> list[str]:
        """Return what a passage says: the words of each of its sentences, and those of the question in its title."""
        if self._rows[position] not in self.stored:
            self.stored |= self._library.passages(self._rows[position : position + self._step])
        passage = self.stored[self._rows[position]].passage
        sentences = [_BETWEEN_WORDS.sub(" ", passage.quote(span).casefold()).strip() for span in passage.sentences]
        return sentences + sorted(self._terms & set(index_terms(passage.context)))
