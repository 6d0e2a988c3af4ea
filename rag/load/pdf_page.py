"""Owns showing a page of a PDF, in the child process: its picture, and where on it words of its text stand."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import pairwise
from typing import NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from rag.errors import Unloadable
from rag.load.wording import Letters, find, letters, quote_of

MAX_PNG = 6_000_000
"""Bytes of a picture."""
_SCALE = 1.6  # pixels of a point: a page of letter size is 979 wide
_SMALLEST = 800  # pixels of the longer side
_LONGEST = 8_000
_MOST_PIXELS = 4_000_000
_SMALLER = 0.6  # each step from a picture that has too many bytes
_UNIT = 1_000_000

Rect = tuple[float, float, float, float]
"""Left, top, width and height as shares of the page as it is shown, from its top left corner."""


class Sheet(NamedTuple):
    """Which page it is of how many, and its size in points as it is shown."""

    pages: int
    width: float
    height: float


def render_page(data: bytes, number: int) -> tuple[Sheet, bytes]:
    """Return a page, from 1, as a PNG of at most `MAX_PNG` bytes.

    Raises Unloadable where there is no such page or it cannot be read.
    """
    with _opened(data, number, forms=True) as (page, sheet):
        scale = max(_SCALE, _SMALLEST / max(sheet.width, sheet.height))
        scale = min(scale, math.sqrt(_MOST_PIXELS / (sheet.width * sheet.height)))
        scale = min(scale, _LONGEST / max(sheet.width, sheet.height))
        while True:
            out = io.BytesIO()
            with closing(page.render(scale=scale)) as bitmap:
                bitmap.to_pil().save(out, "PNG")
            if len(out.getvalue()) <= MAX_PNG:
                return sheet, out.getvalue()
            scale *= _SMALLER


def locate(data: bytes, number: int, text: str, spans: Sequence[Sequence[int]]) -> tuple[Sheet, list[list[Rect]]]:
    """Return where spans (start, end) of a page's text stand on it, a rectangle for each line; none: not found.

    Raises Unloadable as `render_page`.
    """
    wanted = letters(list(text))
    with _opened(data, number) as (page, sheet), closing(page.get_textpage()) as text_page:
        chars = _characters(text_page)
        shown = letters(chars)
        rects = []
        for start, end in spans:
            pieces = find(shown, quote_of(wanted, start, end))
            ends = text[start:end]
            places = [place for piece in pieces for place in _places(chars, shown, piece, ends)]
            rects.append(_rects(page, text_page, places))
    return sheet, rects


@contextmanager
def _opened(data: bytes, number: int, forms: bool = False) -> Iterator[tuple[pdfium.PdfPage, Sheet]]:
    try:
        with pdfium.PdfDocument(data) as pdf:
            if not 1 <= number <= len(pdf):
                raise Unloadable("failed", "it has no such page")
            if forms:
                pdf.init_forms()  # what was written into its fields is part of the picture
            with closing(pdf[number - 1]) as page:
                width, height = page.get_size()
                if not (math.isfinite(width + height) and min(width, height) > 0):
                    raise Unloadable("failed", "its page has no size")
                yield page, Sheet(len(pdf), width, height)
    except pdfium.PdfiumError:
        raise Unloadable("failed", "damaged: its page cannot be read") from None


def _characters(page: pdfium.PdfTextPage) -> list[str]:
    """Return the characters of a page by their index; the second half of one beyond 16 bits is empty."""
    codes = [raw.FPDFText_GetUnicode(page.raw, i) for i in range(page.count_chars())]
    chars = [chr(code) if code < 0x110000 else "" for code in codes]
    for i, (high, low) in enumerate(pairwise(codes)):
        if 0xD800 <= high < 0xDC00 <= low < 0xE000:
            chars[i : i + 2] = chr(0x10000 + ((high - 0xD800) << 10) + low - 0xDC00), ""
    return chars


# ---------------------------------------------------------------- rectangles


def _places(chars: Sequence[str], page: Letters, piece: range, quote: str) -> range:
    """Return the characters of a piece, with the punctuation of the quote at its ends."""
    first, last = page.places[piece.start], page.places[piece.stop - 1]
    while first > 0 and _is_sign(chars[first - 1]) and chars[first - 1] in quote[:3]:
        first -= 1
    while last + 1 < len(chars) and _is_sign(chars[last + 1]) and chars[last + 1] in quote[-3:]:
        last += 1
    return range(first, last + 1)


def _is_sign(char: str) -> bool:
    return bool(char) and char.isprintable() and not char.isalnum() and not char.isspace()


def _rects(page: pdfium.PdfPage, text_page: pdfium.PdfTextPage, places: Sequence[int]) -> list[Rect]:
    lines: list[tuple[bool, list[float]]] = []  # whether it runs along x; left, bottom, right, top
    for place in places:
        box = _box(text_page, place)
        if box is None:
            continue
        level = round(raw.FPDFText_GetCharAngle(text_page.raw, place) / (math.pi / 2)) % 2 == 0
        if lines and lines[-1][0] == level and _on_line(lines[-1][1], box, level):
            line = lines[-1][1]
            line[:] = *map(min, line[:2], box[:2]), *map(max, line[2:], box[2:])
        else:
            lines.append((level, box))
    for (level, above), (_, below) in pairwise(lines):
        _part(above, below, 1 if level else 0)
    rects = (_share(page, line) for _, line in lines)
    return [rect for rect in rects if rect[2] > 0 and rect[3] > 0]


def _box(page: pdfium.PdfTextPage, i: int) -> list[float] | None:
    """Return a character's box as high as its line; None for what has none, such as a space."""
    code = raw.FPDFText_GetUnicode(page.raw, i)
    if code < 0x21 and code != 2:  # a hyphen at the end of a line
        return None
    box, tight = raw.FS_RECTF(), page.get_charbox(i)
    if raw.FPDFText_GetLooseCharBox(page.raw, i, box):
        loose = [box.left, box.bottom, box.right, box.top]
        if all(map(math.isfinite, loose)) and min(loose[2] - loose[0], loose[3] - loose[1]) < 3 * _size(page, i):
            return loose  # some fonts claim the height of half a page
    return list(tight) if all(map(math.isfinite, tight)) else None


