"""Owns finding words of an article's text in the text that its page was read from, which is not quite the same.

Hyphens, white space and the order of lines differ, so that words are looked for by their letters and digits alone.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

_CONTEXT = 60  # letters on either side that tell one place of a text from another
_SURE = 6  # letters of it are more than chance
_PIECE = 10  # letters that make a piece of words which stands somewhere else than the piece before it
_NEAR = 300  # letters between it and a shorter piece
_ENOUGH = 0.9  # of the letters found: the words are


class Letters(NamedTuple):
    """The letters and digits of a text, and the place that each comes from."""

    text: str
    places: list[int]


class Quote(NamedTuple):
    """Letters to look for, those around them, and where they begin, as a share of the page."""

    text: str
    before: str
    after: str
    share: float


def letters(chars: Sequence[str]) -> Letters:
    """Return the letters and digits of a text that is given by its characters."""
    found = [(letter, place) for place, char in enumerate(chars) for letter in _plain(char)]
    return Letters("".join(letter for letter, _ in found), [place for _, place in found])


@lru_cache(maxsize=10_000)
def _plain(char: str) -> str:
    """Return the letters and digits in a character: two in a ligature, none in a hyphen or an accent of its own."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", char)))


def quote_of(text: Letters, start: int, end: int) -> Quote:
    """Return what to look for where a span of a page's text is meant."""
    inside = [i for i, place in enumerate(text.places) if start <= place < end]
    if not inside:
        return Quote("", "", "", 0.0)
    first, behind = inside[0], inside[-1] + 1
    before, after = text.text[max(first - _CONTEXT, 0) : first], text.text[behind : behind + _CONTEXT]
    return Quote(text.text[first:behind], before, after, first / len(text.text))


def find(page: Letters, quote: Quote) -> list[range]:
    """Return the letters of a page that are the quote's: one piece, or several where its lines stand apart."""
    if not quote.text:
        return []
    if (at := _best(page.text, quote)) is not None:
        return [range(at, at + len(quote.text))]
    found: list[range] = []
    at = missed = 0
    while at < len(quote.text):
        piece = _next_piece(page, quote, at, found[-1].stop if found else None)
        if piece:
            found.append(piece)
            at += len(piece)
        else:
            at += 1
            missed += 1
            if missed > (1 - _ENOUGH) * len(quote.text):
                return []
    return found


def _best(page: str, quote: Quote) -> int | None:
    """Return where a quote stands, of several places the one with its neighbours, or else nearest to its share."""

    def rank(at: int) -> tuple[int, float]:
        behind = at + len(quote.text)
        neighbours = _alike(page[max(at - _CONTEXT, 0) : at][::-1], quote.before[::-1])
        neighbours += _alike(page[behind : behind + _CONTEXT], quote.after)
        return neighbours // _SURE, -abs(at / len(page) - quote.share)

    return max(_all(page, quote.text), key=rank, default=None)


def _alike(left: str, right: str) -> int:
    """Return how many letters two texts begin with alike."""
    return next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def _next_piece(page: Letters, quote: Quote, at: int, last: int | None) -> range | None:
    """Return the longest piece of a page that the quote goes on with at `at`; `last` is where the one before ended."""
    length = _longest(page.text, quote.text, at)
    part = quote.text[at : at + length]
    if last is None:
        begin = _best(page.text, quote._replace(text=part, after="")) if part else None
    else:
        begin = min(_all(page.text, part) if part else (), key=lambda place: abs(place - last), default=None)
    if begin is None or (length < _PIECE and (last is None or abs(begin - last) > _NEAR)):
        return None
    if at + length == len(quote.text):
        return range(begin, begin + length)
    # A letter of the next word may be the same by chance: the piece ends where the page has no letter.
    ends = (end for end in range(begin + length, begin, -1) if _is_border(page, end))
    return range(begin, next(ends, begin + length))


def _is_border(page: Letters, at: int) -> bool:
    return at == len(page.places) or page.places[at] - page.places[at - 1] > 1


def _longest(page: str, quote: str, at: int) -> int:
    """Return how many letters of the quote, from `at` on, stand together somewhere."""
    low, high = 0, len(quote) - at
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if quote[at : at + middle] in page else (low, middle - 1)
    return low


def _all(page: str, part: str) -> Iterator[int]:
    at = page.find(part)
    while at >= 0:
        yield at
        at = page.find(part, at + 1)
