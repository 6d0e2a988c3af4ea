"""Owns questions that ask for several things: what each of them asks, and what the articles do not hold of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from typing import Protocol

from rag.types import Evidence, Exchange, Hit

_WORD = r"(?:who|whom|whose|what|which|when|where|why|how)\b"
_VERB = r"(?:does|did|do|is|are|was|were|has|have|had|can|could|will|would)\s"
_AND = r"(?:and|but|or)\s+(?:also\s+)?"
_BORDER = re.compile(
    rf"(?:\s*[;?？]\s*(?:{_AND})?|,?\s+{_AND})(?=(?:(?:in|at|by|for|to|on|with|since|from|of)\s+)?{_WORD}|{_VERB})"
    rf"|[？?]\s*(?=\S)",
    re.IGNORECASE,
)

_MOST = 4  # parts: each is searched for

Resolve = Callable[[str, Sequence[Exchange]], str]
"""Returns a question with what it leaves unsaid, taken from what was asked before."""


class Retriever(Protocol):
    """What finds the passages for a question."""

    def evidence(self, question: str, top_k: int | None = None) -> Evidence:
        """Return the best passages, best first, and whether they can hold an answer."""


def asks(question: str) -> list[str]:
    """Return what a question asks, each thing in its own words: "Who built it, and when was it opened?" asks two."""
    return [part for piece in _BORDER.split(question) if (part := piece.strip(" ,;?？."))]


class PartwiseRetriever:
    """Finds passages for a question, and for each thing that it asks.

    Where a part has no answer in the articles, the evidence names it in `missing`. Where the question as a whole
    seems to have none, but a part has, the passages of such parts are the evidence.
    """

    def __init__(self, retriever: Retriever, resolve: Resolve) -> None:
        self._retriever = retriever
        self._resolve = resolve

    def evidence(self, question: str, top_k: int | None = None) -> Evidence:
        """Return the best passages, best first, whether they can hold an answer, and what of it they do not."""
        whole = self._retriever.evidence(question, top_k)
        parts = asks(whole.question)
        if not 2 <= len(parts) <= _MOST or not whole.hits:
            return whole
        before: list[Exchange] = []
        found: list[tuple[str, Evidence]] = []
        for part in parts:
            resolved = self._resolve(f"{part}?", before)
            before.append(Exchange(resolved, ""))
            found.append((part, self._retriever.evidence(resolved, top_k)))
        answered = [evidence for _, evidence in found if evidence.sufficiency.sufficient]
        if not answered or not _of_one_state([whole, *(evidence for _, evidence in found)]):
            return whole
        missing = tuple(part for part, evidence in found if not evidence.sufficiency.sufficient)
        if whole.sufficiency.sufficient:
            return replace(whole, missing=missing)
        best = max(answered, key=lambda evidence: evidence.sufficiency.score)
        hits = _alternating([evidence.hits for evidence in answered])[: len(whole.hits)]
        return replace(whole, hits=hits, sufficiency=best.sufficiency, missing=missing)


def _of_one_state(found: Sequence[Evidence]) -> bool:
    """Whether no article was exchanged for another version between the searches: versions must never mix."""
    versions = {(hit.source.article_id, hit.source.content_hash) for evidence in found for hit in evidence.hits}
    return len(versions) == len({article for article, _ in versions})


def _alternating(rankings: Sequence[Sequence[Hit]]) -> tuple[Hit, ...]:
    """Return the hits of several rankings, the best of each first, each passage once."""
    hits = (hit for hit in chain.from_iterable(zip_longest(*rankings)) if hit is not None)
    return tuple({hit.passage.id: hit for hit in hits}.values())
