"""Owns the way of a text through pages: running lines, title, reading order, breaks, words parted at line ends."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Sequence
from itertools import chain, pairwise
from statistics import median

from rag.load.document import PAGE, RawBlock
from rag.load.layout import BULLET, HYPHEN, Block, Line, page_blocks
from rag.types import BlockKind

_MOST_BLOCKS = 200  # on a page that is put in order; the time grows with their square
_KINDS: dict[str, BlockKind] = {"title": "title", "heading": "heading", "boilerplate": "boilerplate"}
_CJK = "\u2e80-\u30ff\u31f0-\u9fff\uf900-\ufaff\uff00-\uffef"  # without Korean, which has spaces
_UNSPACED = re.compile(rf"[{_CJK}][{_CJK}\d]|\d[{_CJK}]")


def read_through(pages: Sequence[Sequence[Line]], title: str | None) -> list[RawBlock]:
    """Return the blocks of a document with the marks of its pages; `title` is the one known from elsewhere."""
    _mark_running(pages)
    sizes: Counter[float] = Counter()
    for line in chain.from_iterable(pages):
        sizes[round(line.size, 1)] += len(line.text)
    body = max(sizes, key=sizes.__getitem__)
    blocks = [block for page in pages for block in _in_reading_order(page_blocks(page, body))]
    _mark_title(blocks, title, body)
    return list(_raw_blocks(_joined_over_breaks(blocks, body), len(pages)))


def _mark_running(pages: Sequence[Sequence[Line]]) -> None:
    """Mark headers, footers and page numbers: the same text at the same place of three pages or more.

    It must be on half of the pages between the first and the last of them, as left and right pages differ. The first
    or the last number in it may grow with the pages.
    """
    alike: defaultdict[tuple[int, str], list[Line]] = defaultdict(list)
    for line in chain.from_iterable(pages):
        numbers = list(re.finditer(r"\d{1,5}", line.text)) if line.margin else []
        texts = {line.text} if line.margin else set()
        for number in (*numbers[:1], *numbers[-1:]):
            offset = int(number.group()) - line.page
            texts.add(f"{line.text[: number.start()]}{PAGE}{offset}{line.text[number.end() :]}")
        for text in texts:
            alike[line.margin, text].append(line)
    for lines in alike.values():
        height = median(line.y for line in lines)
        lines = [line for line in lines if abs(line.y - height) < line.size]
        numbered = {line.page for line in lines}
        if len(numbered) >= 3 and 2 * len(numbered) > max(numbered) - min(numbered):
            for line in lines:
                line.running = True
    for page in pages:
        for margin, turn in {(line.margin, line.turn) for line in page if line.running}:
            _keep_outermost([line for line in page if (line.margin, line.turn) == (margin, turn)])


def _keep_outermost(lines: list[Line]) -> None:
    """Take back the marks behind which, seen from the middle of the page, other text stands."""
    lines.sort(key=lambda line: -line.margin * line.y)
    running = True
    for line in lines:
        beside = (other.running and abs(other.y - line.y) < 0.5 * line.size for other in lines)
        running = running and (line.running or any(beside))
        line.running = line.running and running


def _mark_title(blocks: Sequence[Block], known: str | None, body: float) -> None:
    """Mark the largest heading of the first page as the title, where it is the known one or none is known."""
    heads = [block for block in blocks if block.kind == "heading" and block.first.page == blocks[0].first.page]
    heads = [block for block in heads if sum(map(str.isalpha, _text(block))) > 4]
    head = max(heads, key=lambda block: block.first.size, default=None)
    if head is None or head.first.size < 1.1 * body or head.first.turn or head.first.margin < 0:
        return
    if known is None or known == _text(head):
        head.kind = "title"


# ---------------------------------------------------------------- reading order


def _in_reading_order(blocks: list[Block]) -> list[Block]:
    """Return the blocks as the file names them, or by place where that jumps back up a column."""
    upright = [block for block in blocks if block.first.turn == blocks[0].first.turn]
    if len(upright) > _MOST_BLOCKS:
        return blocks
    spans = [(_span(block, across=True), _span(block, across=False)) for block in upright]
    back = any(
        low[0] >= high[1] and left[0] < right[1] and right[0] < left[1]
        for i, (left, low) in enumerate(spans)
        for right, high in spans[i + 1 :]
    )
    return _by_place(upright) + blocks[len(upright) :] if back else blocks


def _by_place(blocks: list[Block]) -> list[Block]:
    """Sort by columns, and within them from top to bottom: a recursive XY cut."""
    groups = _parted(blocks, across=True)
    if len(groups) == 1:
        groups = []
        for band in _parted(blocks, across=False):
            together = [*chain.from_iterable(groups[-1:]), *band]
            columns = any(len(_parted(part, across=True)) > 1 for part in (band, *groups[-1:]))
            if groups and columns and len(_parted(together, across=True)) > 1:  # the columns go on
                groups[-1] = together
            else:
                groups.append(band)
    return blocks if len(groups) == 1 else [block for group in groups for block in _by_place(group)]


def _parted(blocks: Sequence[Block], across: bool) -> list[list[Block]]:
    """Part blocks where a line from edge to edge meets none: columns, or bands from top to bottom."""
    parts: list[list[Block]] = []
    reach = -math.inf
    for (start, end), block in sorted(((_span(block, across), block) for block in blocks), key=lambda item: item[0]):
        if start >= reach:
            parts.append([])
        parts[-1].append(block)
        reach = max(reach, end)
    return parts


def _span(block: Block, across: bool) -> tuple[float, float]:
    if across:
        return min(line.x0 for line in block.lines), max(line.x1 for line in block.lines)
    return min(-line.y - 0.7 * line.size for line in block.lines), max(-line.y for line in block.lines)


# ---------------------------------------------------------------- breaks


def _joined_over_breaks(blocks: Sequence[Block], body: float) -> list[Block]:
    """Join the paragraphs that go on in the next column or on the next page, past notes, tables and running lines."""
    done: list[Block] = []
    start: int | None = None  # where the paragraph is that may go on
    for block in blocks:
        if start is not None and _goes_on(done[start], block, body):
            paragraph, between = done[start], done[start + 1 :]
            page, next_page = paragraph.last.page, block.first.page
            # What stands between has to stay on its page: in front of the paragraph, or behind it.
            fits_before = paragraph.first.page == page
            front = [other for other in between if fits_before and other.first.page == page]
            behind = [
                other for other in between if other.first.page == next_page and not (fits_before and page == next_page)
            ]
            if len(front) + len(behind) == len(between):
                paragraph.lines += block.lines
                done[start:] = [*front, paragraph, *behind]
                start += len(front)
                continue
        done.append(block)
        if block.kind in ("heading", "title"):
            start = None
        elif block.kind in ("text", "item") and _is_body(block, body):
            stands_alone = len(block.lines) == 1 and start is not None and _breaks_off(done[start])  # such as a label
            start = start if stands_alone else len(done) - 1
    return done


def _is_body(block: Block, body: float) -> bool:
    return abs(block.last.size - body) < 0.06 * body


def _breaks_off(block: Block) -> bool:
    return len(block.lines) > 1 and block.last.x1 > block.last.right - 5 * block.last.size and not block.last.ended


def _goes_on(block: Block, following: Block, body: float) -> bool:
    before, line = block.last, following.first
    alike = (before.turn, before.bold) == (line.turn, line.bold) and _is_body(following, body)
    next_column = line.page == before.page and line.y > before.y and line.x0 > before.x1
    if following.kind != "text" or not alike or before.ended or not (next_column or line.page > before.page):
        return False
    ends = line.ended if len(following.lines) < 2 else line.x0 - following.lines[1].x0 < 0.5 * line.size  # no indent
    return line.text[0].islower() or (_breaks_off(block) and ends)


# ---------------------------------------------------------------- text


def _raw_blocks(blocks: Sequence[Block], pages: int) -> Iterator[RawBlock]:
    page, kind = 0, ""
    for block, text in zip(blocks, _spelled([_text(block) for block in blocks]), strict=True):
        begins = PAGE * (block.first.page - page)
        tight = block.kind == kind and kind in ("item", "row")
        page, kind = block.last.page, block.kind
        yield RawBlock(_KINDS.get(kind, "text"), begins + text, tight)
    yield RawBlock("text", PAGE * (pages - page))


def _text(block: Block) -> str:
    """Return the text of a block, with the marks of pages and of hyphens at the end of lines."""
    if block.kind in ("row", "boilerplate"):
        return " | ".join(line.text for line in block.lines)
    parts = [BULLET.sub("", block.first.text)]
    for before, line in pairwise(block.lines):
        end = parts[-1]
        if end[-1] in "-‐\xad" and end[-2:-1].isalpha() and line.text[0].islower():
            parts[-1] = end[:-1] + HYPHEN
        unspaced = parts[-1][-1] == HYPHEN or _UNSPACED.match(end[-1] + line.text[0])
        parts += (("" if unspaced else " ") + PAGE * (line.page - before.page), line.text)
    return "".join(parts)


def _spelled(texts: Sequence[str]) -> list[str]:
    """Put the words together that are parted at the end of a line, with the hyphen where it is theirs.

    The other words of the document tell. Where they do not, it goes if it goes often: a program set these lines.
    """
    tokens = chain.from_iterable(re.findall(rf"[\w{HYPHEN}-]+", text.lower()) for text in texts)
    words = {part for token in tokens if HYPHEN not in token for part in (token, *token.split("-"))}
    parts = [text.split(HYPHEN) for text in texts]
    compounds = [[_is_compound(left, right, words) for left, right in pairwise(part)] for part in parts]
    known = Counter(chain.from_iterable(compounds))
    signs = {True: "-", False: "", None: "" if 2 * known[False] > known[True] else "-"}
    return [
        "".join(chain(part[:1], *((signs[sign], piece) for sign, piece in zip(found, part[1:], strict=True))))
        for part, found in zip(parts, compounds, strict=True)
    ]


def _is_compound(left: str, right: str, words: Container[str]) -> bool | None:
    """Whether the two halves of a word have a hyphen wherever they stand; None where no other word tells."""
    before = re.split(r"[^\w-]", left[-40:])[-1]
    after = re.split(r"[^\w-]", right.lstrip(PAGE)[:40])[0]
    same_case = after[:1].islower() or (after.isupper() and before.isupper())
    if not same_case or len(before) == 1:
        return True
    before, after = before.lower(), after.lower()
    last = before.rpartition("-")[2]
    if before + after in words or last + after in words:
        return False
    parts_are_words = last in words and after in words and (len(last) > 2 or last != before)
    return True if parts_are_words or f"{before}-{after}" in words else None
