"""Owns the layout of a page: how lines that stand somewhere on it make headings, paragraphs, items and table rows.

Lengths are points (1/72 inch): x along the text, y across it, upwards.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from statistics import median

HYPHEN = "\x02"
"""Ends a line that a hyphen ends, until the words of the whole document are known."""
CELL_GAP = 1.0
"""In font sizes: a gap as wide parts cells where a line above or below has one at the same place."""
_WIDE_GAP = 1.5  # justified prose has none as wide; twice as wide, it parts cells anywhere
_PROSE = 12.0  # in font sizes: columns as wide hold sentences rather than the cells of a table
_MOST_CELLS = 60  # of a row that are looked at: the time grows with their square
_LARGER = 1.12  # than what is around: another style

BULLET = re.compile(r"\A[•●▪■◦‣○∙➢➤✓❖►▶\uf000-\uf0ff]\s*(?=\S)")
_LABEL = re.compile(  # decimals are none: "6.4 The bridge" begins a section, "6.4 metres" ends a sentence
    r"(?:(?:[-*–]|\(?(?:\d{1,3}|[A-Za-z]|[ivx]{1,5})[.)]|\[\d{1,3}\])(?=\s|\Z)"
    r"|\d{1,2}(?:\.\d{1,2}){1,3}\.?(?=\s+[^\W\d_a-z]|\Z))"
)
_FIRST_WORD = re.compile(r"\W*[^\s\u2e80-\u9fff]*")
_STOP = re.compile(r"[.!?:;。！？…：；][\"'”’»)\]」』]{0,3}\Z")
_NO_HEADING = re.compile(r"[.,;。，；][\"'”’»)\]」』]{0,3}\Z")


@dataclass(slots=True)
class Line:
    """Text on one baseline at height `y`, `turn` quarter turns from upright.

    `margin` is 1 in the top margin of the page, -1 in the bottom one; `mapped` is False where the font does not say
    which characters it shows; `running` marks headers and footers; `left` and `right` are those of its column.
    """

    page: int
    text: str
    x0: float
    x1: float
    y: float
    size: float
    bold: bool
    turn: int
    margin: int
    mapped: bool
    running: bool = False
    left: float = 0.0
    right: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether a sentence ends with it."""
        return _STOP.search(self.text[-9:]) is not None


@dataclass(slots=True)
class Block:
    """Lines that belong together, or the cells of a row; a kind of an article's blocks, "item" or "row"."""

    kind: str
    lines: list[Line]

    @property
    def first(self) -> Line:
        """The line it begins with."""
        return self.lines[0]

    @property
    def last(self) -> Line:
        """The line it ends with."""
        return self.lines[-1]


def page_blocks(lines: Sequence[Line], body: float) -> list[Block]:
    """Return the blocks of a page as the file names them, those that stand across the others at the end.

    `body` is the font size of most of the document.
    """
    turns = Counter(line.turn for line in lines)
    main = max(turns, key=turns.__getitem__, default=0)
    rows = _unwoven(_rows(sorted(lines, key=lambda line: line.turn != main)))
    rows = [_cells(row, rows[max(i - 1, 0) : i] + rows[i + 1 : i + 2]) for i, row in enumerate(rows)]
    leading = _set_columns(rows)
    blocks: list[Block] = []
    for row in rows:
        line, last = row[0], blocks[-1] if blocks else Block("", [])
        if len(row) > 1 or line.running:
            blocks.append(Block("boilerplate" if any(cell.running for cell in row) else "row", row))
        elif last.kind == "text" and not _begins(last.lines, line, leading, body):
            last.lines.append(line)
        elif last.kind != "row" or not _continue_cell(last.lines, line):
            blocks.append(Block("text", row))
    for block in blocks:
        if block.kind == "text":
            block.kind = _kind(block.lines, body)
    return blocks


# ---------------------------------------------------------------- rows and columns


