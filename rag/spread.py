"""Owns which of the ranked passages are taken, so that no article and no copies of one fill the evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence


def spread(
    articles: Sequence[str], count: int, told: Callable[[int], Sequence[str]] = lambda _: (), least: int = 0
) -> list[int]:
    """Return the positions of `count` ranked passages, given the article of each, in order of rank.

    No article takes more than half of the places while others have passages left; one that says mostly what
    better ones of another article said counts as that. What says nothing but that is taken only where there
    would be fewer than `least` otherwise. `told` gives what the passage at a position says, sentence by sentence.
    """
    most = max(1, count // 2)
    taken: Counter[str] = Counter()
    said: dict[str, str] = {}  # each sentence, and whose it was first
    chosen: list[int] = []
    spare: list[int] = []
    echoes: list[int] = []
    for position, article in enumerate(articles):
        if len(chosen) == count:
            break
        sentences = told(position)
        if sentences and all(said.get(sentence, article) != article for sentence in sentences):
            echoes.append(position)
            continue
        origin = _origin(sentences, said, article)
        said |= {sentence: origin for sentence in sentences if sentence not in said}
        taken[origin] += 1
        (chosen if taken[origin] <= most else spare).append(position)
    chosen += spare[: count - len(chosen)]
    return sorted(chosen + echoes[: max(0, min(least, count) - len(chosen))])


def _origin(sentences: Sequence[str], said: Mapping[str, str], article: str) -> str:
    """Return the article that more than half of these sentences stood in before, by their length; else their own."""
    lengths: Counter[str] = Counter()
    for sentence in sentences:
        lengths[said.get(sentence, article)] += len(sentence)
    origin, length = max(lengths.items(), key=lambda item: item[1], default=(article, 0))
    return origin if 2 * length > lengths.total() else article
