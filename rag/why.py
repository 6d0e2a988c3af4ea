"""Owns why a passage is not in the evidence: where it stands in the ranking, and what kept it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rag.ranking import Asked, Ranker, Ranking
from rag.types import Hit, Outcome, Scope, Span, WhyNot

_DEEPER = 4


def why_not(
    ranker: Ranker, asked: Asked, ranking: Ranking, hits: Sequence[Hit], article: str, offset: int | None
) -> WhyNot:
    """Return what became of the best passage of an article in a ranking, or of the one at a character of it.

    `hits` are the evidence that came of the ranking. All reads must see the state of the library that was ranked.
    """
    numbers = {hit.passage.id: n for n, hit in enumerate(hits, start=1)}
    nothing = WhyNot(asked.question, article, "no passage", len(hits), ranker.settings.candidates)
    own = ranker.library.candidates(ranker.library.rows_in(Scope((article,))))
    scores = dict(zip(own.rows, ranker.scores(asked, ranking, own), strict=True))
    if offset is None:
        row = _best(scores, ranking, numbers)
    else:
        starts = {start: row for row, (_, start) in zip(own.rows, own.places, strict=True) if start <= offset}
        row = starts[max(starts)] if starts else None
    if row is None:
        return nothing
    passage = ranker.library.passages([row])[row].passage
    if offset is not None and offset >= passage.end:
        return nothing
    found = replace(nothing, span=Span(passage.start, passage.end), last_score=hits[-1].score if hits else None)
    if row not in ranker.library.active([row], asked.scope):
        return replace(found, outcome="out of scope")  # a score would be over the best of others
    place = ranking.rows.index(row) if row in ranking.rows else None
    outcome, number = _outcome(place, passage.id, ranking, numbers)
    return replace(
        found,
        outcome=outcome,
        number=number,
        score=scores[row],
        rank=None if place is None else place + 1,
        words_rank=_words_rank(ranker, asked, ranking, row),
        meaning_rank=_meaning_rank(ranker, asked, ranking, row),
    )


def _best(scores: Mapping[int, float], ranking: Ranking, numbers: Mapping[str, int]) -> int | None:
    """Return the row that came nearest to being taken, or was; None where there is none."""
    places = {row: place for place, row in enumerate(ranking.rows)}

    def nearness(row: int) -> tuple[bool, int, float]:
        stored = ranking.stored.get(row)
        taken = stored is not None and stored.passage.id in numbers
        return not taken, places.get(row, len(places)), -scores[row]

    return min(scores, key=nearness, default=None)


def _outcome(
    place: int | None, passage: str, ranking: Ranking, numbers: Mapping[str, int]
) -> tuple[Outcome, int | None]:
    """Return what became of a passage, and the number of the passage that says so: itself, or what it is a copy of."""
    if passage in numbers:
        return "taken", numbers[passage]
    if place is None:
        return "not a candidate", None
    taken, copies, over = ranking.spread
    if place in taken:
        return "reranked", None
    if place in copies:
        original = ranking.stored[ranking.rows[copies[place]]].passage
        return "copy", numbers.get(original.id)
    return "enough of its article" if place in over else "outranked", None


def _words_rank(ranker: Ranker, asked: Asked, ranking: Ranking, row: int) -> int | None:
    rows = ranking.words.rows
    if row not in rows:  # then of all that words find
        rows = ranker.with_words(asked, ranking.words.telling, ranker.library.passage_count())
    return rows.index(row) + 1 if row in rows else None


def _meaning_rank(ranker: Ranker, asked: Asked, ranking: Ranking, row: int) -> int | None:
    rows, limit = ranking.dense, ranker.settings.candidates
    while row not in rows:
        rows = ranker.nearest(asked, limit)
        if len(rows) < limit:
            break
        limit *= _DEEPER
    return rows.index(row) + 1 if row in rows else None
