"""Owns what a document says of answers: the words, what is in doubt about them, and where they come from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from rag.export.body import body
from rag.export.values import Block, Blocks, Document, Entry, Heading, Listing, Note, Paragraph, Run
from rag.text import clean, printable
from rag.types import QUOTES, Answer, Citation, Disagreement

_NEAREST = 3  # passages that are shown where nothing answers
_ADDRESS = re.compile(r"https?://[\w.~:/?#@!$&'*+,;=%\[\]()-]+", re.ASCII)


def document(entries: Sequence[Entry], title: str | None = None) -> Document:
    """Return questions and answers as one document, footnotes numbered through it."""
    top: Blocks = (Heading(0, (Run(one_line(title)),)),) if title else ()
    blocks, notes = list(top), list[Citation]()
    for entry in entries:
        blocks.append(Heading(1, (Run(one_line(entry.question)),)))
        if entry.answer.standalone_question != entry.question:
            blocks.append(_notice(f"Understood as: {one_line(entry.answer.standalone_question)}"))
        blocks += _said(entry.answer, notes)
        blocks += [_notice(line) for line in (_checks(entry.answer), _facts(entry))]
    return Document(tuple(block for block in blocks if block != _notice("")), tuple(notes))


def answer_only(answer: Answer) -> Document:
    """Return what an answer says and what is in doubt about it, without its question and how it was made."""
    notes: list[Citation] = []
    return Document(tuple(_said(answer, notes)), tuple(notes))


def reference(citation: Citation, exact: bool = True) -> tuple[Run, ...]:
    """Return a citation in words: its quote, verbatim, and where it stands; with `exact`, to the character."""
    about = citation.source
    facts = [
        one_line(about.title),
        about.author and one_line(about.author),
        about.published and one_line(about.published),
    ]
    facts.append(f"page {citation.page}" if citation.page is not None else None)
    runs = [Run(f"“{clean(citation.quote)}”"), *(Run(f", {fact}") for fact in facts if fact)]
    for place in dict.fromkeys(one_line(place) for place in (about.source, about.url) if place):
        runs += [Run(", "), Run(place, link=_ADDRESS.fullmatch(place) is not None)]
    if exact:
        runs.append(Run(f", characters {citation.start}–{citation.end}, {one_line(about.content_hash)}"))
    return tuple(runs)


def one_line(text: str) -> str:
    """Return a name or question in one line, without characters that could turn round what stands beside it."""
    return " ".join(printable(text).split())


def moment(at: str) -> datetime | None:
    """Return the time that an entry names; None where it names none."""
    try:
        return datetime.fromisoformat(at)
    except ValueError:
        return None


def _notice(text: str) -> Paragraph:
    return Paragraph((Run(text, italic=True),), notice=True)


def _said(answer: Answer, notes: list[Citation]) -> list[Block]:
    """Return what an answer says and what is in doubt about it; adds its citations to `notes`."""
    before = len(notes)
    notes += answer.citations
    blocks: list[Block] = list(body(answer, before))
    if answer.evidence.missing:
        missing = ", ".join(f"“{one_line(part)}”" for part in answer.evidence.missing)
        blocks.append(_notice(f"Not in the articles: {missing}"))
    for disagreement in answer.disagreements:
        blocks += _disagreement(disagreement, before, notes)
    if answer.status == "incomplete":
        blocks.append(_notice("This answer is not complete."))
    blocks += [_notice(one_line(warning)) for warning in answer.warnings]
    if not answer.sentences and answer.evidence.hits:
        blocks += [_notice("Nearest passages:"), _nearest(answer)]
    return blocks


def _disagreement(disagreement: Disagreement, before: int, notes: list[Citation]) -> Blocks:
    """Return two statements that do not agree, each with its article and date, the newer one first."""
    items = []
    for citation in sorted(disagreement, key=lambda one: one.source.published or "", reverse=True):
        about = f"{one_line(citation.source.title)}, {one_line(citation.source.published or 'no date')}: "
        said = Run(f"“{clean(citation.quote)}”")
        items.append((Paragraph((Run(about), said, Note(_number(citation, before, notes)))),))
    return _notice("The articles do not agree:"), Listing(tuple(items))


def _number(citation: Citation, before: int, notes: list[Citation]) -> int:
    """Return the number of a citation's note; adds it to `notes` where the answer does not cite it."""
    if citation.n:
        return before + citation.n
    place = (citation.source.article_id, citation.start, citation.end)
    for n in range(before, len(notes)):
        if place == (notes[n].source.article_id, notes[n].start, notes[n].end):
            return n + 1
    notes.append(citation)
    return len(notes)


def _nearest(answer: Answer) -> Listing:
    found = [
        Citation(0, n, hit.source, hit.passage.start, hit.passage.end, hit.passage.text)
        for n, hit in enumerate(answer.evidence.hits[:_NEAREST], start=1)
    ]
    return Listing(tuple((Paragraph(reference(citation)),) for citation in found))


def _checks(answer: Answer) -> str:
    count = len(answer.sentences)
    if not count:
        return ""
    sound = sum(sentence.verdict == "supported" for sentence in answer.sentences)
    how = "word for word in the articles" if answer.model == QUOTES else "supported by the cited words"
    return f"Checked: {sound} of {count} sentence{'s' * (count != 1)} {'is' if sound == 1 else 'are'} {how}."


def _facts(entry: Entry) -> str:
    answer = entry.answer
    facts = ["No model: the articles' own words" if answer.model == QUOTES else f"Model: {one_line(answer.model)}"]
    if entry.at:
        at = moment(entry.at)
        facts.append(f"{at:%Y-%m-%d %H:%M} UTC" if at else one_line(entry.at))
    if answer.judgement and (given := [verdict for verdict in answer.judgement.verdicts if verdict]):
        agreed = f"{given.count('supported')} of {len(given)} supported"
        facts.append(f"Second opinion, {one_line(answer.judgement.model)}: {agreed}")
    if answer.dropped_marks:
        facts.append(f"Invented marks removed: {answer.dropped_marks}")
    return " · ".join(facts)
