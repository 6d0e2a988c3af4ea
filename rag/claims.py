"""Owns checking one sentence by the rules of verdicts, apart from any answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rag import cite, verify
from rag.answer import Check
from rag.types import Answer, Citation, Draft, Evidence, Mark, Span, Status, Vector

_CLAIM = "claim"  # what wrote a sentence that is only checked
_CITED = 3  # passages that a sentence is checked against


def supports(sentence: str, citations: Sequence[Citation], evidence: Evidence, embed: Callable[[str], Vector]) -> bool:
    """Return whether citations of an answer, and no others, support a sentence."""
    (checked,) = verify.verify(cite.cite_alone(sentence, citations, evidence, embed), evidence)[1]
    return checked.verdict == "supported"


def checked_claim(sentence: str, evidence: Evidence, check: Check) -> Answer:
    """Return a sentence as an answer that cites the best passages of the evidence."""
    marks = tuple(Mark(len(sentence), n) for n, _ in enumerate(evidence.hits[:_CITED], start=1))
    draft = Draft(sentence, (Span(0, len(sentence)),), marks, _CLAIM, sentence)
    text, (checked,), citations = check(draft, evidence)
    status: Status = "grounded" if checked.verdict == "supported" else "partial"
    return Answer(sentence, status, text, (checked,), citations, evidence, _CLAIM, draft=draft)
