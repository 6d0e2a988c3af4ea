"""Owns cutting an article into passages: exact offsets, whole sentences, within the embedder's window."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rag.text import sentence_spans
from rag.types import Article, Passage, Span

VERSION = 1
"""Raised when a change here cuts the same article differently, so that sync cuts it again."""

CountTokens = Callable[[Sequence[str]], list[int]]

_SPECIAL_TOKENS = 2  # [CLS] and [SEP]
_CONTEXT_SHARE = 4  # the context takes at most one in so many tokens
_TOKENS_PER_CHARACTER = 3  # at most: the tokenizer takes Korean syllables apart into letters
_SENTENCE_CHARACTERS = 1000  # the tokenizer makes one token of a "word" of any length, so tokens alone do not bound
_PASSAGE_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class _Unit:
    """A heading or sentence; `fresh` starts a new passage: something between was left out or cut in a word."""

    span: Span
    is_heading: bool
    fresh: bool
    tokens: int = 0


def chunk(article: Article, count_tokens: CountTokens, max_tokens: int) -> tuple[Passage, ...]:
    """Cut an article into passages of at most `max_tokens` tokens, context and special tokens included.

    Passages do not overlap. Each sentence of each `text` block lies in exactly one of them; headings
    are inside a passage or its context, never its sentences; title and boilerplate are in none.
    A sentence too long for a passage is cut, at white space where it has any.
    """
    context_tokens = max_tokens // _CONTEXT_SHARE
    contexts = _Contexts(article, count_tokens, context_tokens)
    units = _units(article, count_tokens, max_tokens - _SPECIAL_TOKENS - context_tokens)
    passages: list[Passage] = []
    for section, group in _pack(units, lambda section: max_tokens - _SPECIAL_TOKENS - contexts.tokens(section)):
        sentences = tuple(unit.span for unit in group if not unit.is_heading)
        start, end = group[0].span.start, sentences[-1].end
        passages.append(
            Passage(
                article_id=article.id,
                content_hash=article.content_hash,
                start=start,
                end=end,
                text=article.text[start:end],
                context=contexts.text(section),
                sentences=sentences,
                pages=_pages(article, start, end),
            )
        )
    return tuple(passages)


def _pages(article: Article, start: int, end: int) -> tuple[tuple[int, int], ...]:
    first = bisect_right(article.pages, start)  # the number of the page that the passage begins on
    inside = bisect_left(article.pages, end)
    return tuple((article.pages[number - 1], number) for number in range(max(first, 1), inside + 1))


def _units(article: Article, count_tokens: CountTokens, limit: int) -> list[_Unit]:
    units: list[_Unit] = []
    fresh = False
    for block in article.blocks:
        if block.kind in ("title", "boilerplate"):
            fresh = True
        elif block.kind == "heading":
            units.append(_Unit(Span(block.start, block.end), True, fresh))
            fresh = False
        else:
            for sentence in sentence_spans(article.text, block.start, block.end):
                for piece, in_word in _cut(article.text, sentence, count_tokens, limit):
                    units.append(_Unit(piece, False, fresh or in_word))
                    fresh = False
    counts = count_tokens([article.text[slice(*unit.span)] for unit in units])
    return [replace(unit, tokens=tokens) for unit, tokens in zip(units, counts, strict=True)]


def _pack(
    units: Sequence[_Unit], room_under: Callable[[Span | None], int]
) -> Iterator[tuple[Span | None, list[_Unit]]]:
    """Yield groups of neighbouring units that fit a passage, each with the heading it continues, if any.

    A group ends with a sentence. `room_under` says how many tokens fit a passage with that heading.
    """
    section: Span | None = None  # the heading in force at the end of the group
    opening: Span | None = None  # the heading in force at its beginning, None where it begins with one
    group: list[_Unit] = []
    for unit in units:
        used = sum(item.tokens for item in group)
        full = bool(group) and (
            used + unit.tokens > room_under(opening)
            or unit.span.end - group[0].span.start > _PASSAGE_CHARACTERS
            or (unit.is_heading and used > room_under(opening) // 2)
        )
        if full or unit.fresh:
            kept, carried = _split_trailing_headings(group)
            if kept:
                yield opening, kept
            # A heading with nothing under it goes with what follows, where that is near and fits.
            near = bool(carried) and unit.span.end - carried[0].span.start <= _PASSAGE_CHARACTERS
            fits = unit.tokens + sum(item.tokens for item in carried) <= room_under(None)
            group = carried if near and fits and not unit.fresh else []
        if not group:
            opening = None if unit.is_heading else section
        elif group[0].is_heading:
            opening = None
        if unit.is_heading:
            section = unit.span
        group.append(unit)
    kept, _ = _split_trailing_headings(group)
    if kept:
        yield opening, kept


def _split_trailing_headings(group: list[_Unit]) -> tuple[list[_Unit], list[_Unit]]:
    last = next((i for i in range(len(group), 0, -1) if not group[i - 1].is_heading), 0)
    return group[:last], group[last:]


def _cut(text: str, sentence: Span, count_tokens: CountTokens, limit: int) -> Iterator[tuple[Span, bool]]:
    """Yield the sentence in pieces of at most `limit` tokens, and whether a piece begins inside a word."""
    pieces = [sentence]
    in_word = False
    while pieces:
        start, end = pieces.pop()
        too_long = end - start > _SENTENCE_CHARACTERS
        surely_fits = (end - start) * _TOKENS_PER_CHARACTER <= limit
        if surely_fits or (not too_long and count_tokens([text[start:end]])[0] <= limit):
            yield Span(start, end), in_word
            in_word = end < sentence.end and not text[end].isspace()
            continue
        target = start + (_SENTENCE_CHARACTERS if too_long else (end - start) // 2)
        cut = next((i for i in range(target, start + (target - start) // 2, -1) if text[i].isspace()), None)
        if cut is None:
            pieces += (Span(target, end), Span(start, target))
        else:
            rest = next(i for i in range(cut, end) if not text[i].isspace())
            left = next(i for i in range(cut, start, -1) if not text[i - 1].isspace())
            pieces += (Span(rest, end), Span(start, left))


class _Contexts:
    """The words in front of a passage, title and section, short enough to leave room for the passage."""

    def __init__(self, article: Article, count_tokens: CountTokens, limit: int) -> None:
        self._article = article
        self._count_tokens = count_tokens
        self._limit = limit
        self._known: dict[str, tuple[str, int]] = {}

    def text(self, section: Span | None) -> str:
        return self._get(section)[0]

    def tokens(self, section: Span | None) -> int:
        return self._get(section)[1]

    def _get(self, section: Span | None) -> tuple[str, int]:
        heading = "" if section is None else self._article.text[section.start : section.end]
        if heading not in self._known:
            words = " ".join(_closed(part) for part in (self._article.title, heading) if part).split()
            while True:
                context = " ".join(words)[:_SENTENCE_CHARACTERS] + " " if words else ""
                (tokens,) = self._count_tokens([context])
                if tokens <= self._limit:
                    break
                if len(words) == 1:
                    words = [words[0][: len(words[0]) // 2]]
                else:
                    words = words[: max(1, len(words) * self._limit // tokens)]
            self._known[heading] = context, tokens
        return self._known[heading]


def _closed(part: str) -> str:
    text = " ".join(part.split())
    return text if text[-1:] in (*".!?:。！？：", "") else text + "."
