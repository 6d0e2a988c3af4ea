"""Owns the answerer without a model: the sentences that answer the question, word for word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rag.text import index_terms
from rag.types import QUOTES, Draft, Evidence, Mark, Span

_BETWEEN = "\n\n"

# Chosen on 600 questions of SQuAD 2.0 and kept for what they do on others. Sentences vary less in length than passages.
_K1, _B = 1.2, 0.5
_SENTENCE_BEFORE = 0.35  # "It cost …" is about what the sentence before names
_WORTH_QUOTING = 0.7  # of the best sentence's score


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A sentence of the evidence, with what is known of how well it answers."""

    n: int
    span: Span
    text: str
    similarity: float
    passage_score: float


class QuoteAnswerer:
    """Answers with quotes, all at once."""

    name = QUOTES

    def __init__(self, max_sentences: int) -> None:
        self._max_sentences = max_sentences

    def draft(self, evidence: Evidence) -> Draft:
        """Return the quotes that answer a question."""
        return quote(evidence, self._max_sentences)

    def stream(self, evidence: Evidence, stopped: Callable[[], bool]) -> Iterator[str | Draft]:
        """Yield the text and then the draft."""
        draft = self.draft(evidence)
        yield draft.text
        yield draft

    def close(self) -> None:
        """Give back what was held: nothing."""


def quote(evidence: Evidence, max_sentences: int) -> Draft:
    """Return at most `max_sentences` sentences that answer the question, in reading order.

    A sentence counts by its similarity to the question, the question's terms in it and, less, in the
    sentence before it (BM25), and the score of its passage, in equal parts. The article with the best
    sentence comes first.
    """
    candidates = [
        _Candidate(n, span, hit.passage.quote(span), similarity, hit.score)
        for n, hit in enumerate(evidence.hits, start=1)
        for span, similarity in zip(hit.passage.sentences, hit.features.sentence_similarities, strict=True)
    ]
    scores = score_sentences(candidates, evidence.term_weights)
    chosen: list[int] = []
    seen: set[str] = set()
    for i in sorted(range(len(candidates)), key=lambda i: -scores[i]):
        words = " ".join(index_terms(candidates[i].text))
        if len(chosen) == max_sentences or scores[i] < _WORTH_QUOTING * scores[chosen[0] if chosen else i]:
            break
        if words not in seen:  # the same sentence in two articles is quoted once
            seen.add(words)
            chosen.append(i)
    articles = list(dict.fromkeys(evidence.hits[candidates[i].n - 1].source.article_id for i in chosen))
    chosen.sort(
        key=lambda i: (articles.index(evidence.hits[candidates[i].n - 1].source.article_id), candidates[i].span)
    )
    return _draft([candidates[i] for i in chosen])


def _draft(quotes: Sequence[_Candidate]) -> Draft:
    text = ""
    sentences: list[Span] = []
    marks: list[Mark] = []
    for quoted in quotes:
        text += (_BETWEEN if text else "") + quoted.text
        sentences.append(Span(len(text) - len(quoted.text), len(text)))
        marks.append(Mark(len(text), quoted.n, quoted.span))
    return Draft(text, tuple(sentences), tuple(marks), QUOTES, raw=text)


def score_sentences(candidates: Sequence[_Candidate], term_weights: dict[str, float]) -> list[float]:
    """Return a score from 0 to 1 for each candidate, given in reading order by passage.

    Each of its three parts is divided by the best of this question.
    """
    if not candidates:
        return []
    bags = [Counter(index_terms(candidate.text)) for candidate in candidates]
    lengths = np.array([max(1, bag.total()) for bag in bags])
    mean = lengths.mean()
    lexical = np.zeros(len(candidates))
    for term, weight in term_weights.items():
        counts = np.array([bag[term] for bag in bags])
        lexical += weight * counts * (_K1 + 1) / (counts + _K1 * (1 - _B + _B * lengths / mean))
    follows = np.array([i > 0 and candidates[i].n == candidates[i - 1].n for i in range(len(candidates))])
    lexical = lexical + _SENTENCE_BEFORE * np.where(follows, np.roll(lexical, 1), 0.0)
    parts = (
        np.array([max(0.0, candidate.similarity) for candidate in candidates]),
        lexical,
        np.array([candidate.passage_score for candidate in candidates]),
    )
    total = sum(part / max(float(part.max()), 1e-9) for part in parts) / len(parts)
    return [float(score) for score in np.atleast_1d(total)]
