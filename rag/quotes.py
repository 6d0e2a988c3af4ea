"""Owns the answerer without a model: the sentences that answer the question, word for word."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar

from rag.budget import Budget
from rag.disagreement import Said, at_odds
from rag.text import index_terms, mostly_cjk, question_parts
from rag.types import QUOTES, Draft, Evidence, Mark, ModelChoice, Span

_BETWEEN = "\n\n"

# What a sentence scores by: log-odds, fitted by logistic regression (which sentence of the evidence holds the answer?)
# on one half of SQuAD 2.0, XQuAD in English and Chinese, and CMRC 2018. On the other half of SQuAD 2.0 the answer is
# in the best sentence for .82 of the questions, and in one of at most three for .92; with an even sum of cosine,
# BM25 and the score of the passage it was in .77 and .90.
_SIMILARITY = 7.0  # cosine of sentence and question
_WORDS = 5.3  # the question's words in the sentence and around it, 0 to 2
_PASSAGE = 7.6  # score of the passage over that of the best
_SHOWS = 2.5  # a name, time or number where the question asks for one
_BEFORE, _AFTER = 0.75, 0.5  # of a word in the sentence: "It cost …" is about what the sentence before names
_ALIKE = 4  # letters that related words begin with, such as "invade" and "invasion"
_WORTH_QUOTING = 4.0  # at most this far behind the best sentence, for each part of the question


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A sentence of the evidence, with what is known of how well it answers."""

    n: int
    article: str
    span: Span
    text: str
    terms: tuple[str, ...]
    score: float


class QuoteAnswerer:
    """Answers with quotes, all at once."""

    name = QUOTES
    requests = 0
    troubled: ClassVar[list[str]] = []
    choices: ClassVar[list[ModelChoice]] = []

    def __init__(self, max_sentences: int) -> None:
        self._max_sentences = max_sentences

    def quote(self, evidence: Evidence) -> Draft:
        """Return the quotes that answer a question."""
        return quote(evidence, self._max_sentences)

    def stream(self, evidence: Evidence, stopped: Callable[[], bool], budget: Budget) -> Iterator[str | Draft]:
        """Yield the text and then the draft."""
        draft = self.quote(evidence)
        yield draft.text
        yield draft

    def complete(self, *_: object, **__: object) -> None:
        """Write nothing: there is no model to ask."""

    def close(self) -> None:
        """Give back what was held: nothing."""


def quote(evidence: Evidence, max_sentences: int) -> Draft:
    """Return at most `max_sentences` sentences that answer the question, in reading order.

    A sentence counts by its similarity to the question, the question's words in it and around it, the score of its
    passage, and whether it shows a name, time or number where one is asked for. Those far behind the best are left
    out, but fewer where the question asks for several things. The article with the best sentence comes first. What
    another article says otherwise is quoted too.
    """
    ranked = sorted(_candidates(evidence), key=lambda candidate: -candidate.score)
    reach = _WORTH_QUOTING * max(1, len(question_parts(evidence.question)))
    chosen: dict[tuple[str, ...], _Candidate] = {}  # the same sentence in two articles is quoted once
    for candidate in ranked:
        if len(chosen) == max_sentences or candidate.score < ranked[0].score - reach:
            break
        chosen.setdefault(candidate.terms, candidate)
    for candidate in _at_odds(evidence, tuple(chosen.values()), ranked):
        chosen.setdefault(candidate.terms, candidate)
    articles = [candidate.article for candidate in chosen.values()]
    return _draft(sorted(chosen.values(), key=lambda candidate: (articles.index(candidate.article), candidate.span)))


def _at_odds(evidence: Evidence, chosen: Sequence[_Candidate], ranked: Sequence[_Candidate]) -> Iterator[_Candidate]:
    """Yield the sentences of other articles that do not agree with a chosen one, one for each of them."""
    said = {id(candidate): Said.of(evidence.hits[candidate.n - 1], candidate.span) for candidate in ranked}
    for one in chosen:
        others = (
            other
            for other in ranked
            if other.article != one.article and at_odds(evidence.question, said[id(one)], said[id(other)])
        )
        yield from islice(others, 1)


def _draft(quotes: Sequence[_Candidate]) -> Draft:
    text = ""
    sentences: list[Span] = []
    marks: list[Mark] = []
    for quoted in quotes:
        text += (_BETWEEN if text else "") + quoted.text
        sentences.append(Span(len(text) - len(quoted.text), len(text)))
        marks.append(Mark(len(text), quoted.n, quoted.span))
    return Draft(text, tuple(sentences), tuple(marks), QUOTES, raw=text)


# ---------------------------------------------------------------- scores


