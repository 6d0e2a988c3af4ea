"""Owns ranking: the candidates of a question by words and by meaning, their common score, and which are taken."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rag.config import RetrievalSettings
from rag.spread import Spread, spread
from rag.text import clean, index_terms, mostly_cjk, question_parts, question_terms
from rag.types import ALL_ARTICLES, Candidates, Embedder, PassageVectors, Scope, StoredPassage, Vector

Numbers = NDArray[np.floating[Any]]

# Chosen on one half of five English and three other public sets, and no worse on their other halves.
_PARTS_WEIGHT = 0.5  # of the parts of a question against the whole of it, in what counts as near
_SCORED = 4000  # passages, about: where the rarest terms stand in so many, others find none
_CJK_WEIGHT = 0.7  # of words, at least: the embedder is English
_ALL_OF = 500  # passages: of a scope with no more than these, all are candidates

_BETWEEN_WORDS = re.compile(r"\W+")


class Library(Protocol):
    """What ranking reads of the ledger."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Run a block in which all reads see one state."""

    def passage_count(self) -> int:
        """Return the number of passages that may answer."""

    def search_terms(self, terms: Sequence[str], limit: int) -> list[int]:
        """Return the rows of passages with any of the terms, best by BM25 first."""

    def active(self, rows: Sequence[int], scope: Scope = ALL_ARTICLES) -> set[int]:
        """Return those of the rows that may answer, in a scope."""

    def rows_in(self, scope: Scope, limit: int | None = None) -> list[int]:
        """Return the rows of the passages of a scope that may answer; where there are more than `limit`, some more."""

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


class Asked(NamedTuple):
    """A question as it is searched for: its terms, and the vectors of it and of its parts."""

    question: str
    terms: list[str]
    vectors: PassageVectors
    scope: Scope


class Words(NamedTuple):
    """What the words of a question find: the terms that are looked for, rows, best first; and how rare each term is."""

    telling: list[str]
    rows: list[int]
    weights: dict[str, float]


class Signals(NamedTuple):
    """Raw scores of passages: BM25, shape (n,); similarities to the question and its parts, shape (n, 1 + parts)."""

    lexical: Numbers
    similarities: Numbers


class Ranking(NamedTuple):
    """The candidates of a question, best first: rows and scores, and which of their positions are taken.

    `dense` are the rows that meaning found, best first; empty where all of a scope are candidates. `lexical` holds
    BM25 by row, `signals` the raw scores in no order, `stored` the passages that were looked at.
    """

    words: Words
    dense: list[int]
    rows: list[int]
    scores: list[float]
    spread: Spread
    lexical: dict[int, float]
    signals: Signals
    stored: dict[int, StoredPassage]


class Ranker:
    """Ranks passages by BM25 and by vector, by a convex combination of both scores.

    The dense score of a passage is that of its sentence nearest to the question, or to a part of it; the
    lexical one is BM25 with Lucene's k1 = 1.2 and b = 0.75; each is divided by the best of this question
    (Bruch et al. 2023, "An Analysis of Fusion Functions for Hybrid Retrieval").
    """

    def __init__(self, library: Library, index: DenseIndex, embedder: Embedder, settings: RetrievalSettings) -> None:
        self.library = library
        self.settings = settings
        self._index = index
        self._embedder = embedder

    def asked(self, question: str, scope: Scope) -> Asked:
        """Return a question as it is searched for. Raises ProviderError where an embedder of another maker fails."""
        question = clean(question)
        vectors = self._embedder.embed_spans(question, question_parts(question))
        return Asked(question, question_terms(question), vectors, scope)

    def ranking(self, asked: Asked, count: int, depth: int = 0) -> Ranking:
        """Return the candidates in order, with `count` of them taken, or `depth` where that is more."""
        wanted = max(count, depth)
        words = self._by_words(asked)
        few = self.library.rows_in(asked.scope, _ALL_OF) if asked.scope != ALL_ARTICLES else ()
        narrow = asked.scope != ALL_ARTICLES and len(few) <= _ALL_OF
        dense = [] if narrow else self.nearest(asked, self.settings.candidates)
        found = self.library.candidates(few if narrow else list(dict.fromkeys((*dense, *words.rows))))
        lexical = self.library.term_scores(asked.terms, found.rows)
        signals = _signals(asked, found, lexical)
        fused = self._fused(asked.question, signals)
        order = sorted(range(len(fused)), key=lambda i: (-fused[i], found.places[i]))
        rows = [found.rows[i] for i in order]
        told = _Told(self.library, rows, wanted, set(asked.terms))
        taken = spread([found.articles[i] for i in order], wanted, told, count)
        return Ranking(words, dense, rows, [fused[i] for i in order], taken, lexical, signals, told.stored)

    def scores(self, asked: Asked, ranking: Ranking, found: Candidates) -> list[float]:
        """Return the score that each of these would have among the candidates of a ranking, or has."""
        own = _signals(asked, found, self.library.term_scores(asked.terms, found.rows))
        both = Signals(*(np.concatenate(pair) for pair in zip(ranking.signals, own, strict=True)))
        count = len(ranking.rows)
        return self._fused(asked.question, both, count)[count:]

    def nearest(self, asked: Asked, limit: int) -> list[int]:
        """Return the rows nearest to a question as a whole that may answer, best first; `limit` or more."""
        vector = asked.vectors.passage
        more = limit + limit // 2  # vectors of versions that are gone are among those of the index
        return self._enough(lambda count: [row for row, _ in self._index.search(vector, count)], asked, limit, more)

    def with_words(self, asked: Asked, words: Sequence[str], limit: int) -> list[int]:
        """Return the rows that have any of the words and may answer, best by BM25 first; `limit` or more."""
        if asked.scope == ALL_ARTICLES:
            return self.library.search_terms(words, limit)
        return self._enough(lambda count: self.library.search_terms(words, count), asked, limit, 2 * limit)

    def _enough(self, search: Callable[[int], list[int]], asked: Asked, limit: int, asking: int) -> list[int]:
        """Return what a search finds that may answer, best first, asking for more until there is enough or no more.

        An article that was edited many times can fill a list with what is gone, as can articles out of the scope.
        """
        while True:
            rows = search(asking)
            active = self.library.active(rows, asked.scope)
            if len(active) >= limit or len(rows) < asking:
                return [row for row in rows if row in active]
            asking *= 4 if 4 * len(active) >= limit else 16

    def _by_words(self, asked: Asked) -> Words:
        """Return what words alone find, by the rarest of them.

        Passages with frequent words only are not looked for: they would have to be scored by the thousand,
        and do not come near to those that have a rare one.
        """
        frequencies = self.library.document_frequencies(asked.terms)
        telling: list[str] = []
        scored = 0
        for term in sorted(filter(frequencies.get, asked.terms), key=lambda term: frequencies[term]):
            scored += frequencies[term]
            if telling and scored > _SCORED:
                break
            telling.append(term)
        total = self.library.passage_count()
        weights = {term: inverse_document_frequency(count, total) for term, count in frequencies.items()}
        rows = self.with_words(asked, telling, self.settings.candidates)[: self.settings.candidates]
        return Words(telling, rows, weights)

    def _fused(self, question: str, signals: Signals, scale: int | None = None) -> list[float]:
        weight = self.settings.lexical_weight
        return fuse(*signals, max(weight, _CJK_WEIGHT) if mostly_cjk(question) else weight, scale)


