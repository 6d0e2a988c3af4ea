"""Owns a sentence as it is compared: its words, what they deny and hedge, what stands around them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import cached_property

from rag.guards.polarity import denials as find_denials
from rag.guards.polarity import hedged as find_hedged
from rag.guards.polarity import hedges as find_hedges
from rag.guards.polarity import negated as find_negated
from rag.guards.words import words
from rag.text import index_terms, mostly_cjk, question_terms

_LONGEST = 300  # words of a text that are compared: what is longer is no sentence, and time grows with the square
_AROUND = 5  # words of content on either side of a place that tell what it is about
_AGREES = 0.6  # share of them in the cited sentence from which both speak of the same thing
_LETTERS = 0.7  # the same for Chinese characters
_PAIRS = 0.4
_FEW = 3  # of fewer, all must be there


class Statement:
    """A sentence with what its words do to each other. Places are numbers of words."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = words(text)[:_LONGEST]
        self.contents = [at for at, word in enumerate(self.words) if word.content]
        self.anchors = [at for at, word in enumerate(self.words) if word.content or word.low[0].isdigit()]
        self.places: dict[str, list[int]] = {}
        for at, word in enumerate(self.words):
            self.places.setdefault(word.stem, []).append(at)

    @cached_property
    def negated(self) -> dict[int, int]:
        """The places that are plainly denied, with what denies them."""
        return find_negated(self.text, self.words)

    @cached_property
    def denials(self) -> set[int]:
        """The places of all words that deny anything, however mildly."""
        return find_denials(self.text, self.words)

    @cached_property
    def hedged(self) -> dict[int, int]:
        """The places that are plainly no fact yet, with what says so."""
        return find_hedged(self.words)

    @cached_property
    def hedges(self) -> set[int]:
        """The places of all words that may make something less than a fact."""
        return find_hedges(self.words)

    @cached_property
    def is_cjk(self) -> bool:
        """Whether the sentence is written without spaces between words."""
        return mostly_cjk(self.text)

    @cached_property
    def terms(self) -> frozenset[str]:
        """The search terms of the text."""
        return frozenset(index_terms(self.text))

    def place(self, start: int) -> int:
        """Return the place of the word at or behind a character."""
        return bisect_left(self.words, start, key=lambda word: word.start)

    def neighbours(self, at: int, reach: int = _AROUND, figures: bool = False) -> tuple[list[int], list[int]]:
        """Return the places of the words of content before and behind a place, nearest first."""
        places = self.anchors if figures else self.contents
        i = bisect_right(places, at)
        before = places[: i - (i > 0 and places[i - 1] == at)]
        return before[::-1][:reach], places[i : i + reach]

    def apart(self, one: int, other: int) -> int:
        """Return how many words of content one has to step over from one place to another."""
        low, high = sorted((one, other))
        return bisect_right(self.contents, high - 1) - bisect_right(self.contents, low)

    def has_near(self, marks: set[int], at: int, reach: int = 4) -> bool:
        """Whether one of the marked places is near a place."""
        return any(mark != at and self.apart(mark, at) < reach for mark in marks)

    def speaks_of(self, at: int, other: Statement, least: float = _AGREES) -> bool:
        """Whether another sentence speaks of what this one says around a place."""
        if self.is_cjk:
            return self._shares_characters(other)
        around = [place for side in self.neighbours(at) for place in side]
        found = sum(self.words[place].stem in other.places for place in around)
        return bool(around) and found >= (len(around) if len(around) < _FEW else least * len(around))

    def _shares_characters(self, other: Statement) -> bool:
        """Whether most characters of this sentence stand in another one, and many of its pairs."""
        pairs = [term for term in question_terms(self.text) if not term.isascii()]
        letters = {letter for pair in pairs for letter in pair}
        together = sum(pair in other.terms for pair in pairs)
        return together >= _PAIRS * len(pairs) and len(letters & other.terms) >= _LETTERS * len(letters)

    def is_denied_at(self, at: int) -> bool:
        """Whether the clause of a place has an odd number of plain denials, the place aside."""
        clause = self.words[at].clause
        return len({by for by in self.negated.values() if by != at and self.words[by].clause == clause}) % 2 == 1

    def covered(self, at: int, cited: Sequence[Statement], least: float) -> bool:
        """Whether the cited sentences together speak of what this one says around a place."""
        around = [place for side in self.neighbours(at) for place in side]
        found = sum(any(self.words[place].stem in other.places for other in cited) for place in around)
        return found >= max(1, least * len(around), min(2, len(around)))

    def same_slot(self, at: int, other: Statement, there: int, reach: int = 1) -> bool:
        """Whether a place stands beside the same word of content as a place of another sentence, on the same side."""
        mine, others = self.neighbours(at, reach), other.neighbours(there, reach + 1)
        sides = ({self.words[i].stem for i in side} for side in mine)
        theirs = ({other.words[i].stem for i in side} for side in others)
        return any(one & two for one, two in zip(sides, theirs, strict=True))


def instead(there: str, here: str) -> str:
    """Return the reason that two words are not the same."""
    return f"The cited passage says “{there}”, the sentence says “{here}”."
