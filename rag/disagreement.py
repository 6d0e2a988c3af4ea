"""Owns where articles disagree: a sentence of one that says otherwise than a sentence of another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from rag.facts import Date, Number, facts, lacks_name, names
from rag.guards import findings
from rag.text import content_terms, index_terms, question_terms
from rag.types import Citation, Disagreement, Evidence, Hit, Span

_SHARED = 0.5  # of the content terms of the shorter sentence
_MOST = 3
_BEFORE = re.compile(r"[^,;:.!?()]{1,60}\Z")
_AFTER = re.compile(r"\A\s*[^\W\d_]{3,}")
_VERSION = re.compile(r"[A-Z][\w.-]*[ -]\Z")
_ASKS_ELSE = re.compile(r"\W*(?:who|whom|whose|why|where|which(?!\s+(?:year|date|day|month)))\b", re.IGNORECASE)
_ALIKE = 3  # letters that forms of a word begin with: "begin" and "began"
_POINTS_BACK = re.compile(
    r"\W*(?:it|its|they|their|he|his|she|her|this|that|these|those|there|we|our|i|you)\b", re.IGNORECASE
)


class Said(NamedTuple):
    """A sentence of an article, and the passage around it with its headings."""

    text: str
    around: str

    @classmethod
    def of(cls, hit: Hit, span: Span) -> Said:
        """Return what a hit says at a span."""
        return cls(hit.passage.quote(span), f"{hit.passage.context} {hit.passage.text}")


def at_odds(question: str, one: Said, other: Said) -> bool:
    """Whether sentences of two articles say otherwise of the same, or answer a question with different figures."""
    return says_otherwise(one.text, other.text) or answers_otherwise(question, one, other)


@lru_cache(maxsize=4096)  # the answerer in quotes asks first, then the engine
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


@lru_cache(maxsize=4096)
def _words(text: str) -> set[str]:
    return set(filter(str.isalpha, question_terms(text)))


# ---------------------------------------------------------------- two answers to one question


class _Slot(NamedTuple):
    """A date or number of a sentence, and the word that it belongs to: "began" of "began on 3 March"."""

    fact: Date | Number
    word: str


def answers_otherwise(question: str, one: Said, other: Said) -> bool:
    """Whether two sentences give different dates or numbers for the same word, which the question asks about.

    "The pilot began on 3 March" and "its trial, which began on 10 March" do, if both passages name what the
    question names.
    """
    if not _slots(one.text) or not _slots(other.text) or _ASKS_ELSE.match(question):
        return False
    asked = {term[:_ALIKE] for term in content_terms(question)}
    there = [slot for slot in _slots(other.text) if slot.word[:_ALIKE] in asked]
    if not any(
        slot.word == its.word and _differ(slot.fact, its.fact) and not _apart(one.text, other.text, slot.fact, its.fact)
        for slot in _slots(one.text)
        for its in there
    ):
        return False
    named = names(question)
    return bool(named) and not any(lacks_name(name, _terms(said.around)) for name in named for said in (one, other))


@lru_cache(maxsize=4096)
def _slots(text: str) -> tuple[_Slot, ...]:
    found = facts(text)
    known: list[Date | Number] = [*found.dates, *found.numbers]
    slots: list[_Slot] = []
    for fact in known:
        before = _BEFORE.search(text, 0, fact.start)
        version = _VERSION.search(before[0]) if before else None
        if version and content_terms(version[0]):  # "Llama 4" is a name
            continue
        words = [term for term in content_terms(before[0]) if term.isalpha()] if before else []
        if words:
            slots.append(_Slot(fact, words[-1]))
        after = _AFTER.match(text[fact.end :])
        if after and isinstance(fact, Number):
            slots.append(_Slot(fact, index_terms(after[0])[0]))
    return tuple(slots)


@lru_cache(maxsize=1024)
def _terms(text: str) -> set[str]:
    return set(index_terms(text))


def _differ(one: Date | Number, other: Date | Number) -> bool:
    if isinstance(one, Number) and isinstance(other, Number):
        same_kind = one.percent == other.percent and (one.measure and one.measure.kind) == (
            other.measure and other.measure.kind
        )
        return same_kind and not one.bound and not other.bound and not one.agrees(other) and not other.agrees(one)
    if isinstance(one, Date) and isinstance(other, Date):
        return not one.agrees(other) and not other.agrees(one)
    return False


def _apart(one: str, other: str, fact: Date | Number, its: Date | Number) -> bool:
    """Whether two sentences speak of different times: each has another date or year, and none is the same."""
    times = [_times(text, known) for text, known in ((one, fact), (other, its))]
    return all(times) and not times[0] & times[1]


def _times(text: str, known: Date | Number) -> set[str]:
    found = facts(text)
    years = [n.text for n in found.numbers if n.start != known.start and re.fullmatch(r"(?:1\d|20)\d\d", n.text)]
    return {*years, *(str(date.year) for date in found.dates if date.start != known.start and date.year)}


# ---------------------------------------------------------------- in an answer


def disagreements(citations: Sequence[Citation], evidence: Evidence) -> tuple[Disagreement, ...]:
    """Return what other articles of the evidence say otherwise than the citations; each pair of articles once.

    The other statement is a citation too: its number is 0 where the answer does not cite it.
    """
    found: dict[tuple[str, str], Disagreement] = {}
    cited = {(citation.source.article_id, citation.start): citation.n for citation in citations}
    for citation in citations:
        said = Said.of(evidence.hits[citation.evidence_n - 1], Span(citation.start, citation.end))
        for evidence_n, hit in enumerate(evidence.hits, start=1):
            pair = sorted((citation.source.article_id, hit.source.article_id))
            key = (pair[0], pair[1])
            if pair[0] == pair[1] or key in found:
                continue
            for span in hit.passage.sentences:
                if at_odds(evidence.question, said, Said.of(hit, span)):
                    n = cited.get((hit.source.article_id, span.start), 0)
                    quote, page = hit.passage.quote(span), hit.passage.page(span)
                    other = Citation(n, evidence_n, hit.source, span.start, span.end, quote, page)
                    found[key] = Disagreement(citation, other)
                    break
    return tuple(found.values())[:_MOST]