def _rows(lines: Sequence[Line]) -> list[list[Line]]:
    """Join what follows closely on the same baseline; what stands further to the right is the next cell of a row."""
    rows: list[list[Line]] = []
    for line in lines:
        before = rows[-1][-1] if rows else line
        small, size = sorted((line.size, before.size))
        gap, step = line.x0 - before.x1, abs(before.y - line.y)
        level = step < 0.3 * size and gap > -0.5 * size
        script = small < 0.8 * size and step < 0.7 * size and gap > -2 * small  # one may stand over the other
        if before is line or before.turn != line.turn or not (level or script) or before.text[-1] == HYPHEN:
            rows.append([line])
        elif gap > CELL_GAP * size:
            rows[-1].append(line)
        else:
            rows[-1][-1] = _beside(before, line, " " if gap > 0.15 * size else "")
    return rows


def _beside(left: Line, right: Line, space: str) -> Line:
    style = max(left, right, key=lambda line: len(line.text))
    running, bold = left.running or right.running, left.bold and right.bold
    text = left.text + space + right.text
    return replace(style, text=text, x0=left.x0, x1=max(left.x1, right.x1), running=running, bold=bold)


def _unwoven(rows: Sequence[list[Line]]) -> list[list[Line]]:
    """Put two columns of prose one after the other where the file names a line of each by turns."""
    groups: list[list[list[Line]]] = []  # rows that one gap runs down through
    border = 0.0
    for row in rows:
        size = row[0].size
        near = bool(groups) and len(groups[-1][0]) == 2 and 0 < groups[-1][-1][0].y - row[0].y < 2 * size
        if not near or len(row) > 2 or any(cell.x0 < border < cell.x1 for cell in row):
            groups.append([])
            border = row[-1].x0 - 0.5 * size
        groups[-1].append(row)
    return [row for group in groups for row in (_columns(group) or group)]


