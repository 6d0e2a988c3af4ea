"""Owns turning what a draft points to into numbered citations, each one verbatim span of an article."""

from __future__ import annotations

from rag.types import Citation, CitedDraft, CitedSentence, Draft, Evidence, Span


def cite(draft: Draft, evidence: Evidence) -> CitedDraft:
    """Number the spans that a draft points to; the same span keeps its number.

    Raises ValueError where a draft points outside the evidence: answerers must not invent numbers.
    """
    citations: dict[tuple[str, Span], Citation] = {}
    sentences: list[CitedSentence] = []
    for sentence in draft.sentences:
        numbers: list[int] = []
        for evidence_n, span in sentence.cites:
            if not 1 <= evidence_n <= len(evidence.hits):
                raise ValueError(f"evidence {evidence_n} was not given, there are {len(evidence.hits)}")
            hit = evidence.hits[evidence_n - 1]
            citation = citations.setdefault(
                (hit.source.article_id, span),
                Citation(len(citations) + 1, evidence_n, hit.source, span.start, span.end, hit.passage.quote(span)),
            )
            numbers.append(citation.n)
        sentences.append(CitedSentence(sentence.text, tuple(dict.fromkeys(numbers))))
    return CitedDraft(tuple(sentences), tuple(citations.values()))
