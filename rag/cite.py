"""Owns turning what a draft points to into numbered citations, each one verbatim span of an article."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from rag.facts import Number, facts
from rag.reply import mark_owner
from rag.text import index_terms, question_terms
from rag.types import Citation, CitedDraft, CitedMark, CitedSentence, Draft, Evidence, Hit, Mark, Span, Vector

_MOST_SPANS = 3  # for one mark
_NEW_SHARE = 0.2  # of a sentence's terms, that one more span must add
_NUMBER_WEIGHT = 2.0  # a number counts as two terms


def cite(draft: Draft, evidence: Evidence, embed: Callable[[str], Vector]) -> CitedDraft:
    """Resolve the marks of a draft and number the spans they point to; the same span keeps its number.

    A mark that names a passage only is resolved to the sentences of it that support the sentence best.
    `embed` is called once for each sentence with such a mark. Raises ValueError where a draft points
    outside the evidence: answerers must not invent numbers.
    """
    citations: dict[tuple[str, Span], Citation] = {}
    owned: list[list[Mark]] = [[] for _ in draft.sentences]
    for mark in draft.marks:
        if not 1 <= mark.n <= len(evidence.hits):
            raise ValueError(f"evidence {mark.n} was not given, there are {len(evidence.hits)}")
        owner = mark_owner(mark.at, draft.sentences, draft.text)
        if owner is not None:
            owned[owner].append(mark)
    sentences: list[CitedSentence] = []
    for span, marks in zip(draft.sentences, owned, strict=True):
        text = draft.text[span.start : span.end]
        vector = embed(text) if any(mark.span is None for mark in marks) else None
        cited: list[CitedMark] = []
        similarity: float | None = None
        for mark in marks:
            hit = evidence.hits[mark.n - 1]
            spans: Sequence[Span]
            if mark.span is not None or vector is None:
                spans = [mark.span] if mark.span is not None else []
            else:
                spans, near = supporting_spans(text, vector, hit)
                similarity = max(near, similarity or 0.0)
            numbers = []
            for place in spans:
                quote, page = hit.passage.quote(place), hit.passage.page(place)
                citation = citations.setdefault(
                    (hit.source.article_id, place),
                    Citation(len(citations) + 1, mark.n, hit.source, place.start, place.end, quote, page),
                )
                numbers.append(citation.n)
            cited.append(CitedMark(mark.at, tuple(numbers)))
        sentences.append(CitedSentence(span, tuple(cited), similarity))
    return CitedDraft(draft.text, tuple(sentences), tuple(citations.values()))


def cite_alone(
    sentence: str, citations: Sequence[Citation], evidence: Evidence, embed: Callable[[str], Vector]
) -> CitedDraft:
    """Return a sentence as a draft of its own that points to these citations, to be verified with them alone."""
    vector = embed(sentence)
    near = [0.0]
    for citation in citations:
        hit = evidence.hits[citation.evidence_n - 1]
        place = hit.passage.sentences.index(Span(citation.start, citation.end))
        near.append(float(hit.sentence_vectors[place] @ vector))
    numbered = tuple(replace(citation, n=n) for n, citation in enumerate(citations, start=1))
    mark = CitedMark(len(sentence), tuple(citation.n for citation in numbered))
    return CitedDraft(sentence, (CitedSentence(Span(0, len(sentence)), (mark,), max(near)),), numbered)


def supporting_spans(sentence: str, vector: Vector, hit: Hit) -> tuple[list[Span], float]:
    """Return the sentences of a passage that support one best, in reading order, and the nearest one's similarity.

    The first is best in words and meaning, in equal parts; another is added while it has enough of the
    words that are still missing, or a missing number. `hit` has at least one sentence, as all passages do.
    """
    quotes = [hit.passage.quote(span) for span in hit.passage.sentences]
    numbers = {f"number {number.text}": number for number in facts(sentence).numbers}
    weights = dict.fromkeys(question_terms(sentence), 1.0) | dict.fromkeys(numbers, _NUMBER_WEIGHT)
    whole = sum(weights.values())
    found = [weights.keys() & set(index_terms(quote)) | _agreeing(numbers, quote) for quote in quotes]

    def share(parts: set[str]) -> float:
        return sum(weights[part] for part in parts) / whole if whole else 0.0

    near = [max(0.0, float(value)) for value in hit.sentence_vectors @ vector]
    chosen = [max(range(len(found)), key=lambda i: share(found[i]) + near[i])]
    while len(chosen) < _MOST_SPANS:
        missing = weights.keys() - set().union(*(found[i] for i in chosen))
        best = max(range(len(found)), key=lambda i: (share(found[i] & missing), near[i]))
        gained = found[best] & missing
        if share(gained) < _NEW_SHARE and not gained & numbers.keys():
            break
        chosen.append(best)
    return [hit.passage.sentences[i] for i in sorted(chosen)], max(near[i] for i in chosen)


def _agreeing(numbers: Mapping[str, Number], quote: str) -> set[str]:
    """Return which of the numbers a text has too, however it writes them."""
    if not numbers:
        return set()
    others = facts(quote).numbers
    return {key for key, number in numbers.items() if any(number.agrees(other) for other in others)}
