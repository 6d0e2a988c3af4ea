"""Small evidence for the tests of the stages behind retrieval."""

from __future__ import annotations

from rag.text import question_terms, sentence_spans
from rag.types import Evidence, Features, Hit, Passage, Source, Sufficiency


def hit(text: str, source: str = "a.md", start: int = 100, score: float = 1.0, similarity: float = 0.5) -> Hit:
    """Return a hit on a passage that stands at `start` of its article."""
    spans = tuple(type(span)(span.start + start, span.end + start) for span in sentence_spans(text))
    passage = Passage(f"id-{source}", "sha256:00", start, start + len(text), text, "Title. ", spans)
    about = Source(f"id-{source}", source, "Title", "2025-01-02", None, "en", None, "public", "sha256:00")
    return Hit(passage, about, score, Features(1.0, similarity, (similarity,) * len(spans), 1.0, 1, 1))


def evidence(question: str, *hits: Hit, sufficient: bool = True) -> Evidence:
    """Return the evidence of a question; each of its terms weighs the same."""
    return Evidence(question, hits, Sufficiency(sufficient, "", 1.0, 1.0), dict.fromkeys(question_terms(question), 1.0))