def _columns(group: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Return the lines of the left column, then those of the right one; nothing where they are not prose."""
    pairs = [row for row in group if len(row) == 2]
    if len(pairs) < 3 or any(median((row[i].x1 - row[i].x0) / row[i].size for row in pairs) < _PROSE for i in (0, 1)):
        return []
    border = group[0][1].x0 - 0.5 * group[0][0].size
    return [[cell] for cell in sorted(chain.from_iterable(group), key=lambda cell: cell.x0 >= border)]


def _cells(row: list[Line], near: Sequence[Sequence[Line]]) -> list[Line]:
    """Return the cells of a row of a table; one line where they are a label and its text, or prose with a wide gap."""
    if len(row) == 1:
        return row
    gaps = [(b.x0 - a.x1) / b.size for a, b in pairwise(row)]
    wide = [gap for gap in gaps if gap > _WIDE_GAP]
    others = [other for cells in near for other in cells[1:_MOST_CELLS]]
    distances = [min((_distance(cell, other) for other in others), default=math.inf) for cell in row[1:]]
    aligned = median(distances) < 0.5
    even = len(gaps) > 1 and max(gaps) < 1.25 * min(gaps) and max(distances) > 0.1
    flush = any(len(cells) == 1 and _fills(row, cells[0]) for cells in near)
    label = len(row) == 2 and (_LABEL.fullmatch(row[0].text) or len(row[0].text) == 1)
    table = len(wide) > 2 or max(gaps) > 2 * _WIDE_GAP or (aligned and (wide or len(gaps) > 1))
    if table and not (label or even or flush):
        return row
    return [replace(row[-1], text=" ".join(cell.text for cell in row), x0=row[0].x0)]


def _distance(line: Line, other: Line) -> float:
    """Return how far apart the left ends, the right ends or the middles of two cells are, in font sizes."""
    left, right = line.x0 - other.x0, line.x1 - other.x1
    return min(abs(left), abs(right), abs(left + right) / 2) / line.size


def _fills(row: Sequence[Line], line: Line) -> bool:
    """Whether a row begins and ends where a line beside it does, as in justified prose."""
    return max(abs(row[0].x0 - line.x0), abs(row[-1].x1 - line.x1)) < 0.3 * line.size


def _set_columns(rows: Sequence[Sequence[Line]]) -> float:
    """Set where the column of each line is; return the usual step from line to line, in font sizes."""
    columns: list[list[Line]] = []
    steps = []
    for before, row in pairwise([[], *rows]):
        alike = len(before) == len(row) == 1 and (before[0].turn, row[0].running) == (row[0].turn, False)
        step = (before[0].y - row[0].y) / row[0].size if alike else 0.0
        if 0.8 < step < 3 and abs(before[0].size - row[0].size) < 0.03 * row[0].size:
            columns[-1].append(row[0])
            steps.append(step)
        else:
            columns.append([row[0]])
    for column in columns:
        left, right = min(line.x0 for line in column), max(line.x1 for line in column)
        for line in column:
            line.left, line.right = left, right
    return sorted(steps)[len(steps) // 4] if steps else 1.2  # most lines are closer than paragraphs


def _continue_cell(cells: list[Line], line: Line) -> bool:
    """Add a line to the cell of a row that it goes on with, if any: right below, and not in the first column."""
    for i, cell in enumerate(cells[1:], 1):
        below = abs(line.x0 - cell.x0) < 0.3 * cell.size and 0 < cell.y - line.y < 1.5 * cell.size
        if below and cell.turn == line.turn and len(cell.text) < 1000:  # a column of text is no cell
            cells[i] = replace(cell, text=f"{cell.text} {line.text}", y=line.y)
            return True
    return False


# ---------------------------------------------------------------- paragraphs


def _begins(block: Sequence[Line], line: Line, leading: float, body: float) -> bool:
    """Whether a line begins a paragraph, rather than goes on with the one before it."""
    first, before, ended, lower = block[0], block[-1], block[-1].ended, line.text[0].islower()
    most = leading * line.size * (1.3 if ended or not lower else 1.8)  # a line with scripts needs more room
    near = before.turn == line.turn and 0 < before.y - line.y < most
    same_size = line.size < _LARGER * before.size and before.size < _LARGER * line.size
    if not near or not same_size or line.x0 > before.x1 or line.x1 < before.x0:
        return True
    if before.text[-1] == HYPHEN:
        return False
    short = before.x1 - before.x0 < 0.5 * (line.right - before.x0)
    done = short or (_has_room(before, line) and (ended or not lower))
    item = BULLET.match(first.text) or _LABEL.match(first.text)
    sibling = item and abs(line.x0 - first.x0) < 0.5 * line.size
    if BULLET.match(line.text) or (_LABEL.match(line.text) and (ended or done or sibling)):
        return True
    if before.bold != line.bold:
        return all(part.bold for part in block) if before.bold else ended or done
    left, right = line.x0 - before.x0, line.x1 - before.x1
    centred = abs(left) > 0.3 * line.size and abs(left + right) < 0.5 * line.size
    if line.bold or line.size > _LARGER * body or centred:
        return False
    if lower and not ended:
        return short
    indent = 0.7 * line.size
    if len(block) > 1:
        return done or abs(left) > indent
    both_indented = abs(left) < indent and line.x0 - line.left > indent
    return done or (ended and not item and (left > indent or both_indented))


def _has_room(before: Line, line: Line) -> bool:
    """Whether the first word of a line had found room on the one before it: somebody wanted a new line."""
    word = _FIRST_WORD.match(line.text)
    share = (len(word.group()) + 1 if word else 1) / len(line.text)
    return before.x1 + share * (line.x1 - line.x0) + line.size < line.right


def _kind(lines: Sequence[Line], body: float) -> str:
    text = " ".join(line.text for line in lines)
    if BULLET.match(text):
        return "item"
    styled = all(line.bold for line in lines) or min(line.size for line in lines) > _LARGER * body
    words = sum(map(str.isalpha, text)) > max(0.6 * len(text.replace(" ", "")), 1)
    if styled and words and len(text) <= 200 and not _NO_HEADING.search(text[-9:]):
        return "heading"
    return "item" if _LABEL.match(text) else "text"
