"""Owns the comparison of sentences that are nearly alike: what a word exchanged, put in or left out changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from rag.guards.opposites import opposite, quantifier, strong, weak
from rag.guards.polarity import denies, firm
from rag.guards.statements import Statement, instead
from rag.guards.words import Word

_PASSED_OVER = frozenset("a an the do does did".split())
_LONG = 4  # words: what is longer than this has been said in other words
_FIRM = 2  # words in a row on one side that are the same, and one on the other, or the border of the sentence
_ALIKE = 0.5  # share of the words of the claim that are the same


def exchanged(claim: Statement, cited: Sequence[Statement]) -> Iterator[str]:
    """Yield the reasons where the claim is a cited sentence but for a word or two that turn it round."""
    for other in cited:
        pairs = list(_differences(claim, other))
        denials: list[str] = []
        for here, there in pairs:
            mine, theirs = [claim.words[at] for at in here], [other.words[at] for at in there]
            denials += _denied(claim, mine, other, theirs)
            yield from _hedged(claim, here, other, there)
            yield from _other_name(claim, mine, other, theirs)
        if len(denials) % 2:
            yield denials[0]
        if sum(_turns(claim, here, other, there) for here, there in pairs) == 1:
            yield from _turned(claim, other, pairs)


def _turns(claim: Statement, here: list[int], other: Statement, there: list[int]) -> int:
    """Return how many words have become their opposites: two leave it as it was, "more exported than imported"."""
    return sum(any(_turned_round(claim.words[i], other.words[j]) for j in there) for i in here)


def _turned(claim: Statement, other: Statement, pairs: list[tuple[list[int], list[int]]]) -> Iterator[str]:
    for here, there in pairs:
        if len(here) == len(there) == 1 and claim.is_denied_at(here[0]) == other.is_denied_at(there[0]):
            mine, theirs = claim.words[here[0]], other.words[there[0]]
            if _turned_round(mine, theirs):
                yield instead(theirs.text, mine.text)


def exchanged_figures(claim: Statement, cited: Sequence[Statement]) -> Iterator[str]:
    """Yield the reasons where a figure stands in the same words as another one does in a cited sentence."""
    for other in cited:
        for here, there in _differences(claim, other):
            if len(here) == len(there) == 1:
                mine, theirs = claim.words[here[0]], other.words[there[0]]
                if mine.low[0].isdigit() and theirs.low[0].isdigit() and _other_figure(mine.low, theirs.low):
                    yield instead(theirs.text, mine.text)


def _differences(claim: Statement, other: Statement) -> Iterator[tuple[list[int], list[int]]]:
    """Yield the places of the words that differ between parts that are the same."""
    one, two = _kept(claim), _kept(other)
    stems = [claim.words[at].stem for at in one], [other.words[at].stem for at in two]
    blocks = SequenceMatcher(None, *stems, autojunk=False).get_matching_blocks()
    if sum(block.size for block in blocks) < _ALIKE * len(one):
        return
    first = next(iter(blocks))
    if first.size and (first.a or first.b) and _ends_alike(first.a == first.b == 1, first.size):
        yield one[: first.a], two[: first.b]
    for left, right in pairwise(blocks):
        here, there = one[left.a + left.size : right.a], two[left.b + left.size : right.b]
        closes = right.size == 0 and bool(here) and len(here) == len(there)
        firm = (left.size >= _FIRM and (right.size >= 1 or closes)) or (left.size >= 1 and right.size >= _FIRM)
        if (here or there) and firm and len(here) <= _LONG and len(there) <= _LONG:
            yield here, there


def _ends_alike(single: bool, size: int) -> bool:
    return single and size >= _FIRM


def _kept(statement: Statement) -> list[int]:
    return [at for at, word in enumerate(statement.words) if word.low not in _PASSED_OVER]


def _denied(claim: Statement, mine: list[Word], other: Statement, theirs: list[Word]) -> Iterator[str]:
    here = [word for word in mine if denies(claim.text, word)]
    there = [word for word in theirs if denies(other.text, word)]
    rest = [word for word in (*mine, *theirs) if word not in here and word not in there]
    if len(here) % 2 != len(there) % 2 and not any(word.content for word in rest):
        if here:
            yield f"The sentence says “{here[0].text}”, the cited passage does not."
        else:
            yield f"The cited passage says “{there[0].text}”, the sentence does not."


def _hedged(claim: Statement, here: list[int], other: Statement, there: list[int]) -> Iterator[str]:
    mine, theirs = _hedge(claim, here), _hedge(other, there)
    if (mine is None) == (theirs is None):
        return
    plain, places = (other, there) if mine is not None else (claim, here)
    if all(not plain.words[at].content or firm(plain.words[at]) for at in places) and not any(
        at in plain.hedges and not firm(plain.words[at]) for at in places
    ):
        if mine is not None:
            yield f"The sentence says “{mine}”, the cited passage does not."
        else:
            yield f"The cited passage says “{theirs}”, the sentence does not."


def _hedge(statement: Statement, places: list[int]) -> str | None:
    """Return the words at some places, where all they say is that something is not a fact."""
    marks = set(statement.hedged.values())
    if not marks & set(places) or any(statement.words[at].content and at not in marks for at in places):
        return None
    return " ".join(statement.words[at].text for at in places)


def _turned_round(mine: Word, theirs: Word) -> bool:
    kinds = quantifier(mine), quantifier(theirs)
    return (
        opposite(mine, theirs)
        or (strong(mine) and weak(theirs))
        or (weak(mine) and strong(theirs))
        or (None not in kinds and kinds[0] != kinds[1])
    )


def _other_figure(one: str, two: str) -> bool:
    """Whether two figures differ; "2018–19" is written for "2018–2019"."""
    short, long = sorted((one.replace(",", ""), two.replace(",", "")), key=len)
    return not long.endswith(short)


def _other_name(claim: Statement, mine: list[Word], other: Statement, theirs: list[Word]) -> Iterator[str]:
    if (
        all(word.text[0].isupper() and word.content and len(word.text) > 1 for word in (*mine, *theirs))
        and mine
        and theirs
    ):
        known = any(word.stem in claim.places for word in theirs) or any(word.stem in other.places for word in mine)
        opens = theirs[0].start == other.words[0].start
        if not (known or opens):
            there, here = (" ".join(word.text for word in side) for side in (theirs, mine))
            yield f"The cited passage says “{there}”, not “{here}”."
