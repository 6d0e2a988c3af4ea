"""Owns which of the ranked passages are taken, so that no article and no copies of one fill the evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """Positions of ranked passages: those taken, in order, and what became of others that were looked at.

    `copies` names for each passage that says nothing new the position of one that said it before; `over` are those
    whose article had its share. Those behind the last that was looked at are in none of them.
    """

    taken: list[int]
    copies: dict[int, int]
    over: frozenset[int]


def spread(
    articles: Sequence[str], count: int, told: Callable[[int], Sequence[str]] = lambda _: (), least: int = 0
) -> Spread:
    """Return which `count` of ranked passages are taken, given the article of each.

    No article takes more than half of the places while others have passages left; one that says mostly what
    better ones of another article said counts as that. What says nothing but that is taken only where there
    would be fewer than `least` otherwise. `told` gives what the passage at a position says, sentence by sentence.
    """
    most = max(1, count // 2)
    taken: Counter[str] = Counter()
    said: dict[str, str] = {}  # each sentence, and whose it was first
    chosen: list[int] = []
    spare: list[int] = []
    first: dict[str, int] = {}  # and where
    echoes: dict[int, int] = {}
    for position, article in enumerate(articles):
        if len(chosen) == count:
            break
        sentences = told(position)
        if sentences and all(said.get(sentence, article) != article for sentence in sentences):
            echoes[position] = first[sentences[0]]
            continue
        origin = _origin(sentences, said, article)
        new = [sentence for sentence in sentences if sentence not in said]
        said |= dict.fromkeys(new, origin)
        first |= dict.fromkeys(new, position)
        taken[origin] += 1
        (chosen if taken[origin] <= most else spare).append(position)
    chosen += spare[: count - len(chosen)]
    taken_at = sorted(chosen + list(echoes)[: max(0, min(least, count) - len(chosen))])
    return Spread(taken_at, echoes, frozenset(spare))


def _origin(sentences: Sequence[str], said: Mapping[str, str], article: str) -> str:
    """Return the article that more than half of these sentences stood in before, by their length; else their own."""
    lengths: Counter[str] = Counter()
    for sentence in sentences:
        lengths[said.get(sentence, article)] += len(sentence)
    origin, length = max(lengths.items(), key=lambda item: item[1], default=(article, 0))
    return origin if 2 * length > lengths.total() else article
