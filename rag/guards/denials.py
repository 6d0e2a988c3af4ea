"""Owns the comparison of what two sentences deny and hedge."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from rag.guards.opposites import opposite
from rag.guards.polarity import alone, firm, modal, plain, singles_out, was_once
from rag.guards.statements import Statement, instead
from rag.text import mostly_cjk

_MOST = 0.6  # share of the words around that must be cited where they stand in several sentences
_HALF = 0.5  # share of the words around that must be cited where nothing in what is cited denies or hedges anything

_HAN_DENIAL = re.compile(
    r"(?:不(?![断仅但过少同久得管论足到超如只])|没有?|未(?!来)|并非|无法|(?<![除南])非(?!常|洲))([\u4e00-\u9fff]{1,2})"
)


def denied_otherwise(claim: Statement, cited: Sequence[Statement]) -> Iterator[str]:
    """Yield the reasons where one side denies or hedges what the other says plainly."""
    for at, by in claim.negated.items():
        if _is_denied(claim, at, cited) and not _denied_without_not(claim, by, cited):
            yield f"The sentence says “{claim.words[by].text}”, the cited passage does not."
    for other in cited:
        yield from _dropped_denial(claim, other, cited)
        yield from _hedges(claim, other, cited)
        yield from _han_denials(claim, other)


def _denied_without_not(claim: Statement, by: int, cited: Sequence[Statement]) -> bool:
    """Whether a denial may be said without a "not": twice, with "only" or "first", or as what was once."""
    words = [word for other in cited for word in other.words]
    ended = claim.words[by + 1].low == "longer" and any(map(was_once, words))
    return ended or _even(claim) or any(map(alone, words))


def _even(statement: Statement) -> bool:
    """Whether a sentence denies twice, or four times."""
    return len(set(statement.negated.values())) % 2 == 0


def _is_denied(claim: Statement, at: int, cited: Sequence[Statement]) -> bool:
    """Whether the claim denies at a place what a cited sentence says."""
    word = claim.words[at]
    if any(other.has_near(other.denials, place) for other in cited for place in other.places.get(word.stem, ())):
        return False
    for other in cited:
        if word.stem in other.places and (claim.speaks_of(at, other) or _stands_alike(claim, at, other, cited)):
            return True
        opposed = any(opposite(word, there) for there in other.words)
        if not (other.denials or opposed) and claim.speaks_of(at, other, 0.8):
            return True
    return False


def _stands_alike(claim: Statement, at: int, other: Statement, cited: Sequence[Statement]) -> bool:
    """Whether a word stands beside the same word in another sentence, and all that is cited speaks of the same."""
    beside = any(claim.same_slot(at, other, there) for there in other.places[claim.words[at].stem])
    return beside and claim.covered(at, cited, _MOST)


def _dropped_denial(claim: Statement, other: Statement, cited: Sequence[Statement]) -> Iterator[str]:
    if _even(other) or any(map(singles_out, claim.words)):
        return
    for target, by in other.negated.items():
        stem = other.words[target].stem
        plain = any(place not in source.negated for source in cited for place in source.places.get(stem, ()))
        for at in () if plain else claim.places.get(stem, ()):
            if not claim.has_near(claim.denials, at) and claim.speaks_of(at, other):
                yield f"The cited passage says “{other.words[by].text}”, the sentence does not."


def _hedges(claim: Statement, other: Statement, cited: Sequence[Statement]) -> Iterator[str]:
    for target, by in other.hedged.items():
        stem = other.words[target].stem
        fact = any(
            not source.has_near(source.hedges, place) for source in cited for place in source.places.get(stem, ())
        )
        for at in () if fact else claim.places.get(stem, ()):
            is_aim = at and claim.words[at - 1].low == "to"
            sure = {mark for mark in claim.hedges if firm(claim.words[mark])}
            hedges = claim.hedges - (sure if modal(other.words[by]) else set())
            if not is_aim and not claim.has_near(hedges, at) and claim.speaks_of(at, other):
                yield instead(_phrase(other, by, target), claim.words[at].text)
    for at, by in claim.hedged.items():
        for place in () if claim.words[by].stem in other.places else other.places.get(claim.words[at].stem, ()):
            if not other.hedges and claim.speaks_of(at, other):
                yield instead(other.words[place].text, _phrase(claim, by, at))


def groundless(claim: Statement, cited: Sequence[Statement]) -> Iterator[str]:
    """Yield the reasons where the claim denies or hedges though nothing that is cited does, or the other way round."""
    if mostly_cjk(claim.text):
        return
    marks: tuple[Callable[[Statement], set[int]], ...] = (lambda other: other.denials, lambda other: other.hedges)
    for marked, targets in zip(marks, (claim.negated, claim.hedged), strict=True):
        if any(map(marked, cited)):
            continue
        for at, by in targets.items():
            opposed = any(opposite(claim.words[at], word) for other in cited for word in other.words)
            otherwise = targets is claim.negated and _denied_without_not(claim, by, cited)
            if not opposed and not otherwise and claim.covered(at, cited, _HALF):
                yield f"The sentence says “{claim.words[by].text}”, the cited passage does not."
    for other in () if claim.denials or any(map(singles_out, claim.words)) else cited:
        for target, by in other.negated.items():
            if not plain(other.words[by]) or _even(other):
                continue
            denied = [target, *other.neighbours(target, 2)[1]]
            within = [at for at in denied if other.words[at].clause == other.words[target].clause]
            opposed = any(opposite(word, other.words[at]) for word in claim.words for at in within)
            if not opposed and sum(other.words[at].stem in claim.places for at in within) > 1:
                yield f"The cited passage says “{other.words[by].text}”, the sentence does not."


def _phrase(statement: Statement, first: int, last: int) -> str:
    return " ".join(word.text for word in statement.words[first : last + 1])


def _han_denials(claim: Statement, other: Statement) -> Iterator[str]:
    if not (mostly_cjk(claim.text) and claim.speaks_of(0, other)):
        return
    for one, two, reason in (
        (claim, other, "The sentence says “{}”, the cited passage does not."),
        (other, claim, "The cited passage says “{}”, the sentence does not."),
    ):
        for match in _HAN_DENIAL.finditer(one.text):
            bare = two.text.replace(match[0], "")
            if match[0] not in two.text and match[1] in bare and not _HAN_DENIAL.search(bare):
                yield reason.format(match[0][: -len(match[1])])
