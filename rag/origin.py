"""Owns where words of an answer come from: the best place for them in all that was found, cited or not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from rag.cite import cite_alone, supporting_spans
from rag.errors import InputError
from rag.facts import facts
from rag.support import PARTIAL, Measured, coverage, support
from rag.text import content_terms
from rag.types import Answer, Citation, Embedder, Evidence, Span, Vector
from rag.verify import verify

_STANDING = {"supported": 2, "partial": 1}


class Origin(NamedTuple):
    """Evidence number `n` and the spans of its article, in order, that some words come from.

    `exact`: the words stand there as they are. `doubts` say what of them does not stand there.
    """

    n: int
    spans: tuple[Span, ...]
    exact: bool
    doubts: tuple[str, ...] = ()


class _Candidate(NamedTuple):
    """A place that words may come from; `standing` orders by what speaks against it, `near` is 0 to 1."""

    near: float
    standing: int
    origin: Origin


def origin(words: str, answer: Answer, embedder: Embedder) -> Origin | None:
    """Return where some words of an answer come from; None where nothing that was found is near enough to them.

    Words that stand somewhere as they are come from there, and from a cited passage sooner than from another; else
    from the sentences that a mark behind them would be resolved to. Raises InputError for words that say too little,
    ProviderError where an embedder of another maker fails.
    """
    told = facts(words)
    if not content_terms(words) and not told.numbers and not told.dates:
        raise InputError("These words say too little to be looked for. Select more of them.")
    cited = {citation.evidence_n for citation in answer.citations}
    order = sorted(range(1, len(answer.evidence.hits) + 1), key=lambda n: n not in cited)
    for n in order:
        passage = answer.evidence.hits[n - 1].passage
        if match := _as_they_are(words).search(passage.text):
            return Origin(n, (Span(passage.start + match.start(), passage.start + match.end()),), exact=True)
    if not order:
        return None
    evidence, vector = _with_vectors(answer.evidence, embedder), embedder.embed_question(words)
    candidates = (_candidate(words, vector, n, evidence) for n in order)
    near = [candidate for candidate in candidates if candidate.near >= PARTIAL]
    best = max(near, key=lambda candidate: (candidate.standing, candidate.near), default=None)
    return best.origin if best else None


def _as_they_are(words: str) -> re.Pattern[str]:
    """Return the pattern of words: several may begin and end inside of a word, which is taken whole; one may not."""
    parts = words.split()
    pattern = r"\s+".join(map(re.escape, parts))
    if words.isascii():  # in a script without spaces a word may begin anywhere
        pattern = rf"\w*{pattern}\w*" if len(parts) > 1 else rf"(?<!\w){pattern}(?!\w)"
    return re.compile(pattern, re.IGNORECASE)


def _candidate(words: str, vector: Vector, n: int, evidence: Evidence) -> _Candidate:
    hit = evidence.hits[n - 1]
    spans, similarity = supporting_spans(words, vector, hit)
    quotes = [hit.passage.quote(span) for span in hit.passage.sentences]
    near = support(Measured(coverage(words, [quotes]), similarity))
    verdict, reasons = _verdict(words, vector, n, spans, evidence)
    doubts = tuple(re.sub(r"\b([Tt]he) cited passage", r"\1 passage", reason) for reason in reasons)
    return _Candidate(near, _STANDING.get(verdict, 0), Origin(n, tuple(spans), exact=False, doubts=doubts))


def _verdict(
    words: str, vector: Vector, n: int, spans: Sequence[Span], evidence: Evidence
) -> tuple[str, tuple[str, ...]]:
    hit = evidence.hits[n - 1]
    citations = [
        Citation(i, n, hit.source, span.start, span.end, hit.passage.quote(span), hit.passage.page(span))
        for i, span in enumerate(spans, start=1)
    ]
    (checked,) = verify(cite_alone(words, citations, evidence, lambda _: vector), evidence)[1]
    return checked.verdict, checked.reasons


def _with_vectors(evidence: Evidence, embedder: Embedder) -> Evidence:
    """Return evidence whose hits have the vectors that are not kept with an answer."""
    if all(len(hit.sentence_vectors) == len(hit.passage.sentences) for hit in evidence.hits):
        return evidence
    made = embedder.embed_passages([hit.passage for hit in evidence.hits])
    hits = (replace(hit, sentence_vectors=new.sentences) for hit, new in zip(evidence.hits, made, strict=True))
    return replace(evidence, hits=tuple(hits))
