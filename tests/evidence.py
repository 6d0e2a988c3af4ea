"""Small evidence for the tests of the stages behind retrieval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rag.reply import MarkParser, reply_sentences
from rag.text import question_terms, sentence_spans
from rag.types import Draft, Evidence, Features, Hit, Passage, Source, Sufficiency, Vector

SAME = (1.0, 0.0)
"""The vector of every sentence and claim that is given no other: all mean the same."""


def hit(
    text: str,
    source: str = "a.md",
    start: int = 100,
    score: float = 1.0,
    similarity: float = 0.5,
    *,
    vectors: Sequence[Vector] | None = None,
    context: str = "Title. ",
    title: str = "Title",
    published: str | None = "2025-01-02",
) -> Hit:
    """Return a hit on a passage that stands at `start` of its article; `vectors` has one row for each sentence."""
    spans = tuple(type(span)(span.start + start, span.end + start) for span in sentence_spans(text))
    passage = Passage(f"id-{source}", "sha256:00", start, start + len(text), text, context, spans)
    about = Source(f"id-{source}", source, title, published, None, "en", None, "public", "sha256:00")
    features = Features(1.0, similarity, (similarity,) * len(spans), 1, 1)
    rows = np.array([meaning(*SAME)] * len(spans) if vectors is None else vectors).reshape(len(spans), -1)
    return Hit(passage, about, score, features, rows)


def meaning(*values: float) -> Vector:
    """Return a unit vector."""
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def same(_: str) -> Vector:
    """Embed every text to the same vector."""
    return meaning(*SAME)


def evidence(question: str, *hits: Hit, sufficient: bool = True) -> Evidence:
    """Return the evidence of a question; each of its terms weighs the same."""
    return Evidence(
        question, hits, Sufficiency(sufficient, "", 1.0, 1.0, 1.0), dict.fromkeys(question_terms(question), 1.0)
    )


def draft(reply: str, found: Evidence, **details: Any) -> Draft:
    """Return the draft that a model's reply makes."""
    parser = MarkParser(range(1, len(found.hits) + 1))
    parser.feed(reply)
    parser.finish()
    marks, dropped = tuple(parser.marks), parser.dropped
    return Draft(parser.text, reply_sentences(parser.text), marks, "model", reply, dropped, **details)
