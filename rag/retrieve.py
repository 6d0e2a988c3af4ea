"""Owns retrieval: the evidence for a question, as ranking and perhaps a reranker order it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle

from rag.config import RetrievalSettings
from rag.nodes import to_node
from rag.ranking import Asked, DenseIndex, Library, Ranker, Ranking
from rag.types import ALL_ARTICLES, Embedder, Evidence, Features, Hit, Scope, Sufficiency, WhyNot
from rag.why import why_not

Judge = Callable[[str, Sequence[Hit], Mapping[str, float]], Sufficiency]
"""Tells from the hits of a question, and the weight of each of its terms, whether they can hold an answer."""


class Reranker(Protocol):
    """What puts hits in a better order."""

    depth: int

    def order(self, question: str, hits: Sequence[Hit]) -> list[int]:
        """Return the places of the hits in their new order."""


class HybridRetriever(BaseRetriever):
    """Finds passages by words and by meaning, as `Ranker` ranks them.

    As a llama-index retriever it returns nodes whose metadata name article and offsets.
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
        self._ranker = Ranker(library, index, embedder, settings)
        self._top_k = settings.top_k
        self._reranker = reranker
        self._judge = judge

    def evidence(self, question: str, top_k: int | None = None, scope: Scope = ALL_ARTICLES) -> Evidence:
        """Return the best passages of a scope for a question, best first, and whether they can hold an answer.

        Raises ProviderError where an embedder or a reranker of another maker fails.
        """
        asked = self._ranker.asked(question, scope)
        count = top_k or self._top_k
        with self._ranker.library.snapshot():
            ranking = self._ranker.ranking(asked, count, self._depth)
        hits = self._reranked(asked.question, _hits(asked, ranking))[:count]
        weights = ranking.words.weights
        sufficiency = self._judge(asked.question, hits, weights)
        if not hits and scope != ALL_ARTICLES:
            sufficiency = replace(sufficiency, reason="What was to be searched holds no passage.")
        return Evidence(asked.question, hits, sufficiency, weights, scope=scope)

    def why_not(self, question: str, evidence: Evidence, article: str, offset: int | None = None) -> WhyNot:
        """Return what became of the best passage of an article for a question, or of the one at a character of it.

        The evidence, and `question` that ranked its passages, are of the library as it is now.
        """
        asked = self._ranker.asked(question, evidence.scope)
        count = len(evidence.hits) or self._top_k
        with self._ranker.library.snapshot():
            ranking = self._ranker.ranking(asked, count, self._depth)
            return why_not(self._ranker, asked, ranking, evidence.hits, article, offset)

    @property
    def _depth(self) -> int:
        return self._reranker.depth if self._reranker else 0

    def _reranked(self, question: str, hits: tuple[Hit, ...]) -> tuple[Hit, ...]:
        """Return the hits in the reranker's order, where there is one; the scores stay where they were."""
        if self._reranker is None or not hits:
            return hits
        order = self._reranker.order(question, hits)
        return tuple(replace(hits[place], score=hit.score) for place, hit in zip(order, hits, strict=True))

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return [to_node(hit) for hit in self.evidence(query_bundle.query_str).hits]


def _hits(asked: Asked, ranking: Ranking) -> tuple[Hit, ...]:
    """Return what was taken, with its raw scores."""
    dense_ranks = {row: rank for rank, row in enumerate(ranking.dense, start=1)}
    lexical_ranks = {row: rank for rank, row in enumerate(ranking.words.rows, start=1)}
    vector = asked.vectors.passage
    hits = []
    for row, score in ((ranking.rows[i], ranking.scores[i]) for i in ranking.spread.taken):
        stored = ranking.stored[row]
        features = Features(
            lexical=ranking.lexical.get(row, 0.0),
            similarity=float(stored.vectors.passage @ vector),
            sentence_similarities=tuple((stored.vectors.sentences @ vector).tolist()),
            dense_rank=dense_ranks.get(row),
            lexical_rank=lexical_ranks.get(row),
        )
        hits.append(Hit(stored.passage, stored.source, score, features, stored.vectors.sentences))
    return tuple(hits)