def _size(page: pdfium.PdfTextPage, i: int) -> float:
    matrix = raw.FS_MATRIX()
    raw.FPDFText_GetMatrix(page.raw, i, matrix)
    return abs(float(raw.FPDFText_GetFontSize(page.raw, i))) * math.hypot(matrix.c, matrix.d)


def _on_line(line: Sequence[float], box: Sequence[float], level: bool) -> bool:
    along, across = (0, 1) if level else (1, 0)
    smaller, larger = sorted((line[across + 2] - line[across], box[across + 2] - box[across]))
    overlap = min(line[across + 2], box[across + 2]) - max(line[across], box[across])
    gap = max(box[along] - line[along + 2], line[along] - box[along + 2])
    return overlap > 0.5 * smaller and gap < 2 * larger


def _part(line: list[float], following: list[float], across: int) -> None:
    """Let lines that overlap meet in the middle between them: what is marked twice would be darker."""
    along = 1 - across
    if line[along] >= following[along + 2] or following[along] >= line[along + 2]:
        return
    upper, lower = (line, following) if line[across] > following[across] else (following, line)
    if lower[across] < upper[across] < lower[across + 2] < upper[across + 2]:
        upper[across] = lower[across + 2] = (upper[across] + lower[across + 2]) / 2


def _share(page: pdfium.PdfPage, box: Sequence[float]) -> Rect:
    """Return a box of the page's own space, as the page is turned and cut when it is shown."""
    x, y = raw.c_int(), raw.c_int()
    found = []
    for i, j in ((0, 1), (2, 3)):
        raw.FPDF_PageToDevice(page.raw, 0, 0, _UNIT, _UNIT, 0, box[i], box[j], x, y)
        found.append([min(max(value.value / _UNIT, 0.0), 1.0) for value in (x, y)])
    left, right = sorted((found[0][0], found[1][0]))
    top, bottom = sorted((found[0][1], found[1][1]))
    return left, top, right - left, bottom - top
