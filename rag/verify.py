"""Owns the verdicts: what counts as supported, and the reason where it is not."""

from __future__ import annotations

from collections.abc import Sequence

from rag.guards import Findings, findings
from rag.prompts import NOT_SAID
from rag.support import PARTIAL, SUPPORTED, Measured, coverage, opposed, support
from rag.types import AnswerSentence, Chip, CitedDraft, CitedSentence, Evidence, Verdict

_SAYS_IT = 0.7  # of a sentence's words are in a quote that says the same


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
        verdict, reasons, sure = judge(draft, sentence, evidence)
        sentences.append(
            AnswerSentence(text[start:], start, len(text), verdict, reasons, sentence.numbers, tuple(chips), sure)
        )
    return text + draft.text[at:], tuple(sentences)


def judge(draft: CitedDraft, sentence: CitedSentence, evidence: Evidence) -> tuple[Verdict, tuple[str, ...], float]:
    """Return the verdict on a sentence, the reasons against it, and how sure it is that its citations say it.

    A sentence is supported where its words are those of a citation, or where nothing in it speaks against that
    and its words and meaning are near enough to what is cited. Dates and names may also stand elsewhere in the
    passages, which go on about them as "then", "he" or "the company".
    """
    claim = draft.text[sentence.span.start : sentence.span.end]
    cited = [draft.citations[n - 1] for n in sentence.numbers]
    if not cited and claim.startswith(NOT_SAID):
        return "partial", ("For what the articles do not say nothing can be cited.",), 0.0
    if not cited:
        return "unsupported", ("The sentence has no citation.",), 0.0
    quotes = [citation.quote for citation in cited]
    if any(claim.split() == quote.split() for quote in quotes):
        return "supported", (), 1.0
    numbers = {citation.evidence_n for citation in cited}
    passages = [hit.passage for n, hit in enumerate(evidence.hits, start=1) if n in numbers]
    others = [hit.passage.text for n, hit in enumerate(evidence.hits, start=1) if n not in numbers]
    published = [citation.source.published or "" for citation in cited]
    around = "\n".join([*(f"{passage.context} {passage.text}" for passage in passages), *published])
    found = _findings(claim, quotes, around, others)
    shared = coverage(claim, [[passage.quote(span) for span in passage.sentences] for passage in passages])
    turned = opposed(claim, "\n".join(passage.text for passage in passages))
    against, missing, unknown = map(len, found)
    sure = support(Measured(shared, sentence.similarity or 0.0, against, missing, unknown, turned))
    reasons = tuple(reason for kind in found for reason in kind)
    if found.contradicted:
        return "contradicted", reasons, sure
    if found.missing:
        return "unsupported", reasons, sure
    if sure < PARTIAL:
        return "unsupported", (*reasons, "The cited passage says something else."), sure
    if found.unknown:
        return "partial", reasons, sure
    if sure < SUPPORTED:
        return "partial", ("The cited passage does not say all of this.",), sure
    return "supported", (), sure


def _findings(claim: str, quotes: Sequence[str], around: str, others: Sequence[str]) -> Findings:
    """Return what speaks against a claim; where one quote alone says it, the others do not speak against it."""
    found = findings(claim, quotes, around, others)
    if len(quotes) > 1 and (found.contradicted or found.missing):
        shares = [coverage(claim, [[quote]]) for quote in quotes]
        if max(shares) >= _SAYS_IT:
            alone = findings(claim, [quotes[shares.index(max(shares))]], around, others)
            return found if alone.contradicted or alone.missing else alone
    return found
