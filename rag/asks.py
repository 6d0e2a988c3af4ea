"""Owns questions that ask for several things: what each of them asks, and what the articles do not hold of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from typing import Protocol

from rag.types import ALL_ARTICLES, Evidence, Exchange, Hit, Scope, WhyNot

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

    def evidence(self, question: str, top_k: int | None = None, scope: Scope = ALL_ARTICLES) -> Evidence:
        """Return the best passages of a scope, best first, and whether they can hold an answer."""

    def why_not(self, question: str, evidence: Evidence, article: str, offset: int | None = None) -> WhyNot:
        """Return what became of a passage for the question that ranked the passages of the evidence."""


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

    def evidence(self, question: str, top_k: int | None = None, scope: Scope = ALL_ARTICLES) -> Evidence:
        """Return the best passages, best first, whether they can hold an answer, and what of it they do not."""
        return self._searched(question, top_k, scope)[0]

    def why_not(self, evidence: Evidence, article: str, offset: int | None = None) -> WhyNot:
        """Return what became of the best passage of an article, or of the one at a character of it.

        Evidence is looked for again, and `changed` says whether other evidence is found now. Where it is that of the
        parts of a question, the part counts in which the passage ranks best.
        """
        now, questions = self._searched(evidence.question, len(evidence.hits) or None, evidence.scope)
        found = [self._retriever.why_not(question, now, article, offset) for question in questions]
        best = min(found, key=lambda why: (why.outcome != "taken", why.rank or math.inf, -(why.score or 0)))
        return replace(best, changed=now.hash != evidence.hash)

    def _searched(self, question: str, top_k: int | None, scope: Scope) -> tuple[Evidence, list[str]]:
        """Return the evidence, and the questions whose passages it is."""
        whole = self._retriever.evidence(question, top_k, scope)
        parts = asks(whole.question)
        alone = whole, [whole.question]
        if not 2 <= len(parts) <= _MOST or not whole.hits:
            return alone
        before: list[Exchange] = []
        found: list[tuple[str, Evidence]] = []
        for part in parts:
            resolved = self._resolve(f"{part}?", before)
            before.append(Exchange(resolved, ""))
            found.append((part, self._retriever.evidence(resolved, top_k, scope)))
        answered = [evidence for _, evidence in found if evidence.sufficiency.sufficient]
        if not answered or not _of_one_state([whole, *(evidence for _, evidence in found)]):
            return alone
        missing = tuple(part for part, evidence in found if not evidence.sufficiency.sufficient)
        if whole.sufficiency.sufficient:
            return replace(whole, missing=missing), [whole.question]
        best = max(answered, key=lambda evidence: evidence.sufficiency.score)
        hits = _alternating([evidence.hits for evidence in answered])[: len(whole.hits)]
        both = replace(whole, hits=hits, sufficiency=best.sufficiency, missing=missing)
        return both, [evidence.question for evidence in answered]


def _of_one_state(found: Sequence[Evidence]) -> bool:
    """Whether no article was exchanged for another version between the searches: versions must never mix."""
    versions = {(hit.source.article_id, hit.source.content_hash) for evidence in found for hit in evidence.hits}
    return len(versions) == len({article for article, _ in versions})


def _alternating(rankings: Sequence[Sequence[Hit]]) -> tuple[Hit, ...]:
    """Return the hits of several rankings, the best of each first, each passage once."""
    hits = (hit for hit in chain.from_iterable(zip_longest(*rankings)) if hit is not None)
    return tuple({hit.passage.id: hit for hit in hits}.values())
