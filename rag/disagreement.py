"""Owns where articles disagree: a sentence of one that says otherwise than a sentence of another."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.guards import findings
from rag.text import question_terms
from rag.types import Citation, Disagreement, Evidence

_SHARED = 0.5  # of the content terms of the shorter sentence
_MOST = 3
_POINTS_BACK = re.compile(
    r"\W*(?:it|its|they|their|he|his|she|her|this|that|these|those|there|we|our|i|you)\b", re.IGNORECASE
)


def says_otherwise(one: str, other: str) -> bool:
    """Whether two sentences of different articles are about the same and differ in one figure, date or outcome.

    Sentences about two things differ in more than that: "14 % in 2023" is not at odds with "12 % in 2024", nor one
    mill's flour with another's.
    """
    if _POINTS_BACK.match(one) or _POINTS_BACK.match(other):
        return False
    terms, others = _words(one), _words(other)
    if len(terms & others) < max(2.0, _SHARED * min(len(terms), len(others))):
        return False
    there = findings(one, [other], other)
    back = findings(other, [one], one)
    if not there.contradicted or not back.contradicted:
        return False
    if not any(len(found.contradicted) == 1 and not found.missing and not found.unknown for found in (there, back)):
        return False
    named = _words(" ".join(there.contradicted))
    return terms - others <= named or others - terms <= named


def _words(text: str) -> set[str]:
    return set(filter(str.isalpha, question_terms(text)))


def disagreements(citations: Sequence[Citation], evidence: Evidence) -> tuple[Disagreement, ...]:
    """Return what other articles of the evidence say otherwise than the citations; each pair of articles once.

    The other statement is a citation too: its number is 0 where the answer does not cite it.
    """
    found: dict[tuple[str, str], Disagreement] = {}
    cited = {(citation.source.article_id, citation.start): citation.n for citation in citations}
    for citation in citations:
        for evidence_n, hit in enumerate(evidence.hits, start=1):
            pair = sorted((citation.source.article_id, hit.source.article_id))
            key = (pair[0], pair[1])
            if pair[0] == pair[1] or key in found:
                continue
            for span in hit.passage.sentences:
                quote = hit.passage.quote(span)
                if says_otherwise(citation.quote, quote):
                    n = cited.get((hit.source.article_id, span.start), 0)
                    page = hit.passage.page(span)
                    other = Citation(n, evidence_n, hit.source, span.start, span.end, quote, page)
                    found[key] = Disagreement(citation, other)
                    break
    return tuple(found.values())[:_MOST]
