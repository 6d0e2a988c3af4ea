"""Owns the verdicts: what counts as supported, and the reason where it is not."""

from __future__ import annotations

from collections.abc import Sequence

from rag.facts import Facts, Number, facts, lacks_name, names
from rag.text import index_terms, question_terms
from rag.types import AnswerSentence, Chip, CitedDraft, CitedSentence, Evidence, Verdict

# A sentence is near its citations by words (share of its terms in them) and by meaning (cosine), in equal
# parts. Chosen for balanced accuracy on one half of two human-labelled sets, WiCE and ExpertQA.
_SUPPORTED = 0.48
_PARTIAL = 0.33


def verify(draft: CitedDraft, evidence: Evidence) -> tuple[str, tuple[AnswerSentence, ...]]:
    """Return the text of the answer, marks in place, and its sentences with their verdicts."""
    text, at = "", 0  # the answer so far, and how much of the draft is in it
    sentences: list[AnswerSentence] = []
    for sentence in draft.sentences:
        text += draft.text[at : sentence.span.start]
        at, start = sentence.span.start, len(text)
        chips: list[Chip] = []
        row: set[int] = set()  # numbers of the marks that stand here side by side
        for mark in sentence.marks:
            if mark.at > at:
                text += draft.text[at : mark.at]
                at = mark.at
                row.clear()
            for n in (n for n in mark.numbers if n not in row):
                row.add(n)
                leads = at == sentence.span.start or draft.text[at - 1] == "\n"  # "[1] Text": the blank follows
                chips.append(Chip(len(text) + (not leads), len(text) + (not leads) + len(f"[{n}]"), n))
                text += f"[{n}] " if leads else f" [{n}]"
        text += draft.text[at : sentence.span.end]
        at = max(at, sentence.span.end)
        verdict, reasons = judge(draft, sentence, evidence)
        sentences.append(
            AnswerSentence(text[start:], start, len(text), verdict, reasons, sentence.numbers, tuple(chips))
        )
    return text + draft.text[at:], tuple(sentences)


def judge(draft: CitedDraft, sentence: CitedSentence, evidence: Evidence) -> tuple[Verdict, tuple[str, ...]]:
    """Return the verdict on a sentence and the reasons against it.

    A sentence is supported where its words are those of a citation, or where it is near its citations
    and every number, date and name in it stands there. Dates and names may also stand elsewhere in the
    passages, which go on about them as "then", "he" or "the company".
    """
    claim = draft.text[sentence.span.start : sentence.span.end]
    cited = [draft.citations[n - 1] for n in sentence.numbers]
    if not cited:
        return "unsupported", ("The sentence has no citation.",)
    quotes = [citation.quote for citation in cited]
    if any(_words(claim) == _words(quote) for quote in quotes):
        return "supported", ()
    hits = [evidence.hits[n - 1] for n in dict.fromkeys(citation.evidence_n for citation in cited)]
    published = [citation.source.published or "" for citation in cited]
    around = " ".join([*(f"{hit.passage.context} {hit.passage.text}" for hit in hits), *quotes, *published])
    wrong = _missing_facts(facts(claim), facts("\n".join(quotes)).numbers, facts(around))
    terms = set(index_terms(around))
    unknown = [f"“{name}” is not in the cited passage." for name in names(claim) if lacks_name(name, terms)]
    wanted = set(question_terms(claim))
    found = wanted & set().union(*(index_terms(quote) for quote in quotes))
    nearness = (len(found) / max(1, len(wanted)) + (sentence.similarity or 0.0)) / 2
    if wrong:
        return "unsupported", (*wrong, *unknown)
    if nearness < _PARTIAL:
        return "unsupported", (*unknown, "The cited passage says something else.")
    if unknown:
        return "partial", tuple(unknown)
    if nearness < _SUPPORTED:
        return "partial", ("The cited passage does not say all of this.",)
    return "supported", ()


def _missing_facts(claim: Facts, quoted: Sequence[Number], around: Facts) -> list[str]:
    reasons = [
        f"The date {date.text} is not in the cited passage."
        for date in claim.dates
        if not any(date.agrees(other) for other in around.dates)
    ]
    reasons += [
        f"The number {number.text} is not in the cited passage."
        for number in claim.numbers
        if not (_stands_in(number, quoted) or _counts(number) or (_is_year(number) and _year_in(number, around)))
    ]
    return reasons


def _stands_in(number: Number, others: Sequence[Number]) -> bool:
    return any(number.agrees(other) for other in others)


def _counts(number: Number) -> bool:
    """Whether a number is a word like "one" or "two", which is more often grammar than a figure."""
    return number.text.isalpha() and number.values[0] <= 2


def _is_year(number: Number) -> bool:
    return number.text.isdigit() and 1000 <= number.values[0] < 2100


def _year_in(number: Number, around: Facts) -> bool:
    return _stands_in(number, around.numbers) or any(number.values[0] == date.year for date in around.dates)


def _words(text: str) -> list[str]:
    return text.split()