def _candidates(evidence: Evidence) -> Iterator[_Candidate]:
    """Yield each sentence of the evidence with its score, which orders the sentences of this question only."""
    asked = _Asked(evidence)
    best = max((hit.score for hit in evidence.hits), default=0.0) or 1.0
    for n, hit in enumerate(evidence.hits, start=1):
        heading = set(index_terms(hit.passage.context))
        texts = [hit.passage.quote(span) for span in hit.passage.sentences]
        terms = [tuple(index_terms(text)) for text in texts]
        around = [set[str](), *(set(sentence) for sentence in terms), set[str]()]
        for i, text in enumerate(texts):
            score = (
                _SIMILARITY * asked.nearness(hit.features.sentence_similarities[i])
                + _WORDS * asked.words_in(around[i + 1], heading, around[i], around[i + 2])
                + _PASSAGE * hit.score / best
                + _SHOWS * asked.is_shown_in(text)
            )
            yield _Candidate(n, hit.source.article_id, hit.passage.sentences[i], text, terms[i], score)


class _Asked:
    """What a question asks for."""

    def __init__(self, evidence: Evidence) -> None:
        whole = sum(evidence.term_weights.values()) or 1.0
        self._weights = {term: weight / whole for term, weight in evidence.term_weights.items()}
        self._terms = set(index_terms(evidence.question))
        self._text = evidence.question.casefold()
        asks = _ASKS.search(evidence.question)
        self._shown = _SHOWN.get((asks and asks.lastgroup) or "")
        self._near = not mostly_cjk(evidence.question)

    def nearness(self, similarity: float) -> float:
        """Return what a cosine counts: nothing where the embedder, which is English, finds all about equally near."""
        return max(0.0, similarity) * self._near

    def words_in(self, sentence: set[str], heading: set[str], before: set[str], after: set[str]) -> float:
        """Return how many of the question's words a sentence has, 0 to 2.

        Half of it is their share, function words ("by whom", "in which") included. The other half is that of the
        content, weighted by rarity: here also related words, the heading and the sentences around count.
        """
        covered = len(self._terms & sentence) / max(1, len(self._terms))
        alike = {term[:_ALIKE] for term in sentence if _may_be_alike(term)}
        for term, weight in self._weights.items():
            if term in sentence or term in heading or (_may_be_alike(term) and term[:_ALIKE] in alike):
                covered += weight
            elif term in before:
                covered += _BEFORE * weight
            elif term in after:
                covered += _AFTER * weight
        return covered

    def is_shown_in(self, text: str) -> bool:
        """Whether a sentence shows something of the kind asked for that the question does not name itself."""
        return self._shown is not None and any(
            match[0].casefold() not in self._text for match in self._shown.finditer(text)
        )


def _may_be_alike(term: str) -> bool:
    return len(term) >= _ALIKE and term.isalpha()


# ---------------------------------------------------------------- kinds of questions

# The first word that asks says what for: "What happened when …" asks for no time, though "when" stands in it.
_ASKS = re.compile(
    r"(?P<name>\bwho(?:m|se)?\b)"
    r"|(?P<time>\bwhen\b|\b(?:what|which) (?:\w+ )?(?:year|date|month|day|century|decade|time)\b"
    r"|何时|什么时候|哪一?年|哪天|几月|年代)"
    r"|(?P<number>\bhow (?:many|much|long|far|old|tall|large|big|high|often|fast|deep|wide|heavy|few)\b"
    r"|\b(?:what|which) (?:\w+ ){0,3}(?:percent|percentage|number|amount|population|cost|price|rate|length|height"
    r"|distance|age|size)\b|多少|几|多大|多长|多高|多远)"
    r"|\b(?:what|which|where|why|how)\b",
    re.IGNORECASE,
)
_SHOWN = {
    "name": re.compile(r"(?<![.!?]\s)(?<!^)\b[A-Z][\w'’-]*"),  # capitalised, and not because it stands first
    "time": re.compile(
        r"\b(?:1\d|20)\d\ds?\b|\b\d+(?:st|nd|rd|th)\b|\b\d+ (?:BCE?|AD)\b"
        r"|\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\b"
        r"|[\d〇一二三四五六七八九十]{1,4}[年月日]|世纪|年代"
    ),
    "number": re.compile(  # but for years
        r"(?<![\d.,])(?!(?:1\d|20)\d\d(?!,?\d))\d[\d.,]*|[一二三四五六七八九十百千万亿两]+"
        r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
        r"|(?:thir|four|fif|six|seven|eigh|nine)teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|hundreds?|thousands?"
        r"|millions?|billions?|trillions?|dozen|half|third|quarter|once|twice)\b",
        re.IGNORECASE,
    ),
}
