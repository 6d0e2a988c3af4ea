"""Owns checking a receipt by itself: does it agree with itself, and do the verdicts come out the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Protocol

import numpy as np

from rag.prompts import refuses
from rag.receipt import GivenAnswer, GivenHit, Receipt
from rag.reply import MarkParser
from rag.text import clean
from rag.types import (
    QUOTES,
    AnswerSentence,
    Chip,
    Citation,
    Draft,
    Evidence,
    Hit,
    Mark,
    Passage,
    PassageVectors,
    Scope,
    Source,
    Span,
    evidence_hash,
)

Check = Callable[[Draft, Evidence], tuple[str, tuple[AnswerSentence, ...], tuple[Citation, ...]]]


_BETWEEN = "\n\n"  # of quotes


@dataclass(frozen=True, slots=True)
class Difference:
    """A sentence of the answer, from 1, whose check now comes out otherwise."""

    sentence: int
    text: str
    was: str
    now: str
    reasons: tuple[str, ...]


class PassageEmbedder(Protocol):
    """What embeds passages as they were embedded for the receipt."""

    def embed_passages(self, passages: Sequence[Passage]) -> list[PassageVectors]:
        """Return the vectors of each passage and of its sentences."""


# ---------------------------------------------------------------- does it agree with itself


def faults(receipt: Receipt) -> list[str]:
    """Return what in a receipt contradicts the rest of it; nothing where it is sound."""
    found = list(_evidence_faults(receipt))
    if not found:  # the rest points into it
        draft = receipt.draft
        found += [*(_draft_faults(draft, receipt.evidence.hits) if draft else ()), *_citation_faults(receipt)]
        found += _answer_faults(receipt.answer, draft)
    if receipt.judge and len(receipt.judge.verdicts) != len(receipt.answer.sentences):
        found.append("the judge's verdicts are not those of these sentences")
    if not _is_time(receipt.made):
        found.append("when it was made is no time in UTC")
    return found


def _evidence_faults(receipt: Receipt) -> Iterator[str]:
    for n, hit in enumerate(receipt.evidence.hits, start=1):
        passage, source = hit.passage, hit.source
        if hit.n != n or hit.id != passage.id:
            yield f"the number or the id of passage {n} is not its own"
        if (source.article_id, source.content_hash) != (passage.article_id, passage.content_hash):
            yield f"passage {n} is of another article"
        if passage.start < 0 or passage.end - passage.start != len(passage.text):
            yield f"passage {n} is not as long as its place"
        if not passage.sentences or not _apart(passage.sentences, passage.start, passage.end):
            yield f"the sentences of passage {n} are not in it"
        if not _inside(source, receipt.evidence.scope):
            yield f"passage {n} is of an article that was not searched"
    passages = [hit.passage for hit in receipt.evidence.hits]
    if receipt.evidence.hash != evidence_hash(receipt.standalone_question, passages, receipt.evidence.scope):
        yield "the hash of the evidence is not that of its passages"


def _inside(source: Source, scope: Scope) -> bool:
    chosen = not scope.articles or source.article_id in scope.articles
    return chosen and (scope.as_of is None or (source.published is not None and source.published <= scope.as_of))


def _draft_faults(draft: Draft, hits: Sequence[GivenHit]) -> Iterator[str]:
    if not _apart(draft.sentences, 0, len(draft.text)):
        yield "the sentences of the draft are not in it"
    if not all(_points(mark, draft, hits) for mark in draft.marks):
        yield "a mark of the draft points to nothing that was given"
    elif not _is_from_raw(draft, hits):
        yield "the text of the draft is not the raw reply without its marks"


def _points(mark: Mark, draft: Draft, hits: Sequence[GivenHit]) -> bool:
    if not (0 <= mark.at <= len(draft.text) and 1 <= mark.n <= len(hits)):
        return False
    return mark.span is None or mark.span in hits[mark.n - 1].passage.sentences


def _is_from_raw(draft: Draft, hits: Sequence[GivenHit]) -> bool:
    """Whether a draft is what came, without its marks; quotes may follow it, or take the place of a refusal."""
    pointing = [mark for mark in draft.marks if mark.span is None]
    parser = MarkParser({mark.n for mark in pointing})
    parser.feed(clean(draft.raw.replace("\r", "")))
    parser.finish()
    quoting = draft.model == QUOTES
    quotes = [
        hits[mark.n - 1].passage.quote(mark.span)
        for mark in draft.marks
        if mark.span is not None and (quoting or mark.at > len(parser.text))
    ]
    if quoting:
        return draft.text == _BETWEEN.join(quotes) and (draft.raw == draft.text or refuses(parser.text))
    same = (_BETWEEN.join([parser.text, *quotes]), parser.marks) == (draft.text, pointing)
    return same and parser.dropped <= draft.dropped_marks


def _citation_faults(receipt: Receipt) -> Iterator[str]:
    hits, answer = receipt.evidence.hits, receipt.answer
    for n, citation in enumerate(answer.citations, start=1):
        if citation.n != n or not _quotes(citation, hits):
            yield f"citation {n} has another number, source, place or quote than its passage"
    for found in answer.disagreements:
        if not all(_quotes(citation, hits) for citation in found):
            yield "statements that disagree are not those of their passages"


def _quotes(citation: Citation, hits: Sequence[GivenHit]) -> bool:
    """Whether a citation is a verbatim span of the passage that it names."""
    if not 1 <= citation.evidence_n <= len(hits):
        return False
    hit, place = hits[citation.evidence_n - 1], Span(citation.start, citation.end)
    if citation.source != hit.source or not _apart([place], hit.passage.start, hit.passage.end):
        return False
    return (hit.passage.quote(place), hit.passage.page(place)) == (citation.quote, citation.page)


def _answer_faults(answer: GivenAnswer, draft: Draft | None) -> Iterator[str]:
    numbers = set(range(1, len(answer.citations) + 1))
    if not _apart([Span(sentence.start, sentence.end) for sentence in answer.sentences], 0, len(answer.text)):
        yield "the sentences of the answer are not in it"
    for place, sentence in enumerate(answer.sentences, start=1):
        if sentence.text != answer.text[sentence.start : sentence.end]:
            yield f"sentence {place} is not what stands in the answer"
        if not set(sentence.citations) <= numbers:
            yield f"sentence {place} cites what is not there"
        for chip in sentence.chips:
            inside = sentence.start <= chip.start < chip.end <= sentence.end
            if not inside or answer.text[chip.start : chip.end] != f"[{chip.n}]" or chip.n not in sentence.citations:
                yield f"a mark of sentence {place} is not one of its citations"
    if answer.sentences or answer.citations:
        chips = [chip for sentence in answer.sentences for chip in sentence.chips]
        if draft is None or len(draft.sentences) != len(answer.sentences):
            yield "the sentences of the answer are not those of the draft"
        elif without_chips(answer.text, chips) != draft.text:
            yield "the text of the answer is not that of the draft with our marks"
    if draft and (draft.model, draft.dropped_marks) != (answer.model, answer.dropped_marks):
        yield "the answer and its draft name other models or counts of marks"
    verdicts = {sentence.verdict for sentence in answer.sentences}
    if (answer.status == "grounded" and verdicts != {"supported"}) or (answer.status == "not_found" and verdicts):
        yield f"an answer with such verdicts is not {answer.status}"


def without_chips(text: str, chips: Sequence[Chip]) -> str:
    """Return a text without our marks and the blank that came with each: the one before it, else the one behind."""
    for chip in sorted(chips, reverse=True):
        start, end = chip.start, chip.end
        if text[max(0, start - 1) : start] == " ":
            start -= 1
        elif text[end : end + 1] == " ":
            end += 1
        text = text[:start] + text[end:]
    return text


def _apart(spans: Sequence[Span], start: int, end: int) -> bool:
    inside = all(start <= span.start < span.end <= end for span in spans)
    return inside and all(one.end <= other.start for one, other in pairwise(spans))


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).utcoffset() == timedelta(0)
    except ValueError:
        return False


# ---------------------------------------------------------------- does the check come out the same


def differences(receipt: Receipt, check: Check, embedder: PassageEmbedder) -> list[Difference]:
    """Cite and verify the draft of a sound receipt again and return which sentences now fare otherwise.

    `embedder` must be the one that the receipt names.
    """
    if receipt.draft is None or not receipt.answer.sentences:
        return []
    _, sentences, citations = check(receipt.draft, _evidence(receipt, embedder))
    found = []
    for n, (was, now) in enumerate(zip(receipt.answer.sentences, sentences, strict=True), start=1):
        others = _cited(now, citations) != _cited(was, receipt.answer.citations)
        if (now.verdict, now.reasons) != (was.verdict, was.reasons) or others:
            by = " by other quotes" if others else " for other reasons" if now.verdict == was.verdict else ""
            found.append(Difference(n, was.text, was.verdict, now.verdict + by, now.reasons))
    return found


def _evidence(receipt: Receipt, embedder: PassageEmbedder) -> Evidence:
    given = receipt.evidence
    vectors = embedder.embed_passages([hit.passage for hit in given.hits])
    hits = tuple(
        # Rounded as the library keeps them: a verdict must not change with the last digit.
        Hit(hit.passage, hit.source, hit.score, hit.features, found.sentences.astype("<f2").astype(np.float32))
        for hit, found in zip(given.hits, vectors, strict=True)
    )
    return Evidence(
        receipt.standalone_question, hits, given.sufficiency, given.term_weights, given.missing, given.scope
    )


def _cited(sentence: AnswerSentence, citations: Sequence[Citation]) -> list[tuple[int, int, int]]:
    by_number: Mapping[int, Citation] = {citation.n: citation for citation in citations}
    cited = [by_number[n] for n in sentence.citations]
    return [(citation.evidence_n, citation.start, citation.end) for citation in cited]
