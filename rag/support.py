"""Owns how sure the rules are that citations say what a sentence says: from what was measured, a probability."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rag.text import index_terms, question_terms

# Logistic regression on half of the documents of three human-labelled sets (WiCE, SummEdits, ExpertQA), each with
# the same weight, beside sentences of the evidence that were cut short and claims held against another text.
_INTERCEPT = -2.03
_COVERAGE = 2.40
_SIMILARITY = 2.02
_CONTRADICTED = -2.83
_MISSING = -1.25
_UNKNOWN = -0.45
_ENOUGH = 0.7  # of the words: a paraphrase has others too
_FEW = 0.2  # of the words: with fewer in common, likeness in meaning counts for less
_MOST = 2  # findings of a kind that count
SUPPORTED = 0.4
"""From here on a sentence is supported, where nothing speaks against it; best for balanced accuracy on that half."""
PARTIAL = 0.3
"""Below it a sentence says something else: 99 of 100 claims that were held against another text are."""


def support(coverage: float, similarity: float, contradicted: int, missing: int, unknown: int) -> float:
    """Return how sure it is that a source says what a sentence says, 0 to 1; without knowledge of either, 0.5.

    `coverage` is that of the sentence's words in the source, `similarity` the cosine of the sentence and the
    nearest cited span. The rest are numbers of findings: what the source says otherwise; figures, dates and
    quotations it lacks; names it lacks.
    """
    total = (
        _INTERCEPT
        + _COVERAGE * min(coverage, _ENOUGH)
        + _SIMILARITY * max(0.0, similarity) * min(1.0, coverage / _FEW)
        + _CONTRADICTED * min(contradicted, 1)
        + _MISSING * min(missing, _MOST)
        + _UNKNOWN * min(unknown, _MOST)
    )
    return 1 / (1 + math.exp(-total))


def coverage(sentence: str, passages: Sequence[Sequence[str]]) -> float:
    """Return the share of a sentence's terms that stand together, in one sentence of a source and its two neighbours.

    Each passage is given as its sentences.
    """
    wanted = set(question_terms(sentence))
    best = 0
    for passage in passages:
        found = [wanted.intersection(index_terms(text)) for text in passage]
        for at in range(len(found)):
            best = max(best, len(set().union(*found[max(0, at - 1) : at + 2])))
    return best / max(1, len(wanted))
