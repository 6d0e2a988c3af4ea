"""Owns how sure the rules are that citations say what a sentence says: from what was measured, a probability."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from rag.guards.opposites import opposites_of
from rag.guards.words import stem_of
from rag.text import index_terms, question_terms

# Logistic regression on half of the documents of three human-labelled sets (WiCE, SummEdits, ExpertQA), each with
# the same weight, beside sentences of the evidence that were cut short and claims held against another text.
_INTERCEPT = -2.03
_COVERAGE = 2.35
_SIMILARITY = 2.09
_CONTRADICTED = -2.80
_MISSING = -1.25
_UNKNOWN = -0.42
_OPPOSED = -0.50
_ENOUGH = 0.7  # of the words: a paraphrase has others too
_FEW = 0.2  # of the words: with fewer in common, likeness in meaning counts for less
_MOST = 2  # findings of a kind that count
_WORD = re.compile(r"[^\W\d_]+")
SUPPORTED = 0.4
"""From here on a sentence is supported, where nothing speaks against it; best for balanced accuracy on that half."""
PARTIAL = 0.3
"""Below it a sentence says something else: 99 of 100 claims that were held against another text are."""


class Measured(NamedTuple):
    """What was measured of a sentence and the source that it cites.

    `coverage` is the share of its words that stand there, `similarity` the cosine of it and the nearest cited span.
    The rest are numbers of things that speak against it: what the source says otherwise; figures, dates and
    quotations it lacks; names it lacks; words of which it has the opposite only.
    """

    coverage: float
    similarity: float
    contradicted: int = 0
    missing: int = 0
    unknown: int = 0
    opposed: int = 0


def support(measured: Measured) -> float:
    """Return how sure it is that a source says what a sentence says, 0 to 1; beforehand both are as likely."""
    total = (
        _INTERCEPT
        + _COVERAGE * min(measured.coverage, _ENOUGH)
        + _SIMILARITY * max(0.0, measured.similarity) * min(1.0, measured.coverage / _FEW)
        + _CONTRADICTED * min(measured.contradicted, 1)
        + _MISSING * min(measured.missing, _MOST)
        + _UNKNOWN * min(measured.unknown, _MOST)
        + _OPPOSED * min(measured.opposed, 1)
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


def opposed(sentence: str, text: str) -> int:
    """Return how many words of a sentence stand nowhere in a text that has their opposite."""
    there = _stems(text)
    return sum(not there.isdisjoint(opposites_of(stem)) for stem in _stems(sentence) - there)


def _stems(text: str) -> set[str]:
    return {stem_of(word.lower()) for word in _WORD.findall(text)}
