"""Owns the comparison of words and names that stand in place of others, or have changed places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise

from rag.guards.opposites import opposite, orders, quantifier, sided, strong, weak
from rag.guards.statements import Statement, instead
from rag.guards.words import Word, is_past
from rag.text import index_terms

_ROOT = 5  # letters that words of one root share
_TWICE = 2  # opposites leave a sentence as it was: "more exported than imported", "less imported than exported"
_CLOSE = 2  # words of content from one place to another are fewer


def differing_words(claim: Statement, cited: Sequence[Statement]) -> Iterator[str]:
    """Yield the reasons where a word of the claim stands in place of its opposite, or of a weaker or stronger one."""

    @cache
    def turns(other: Statement) -> int:
        return _turns(claim, other)

    for at, word in enumerate(claim.words):
        for other in cited:
            for there, opposed in enumerate(other.words):
                if word.stem == opposed.stem:
                    continue
                if (
                    (opposite(word, opposed) and turns(other) < _TWICE and _opposed(claim, at, other, there, cited))
                    or (strong(word) and weak(opposed) and _replaced(claim, at, other, there, cited))
                    or (weak(word) and strong(opposed) and _replaced(claim, at, other, there, cited))
                    or _other_quantity(claim, at, other, there)
                ):
                    yield instead(opposed.text, word.text)


def _absent(word: Word, sources: Sequence[Statement]) -> bool:
    def akin(other: Word) -> bool:  # "reducing" and "reduction"
        return word.low[:_ROOT] == other.low[:_ROOT] and len(word.low) >= _ROOT

    return not any(word.stem in source.places or any(map(akin, source.words)) for source in sources)


def _opposed(claim: Statement, at: int, other: Statement, there: int, cited: Sequence[Statement]) -> bool:
    word, opposed = claim.words[at], other.words[there]
    if claim.is_denied_at(at) != other.is_denied_at(there) or not claim.speaks_of(at, other):
        return False
    before, behind = claim.neighbours(at, 2, figures=True)
    left = {place for i in before for place in other.places.get(claim.words[i].stem, ())}
    right = {place for i in behind for place in other.places.get(claim.words[i].stem, ())}
    if sided(word) and (any(i > there for i in left) or any(i < there for i in right)):
        return False
    if _absent(word, cited) and opposed.stem not in claim.places:
        clause = other.words[there].clause
        near = {place for place in left | right if other.words[place].clause == clause}
        return any(other.apart(place, there) < _CLOSE for place in near)
    if opposed.stem in claim.places:
        return False
    return _beside(claim, at, other, there) and not any(
        _beside(claim, at, source, place) for source in cited for place in source.places.get(word.stem, ())
    )


def _turns(claim: Statement, other: Statement) -> int:
    """Return how many words of the claim have their opposite in another sentence."""
    return sum(any(opposite(word, there) for there in other.words) for word in claim.words)


def reordered(claim: Statement, cited: Sequence[Statement]) -> Iterator[str]:
    """Yield the reasons where what stands before and behind "before" or "more than" has changed places."""
    for at, word in enumerate(claim.words):
        for other in cited if orders(word) else ():
            for there in other.places.get(word.stem, ()):
                (a, b), (c, d) = (_sides(claim, at), _sides(other, there))
                if a & d and b & c and not (a & c or b & d):
                    yield f"The cited passage has what stands before and after “{word.text}” the other way round."


def _sides(statement: Statement, at: int) -> tuple[set[str], set[str]]:
    clause = statement.words[at].clause
    before, behind = (
        {statement.words[i].stem for i in side if statement.words[i].clause == clause}
        for side in statement.neighbours(at, 4)
    )
    return before, behind


def _beside(claim: Statement, at: int, other: Statement, there: int) -> bool:
    """Whether both words stand right between the same words of content, as far as there are any."""
    mine, theirs = claim.neighbours(at, 1), other.neighbours(there, 1)
    stems = [
        ([claim.words[i].stem for i in one], [other.words[i].stem for i in two])
        for one, two in zip(mine, theirs, strict=True)
    ]
    return all(one == two for one, two in stems) and any(one for one, _ in stems)


def _replaced(claim: Statement, at: int, other: Statement, there: int, cited: Sequence[Statement]) -> bool:
    """Whether a weak word stands for a strong one, or the other way round, in the same place."""
    word, opposed = claim.words[at], other.words[there]
    return (
        _absent(word, cited)
        and opposed.stem not in claim.places
        and claim.same_slot(at, other, there, 2)
        and claim.speaks_of(at, other)
        and not claim.is_denied_at(at)
        and not other.is_denied_at(there)
    )


def _other_quantity(claim: Statement, at: int, other: Statement, there: int) -> bool:
    """Whether other quantifiers stand before the same word: "all houses", "most houses"."""
    mine, theirs = quantifier(claim.words[at]), quantifier(other.words[there])
    if mine is None or theirs is None or mine == theirs or "none" in (mine, theirs):
        return False
    (_, behind), (_, follows) = claim.neighbours(at, 1), other.neighbours(there, 1)
    if not behind or not follows or claim.words[behind[0]].stem != other.words[follows[0]].stem:
        return False
    if other.words[there + 1].low[0].isdigit() or claim.words[at + 1].low[0].isdigit():  # "some 140 people"
        return False
    if claim.is_denied_at(at) != other.is_denied_at(there):
        return False
    return claim.words[at].stem not in other.places and claim.speaks_of(at, other)


_MUTUAL = frozenset(
    index_terms("meet met marry married merge equal resemble border tie drew compete cooperate partner")
)
_JOINS = frozenset("and or with between while but as than like unlike".split())


def swapped(claim: Statement, cited: Sequence[Statement]) -> Iterator[str]:
    """Yield the reasons where two names have changed places: "A sued B" and "B sued A"."""
    capitals = [at for at, word in enumerate(claim.words) if word.text[0].isupper() and word.content]
    for first, second in pairwise(capitals):
        doing = _between(claim, first, second)
        if doing is None:
            continue
        a, b = claim.words[first], claim.words[second]
        for other in cited:
            for here in other.places.get(b.stem, ()):
                for there in other.places.get(a.stem, ()):
                    if _between(other, here, there) == doing and not _in_order(claim, first, second, other):
                        yield f"The cited passage has “{b.text}” and “{a.text}” the other way round."


def _between(statement: Statement, first: int, second: int) -> tuple[frozenset[str], bool] | None:
    """Return what is done between two names and whether the second does it; None where they are not two sides."""
    gap = statement.words[first + 1 : second] if first < second else []
    if not 1 <= len(gap) <= 8 or statement.words[first].clause != statement.words[second].clause:
        return None
    lows = {word.low for word in gap}
    doing = frozenset(word.stem for word in gap if word.content and not word.text[0].isupper())
    from_to = statement.words[first - 1].low == "from" and "to" in lows if first else False
    if lows & _JOINS or doing & _MUTUAL or not (doing or from_to):
        return None
    return doing, "by" in lows


def _in_order(claim: Statement, first: int, second: int, other: Statement) -> bool:
    """Whether another sentence has the two names in the order of the claim too."""
    ones, twos = (other.places.get(claim.words[at].stem, ()) for at in (first, second))
    return any(_between(other, one, two) for one in ones for two in twos)


_AUXILIARIES = frozenset("is was has had will would can could may might must should does did".split())
_NO_NAMES = frozenset(
    "another anybody anyone anything both each either enough even everybody everyone everything few half later less "
    "little many more most much neither nobody none nothing now one other people police somebody someone something "
    "staff still then today tomorrow tonight two yesterday".split()
)


def opening_name(claim: Statement) -> tuple[str, ...]:
    """Return the word that opens a sentence where it seems to be a name: no plural, right in front of its verb."""
    if len(claim.words) < 2:
        return ()
    word, verb = claim.words[:2]
    if not word.text[0].isupper() or not word.content or word.low.endswith(("s", "ing", "ly", "ed")):
        return ()
    is_verb = verb.low in _AUXILIARIES or verb.low.endswith("ed") or is_past(verb)
    return (word.text,) if is_verb and verb.text.islower() and word.low not in _NO_NAMES and len(word.low) > 2 else ()