def _signals(asked: Asked, found: Candidates, lexical: Mapping[int, float]) -> Signals:
    questions = np.vstack([asked.vectors.passage, asked.vectors.sentences])
    if not found.rows:
        return Signals(np.zeros(0), np.zeros((0, len(questions))))
    similarities = np.maximum.reduceat(found.sentences @ questions.T, found.begins, axis=0)
    return Signals(np.array([lexical.get(row, 0.0) for row in found.rows]), similarities)


def inverse_document_frequency(count: int, total: int) -> float:
    """Return how rare a term is that stands in `count` of `total` passages; above 0 (Lucene's form)."""
    return math.log(1 + (total - count + 0.5) / (count + 0.5))


def fuse(lexical: Numbers, similarities: Numbers, lexical_weight: float, scale: int | None = None) -> list[float]:
    """Return a score from 0 to 1 for each candidate: the weighted mean of words and meaning, each over its best.

    `similarities` has a row for each candidate: to the question as a whole and, where it has parts, to each of
    them. What answers one part of a question of several counts as what is near to all of it.
    Scaled from 0, not from the worst candidate: where all are about equally near (as Chinese is to an
    English embedder), small differences must not be blown up to full scale. With `scale` the best is that of the
    first so many, and what comes behind them is measured by it.
    """
    words = _over_best(lexical, scale)
    meaning = _over_best(similarities, scale)
    if meaning.shape[1] > 1:
        parts = _over_best(meaning[:, 1:].max(axis=1), scale)
        whole = (1 - _PARTS_WEIGHT) * meaning[:, 0] + _PARTS_WEIGHT * parts
    else:
        whole = meaning[:, 0]
    fused: list[float] = np.minimum(lexical_weight * words + (1 - lexical_weight) * whole, 1.0).tolist()
    return fused


def _over_best(scores: Numbers, scale: int | None) -> Numbers:
    positive = np.maximum(scores, 0.0)
    scaled: Numbers = positive / np.maximum(positive[:scale].max(axis=0, initial=0.0), 1e-9)
    return scaled


class _Told:
    """What ranked passages say, read some at a time: mostly the first are all that is wanted."""

    def __init__(self, library: Library, rows: Sequence[int], step: int, terms: Set[str]) -> None:
        self.stored: dict[int, StoredPassage] = {}
        self._library = library
        self._rows = rows
        self._step = step
        self._terms = terms

    def __call__(self, position: int) -> list[str]:
        """Return what a passage says: the words of each of its sentences, and those of the question in its title."""
        if self._rows[position] not in self.stored:
            self.stored |= self._library.passages(self._rows[position : position + self._step])
        passage = self.stored[self._rows[position]].passage
        sentences = [_BETWEEN_WORDS.sub(" ", passage.quote(span).casefold()).strip() for span in passage.sentences]
        return sentences + sorted(self._terms & set(index_terms(passage.context)))
