"""Owns what a reader is told beside answers: which models may be asked, and why a passage is not in the evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from rag.types.library import Span

Outcome = Literal[
    "taken", "out of scope", "no passage", "not a candidate", "outranked", "copy", "enough of its article", "reranked"
]


class ModelChoice(NamedTuple):
    """A model that a reader may choose; `missing_key` names the variable that its key is missing from, if it is.

    `in_house` models may see articles marked internal; quotes, which leave the machine nowhere, are in-house.
    """

    name: str
    in_house: bool
    missing_key: str | None = None


@dataclass(frozen=True, slots=True)
class WhyNot:
    """What became of a passage when `question` was searched for: where it ranked, and what kept it from the evidence.

    `question` is the one that ranked it: that of the evidence, or the part of it whose passages became evidence.
    `span` is the passage in its article; None where there is none to be found, and then nothing else is known.
    `words_rank` and `meaning_rank` are its places by BM25 and by its vector alone, from 1: None where no telling term
    of the question is in it, and where it was not searched. `rank` and `score` (0 to 1) are those of both together;
    one that was not among the candidates has no rank, and the score it would have had. `last_score` is that of the
    last of the `taken` passages of the evidence. Each of the two searches gives `candidates` at most.
    `number` is its place in the evidence or, of a copy, that of the passage which says the same, if that is there.
    `changed`: the library is not what it was for the evidence; all of this is of now.
    """

    question: str
    article_id: str
    outcome: Outcome
    taken: int
    candidates: int
    span: Span | None = None
    words_rank: int | None = None
    meaning_rank: int | None = None
    rank: int | None = None
    score: float | None = None
    last_score: float | None = None
    number: int | None = None
    changed: bool = False

    @property
    def reason(self) -> str:
        """The outcome in words."""
        if self.outcome == "taken":
            return f"It is among the evidence, as passage {self.number}."
        if self.outcome == "out of scope":
            return "Its article was not among those that were searched."
        if self.outcome == "no passage":
            return "There is no passage here: titles, headings and boilerplate are never evidence."
        if self.outcome == "not a candidate":
            return f"It is not among the {self.candidates} candidates by words, nor among those by meaning."
        if self.outcome == "copy":
            of = f"passage {self.number}" if self.number else "a passage of another article that ranked before it"
            return f"It says nothing that {of} does not say: a copy."
        if self.outcome == "enough of its article":
            return f"It ranked {self.rank}, but its article, with its copies, had half of the {self.taken} places."
        if self.outcome == "reranked":
            return f"It ranked {self.rank}, but the reranker put it behind the {self.taken} that are taken."
        return f"It ranked {self.rank}; {self.taken} are taken."
