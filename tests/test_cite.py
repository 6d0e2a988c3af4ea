"""Citations: numbered in order of use, one verbatim span each, and never invented."""

from __future__ import annotations

import pytest

from rag.cite import cite
from rag.types import Draft, DraftSentence, EvidenceSpan, Span
from tests.evidence import evidence, hit

FIRST = hit("One sentence. Another sentence.", "a.md", start=10)
SECOND = hit("A third sentence.", "b.md", start=0)
FOUND = evidence("question", FIRST, SECOND)


def draft(*pointers: tuple[EvidenceSpan, ...]) -> Draft:
    return Draft(tuple(DraftSentence(f"Claim {i}.", cites) for i, cites in enumerate(pointers)), "model")


def test_numbers_follow_the_order_of_use() -> None:
    cited = cite(draft((EvidenceSpan(2, Span(0, 17)),), (EvidenceSpan(1, Span(10, 23)),)), FOUND)
    assert [(item.n, item.evidence_n, item.quote) for item in cited.citations] == [
        (1, 2, "A third sentence."),
        (2, 1, "One sentence."),
    ]
    assert [sentence.citations for sentence in cited.sentences] == [(1,), (2,)]


def test_a_span_used_twice_keeps_its_number() -> None:
    span = EvidenceSpan(1, Span(24, 41))
    cited = cite(draft((span,), (span, span)), FOUND)
    assert [item.quote for item in cited.citations] == ["Another sentence."]
    assert [sentence.citations for sentence in cited.sentences] == [(1,), (1,)]


@pytest.mark.parametrize("n", [0, 3, -1])
def test_evidence_that_was_not_given_cannot_be_cited(n: int) -> None:
    with pytest.raises(ValueError, match="was not given"):
        cite(draft((EvidenceSpan(n, Span(0, 1)),)), FOUND)


def test_a_span_outside_its_passage_cannot_be_cited() -> None:
    with pytest.raises(ValueError, match="outside"):
        cite(draft((EvidenceSpan(1, Span(0, 5)),)), FOUND)
