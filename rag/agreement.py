"""Owns how several answers to one question compare: what they say alike, what only one says, where they contradict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

from rag.disagreement import says_otherwise
from rag.guards import findings
from rag.support import opposed
from rag.text import content_terms
from rag.types import Answer, AnswerSentence, Citation, Source

_NEAR = 0.65  # of the content terms of two sentences are in both, where they cite different words
_NEAR_SHARED = 0.5  # and where they cite the same
_ABOUT_THE_SAME = 0.6  # of those of the shorter sentence: enough for a contradiction, where they cite the same
_FEWEST = 2  # terms in common; fewer tell nothing


class Place(NamedTuple):
    """A sentence of one of the answers; both are counted from 0."""

    reply: int
    sentence: int


class Contradiction(NamedTuple):
    """Sentences of different answers that cannot both be right; those of a side say the same."""

    one: tuple[Place, ...]
    other: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """What became of each sentence: it is in one of `same`, which holds those of two answers or more, or `alone`.

    Sentences of `contradictions` are in one of both, too.
    """

    same: tuple[tuple[Place, ...], ...]
    alone: tuple[Place, ...]
    contradictions: tuple[Contradiction, ...]


class CitedPassage(NamedTuple):
    """A passage that answers cite: the first words cited of it, and the numbers of the citations of each answer."""

    source: Source
    quote: str
    numbers: tuple[tuple[int, ...], ...]


def agreement(answers: Sequence[Answer | None]) -> Agreement:
    """Compare the sentences of answers to one question; None stands for an answer that failed.

    The order of the answers does not matter: another one gives the same, with other numbers of answers.
    """
    texts: dict[str, list[Place]] = {}
    for reply, answer in enumerate(answers):
        for number, sentence in enumerate(answer.sentences if answer else ()):
            texts.setdefault(_normal(words(sentence)), []).append(Place(reply, number))
    cited = {text: _spans(answers, places) for text, places in texts.items()}
    alike: dict[tuple[str, str], float] = {}
    against: set[tuple[str, str]] = set()
    for one, other in combinations(sorted(texts), 2):
        relation = _relation(one, other, _meet(cited[one], cited[other]))
        if relation.against:
            against.add((one, other))
        elif relation.alike:
            alike[one, other] = relation.alike
    groups = [[place for text in group for place in texts[text]] for group in _groups(texts, alike)]
    same = sorted(tuple(sorted(group)) for group in groups if _replies(group) > 1)
    alone = sorted(place for group in groups if _replies(group) == 1 for place in group)
    return Agreement(tuple(same), tuple(alone), _contradictions(groups, texts, against))


def cited_passages(answers: Sequence[Answer | None]) -> tuple[CitedPassage, ...]:
    """Return each passage that any of the answers cites, in the order in which they were found."""
    cited: dict[tuple[str, int, int], list[tuple[int, Citation]]] = {}
    for reply, answer in enumerate(answers):
        for citation in answer.citations if answer else ():
            passage = answer.evidence.hits[citation.evidence_n - 1].passage if answer else None
            if passage:
                key = (citation.source.article_id, passage.start, passage.end)
                cited.setdefault(key, []).append((reply, citation))
    ordered = sorted(cited.items(), key=lambda item: (min(one.evidence_n for _, one in item[1]), item[0]))
    return tuple(_cited_passage(found, len(answers)) for _, found in ordered)


def _cited_passage(found: Sequence[tuple[int, Citation]], replies: int) -> CitedPassage:
    first = min((citation for _, citation in found), key=lambda citation: (citation.start, citation.end))
    numbers = [tuple(citation.n for reply, citation in found if reply == k) for k in range(replies)]
    return CitedPassage(first.source, first.quote, tuple(numbers))


def words(sentence: AnswerSentence) -> str:
    """Return the words of a sentence, without the marks that we set."""
    text, at = "", 0
    for chip in sentence.chips:
        text += sentence.text[at : chip.start - sentence.start].rstrip(" ")
        at = chip.end - sentence.start
    return (text + sentence.text[at:]).strip()


# ---------------------------------------------------------------- two sentences


class _Relation(NamedTuple):
    """How much alike two sentences are that say the same, 0 where they do not; and whether they contradict."""

    alike: float
    against: bool


_NONE = _Relation(0.0, against=False)


@lru_cache(maxsize=8192)  # a conversation is drawn again and again
def _relation(one: str, other: str, shared: bool) -> _Relation:
    """Compare two sentences; `shared`: they cite the same words."""
    terms, others = _terms(one), _terms(other)
    common = len(terms & others)
    if common < _FEWEST:
        return _NONE
    share = 2 * common / (len(terms) + len(others))
    about_the_same = shared and common >= _ABOUT_THE_SAME * min(len(terms), len(others))
    near = share >= (_NEAR_SHARED if shared else _NEAR)
    if not near and not about_the_same:
        return _Relation(0.0, says_otherwise(one, other))
    there, back = findings(one, [other], other), findings(other, [one], one)
    contradicted = bool(there.contradicted and back.contradicted) and about_the_same
    if contradicted or says_otherwise(one, other):
        return _Relation(0.0, against=True)
    if not near or any((*there, *back)) or opposed(one, other) or opposed(other, one):
        return _NONE
    return _Relation(share, against=False)


@lru_cache(maxsize=4096)
def _terms(text: str) -> frozenset[str]:
    return frozenset(content_terms(text))


def _normal(text: str) -> str:
    return " ".join(text.split())


# ---------------------------------------------------------------- all of them

_Span = tuple[str, int, int]


def _spans(answers: Sequence[Answer | None], places: Iterable[Place]) -> set[_Span]:
    """Return what sentences cite: article, start and end."""
    found: set[_Span] = set()
    for reply, number in places:
        if answer := answers[reply]:
            cited = (answer.citations[n - 1] for n in answer.sentences[number].citations)
            found |= {(item.source.article_id, item.start, item.end) for item in cited}
    return found


def _meet(some: set[_Span], others: set[_Span]) -> bool:
    return any(
        a == b and start < its_end and its_start < end for a, start, end in some for b, its_start, its_end in others
    )


def _replies(group: Iterable[Place]) -> int:
    return len({place.reply for place in group})


def _groups(texts: Iterable[str], alike: dict[tuple[str, str], float]) -> list[list[str]]:
    """Return the texts in groups in which each is like each other; the likest come together first."""
    group = {text: [text] for text in texts}
    for one, other in sorted(alike, key=lambda pair: (-alike[pair], pair)):
        both = [*group[one], *group[other]]
        if group[one] is not group[other] and all(pair in alike for pair in combinations(sorted(both), 2)):
            group.update(dict.fromkeys(both, both))
    return list({id(members): members for members in group.values()}.values())


def _contradictions(
    groups: Sequence[Sequence[Place]], texts: dict[str, list[Place]], against: set[tuple[str, str]]
) -> tuple[Contradiction, ...]:
    group = {place: tuple(sorted(members)) for members in groups for place in members}
    found: set[Contradiction] = set()
    for one, other in against:
        if any(a.reply != b.reply for a in texts[one] for b in texts[other]):
            sides = sorted((group[texts[one][0]], group[texts[other][0]]))
            found.add(Contradiction(*sides))
    return tuple(sorted(found))
