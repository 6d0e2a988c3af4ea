"""Owns what word processors have in common: lines that become blocks, and what a file says of itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar
from xml.etree.ElementTree import Element

from rag.load.document import RawBlock
from rag.load.metadata import one_line, parse_date

_HEADING_LENGTH = 200  # a longer one is a paragraph that somebody made large
_CELL_LENGTH = 500  # a cell of several paragraphs and more characters than these is layout, not data
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(r"[^\S\n\xa0]+")
_FIRST_YEAR = "1980"  # a clock that was never set says 1601, 1900 or 1970
_NO_AUTHORS = frozenset(  # what programs write that do not know who it is
    "python-docx|un-named|apache poi|docx4j|openxml|microsoft word|microsoft office user|windows user|office user|user|"
    "admin|administrator|author|unknown|unknown author".split("|")
)
_NO_TITLE = re.compile(r"(?:(?:word |new )?document ?\d*|untitled\b.*)\Z", re.IGNORECASE)
_HEADING_NAME = re.compile(r"heading ?([1-9])\Z", re.IGNORECASE)
_PRINTED_FROM = re.compile(r"Microsoft (?:Office )?Word - ")

_SYMBOL = {
    **dict(enumerate("ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ", ord("A"))),
    **dict(enumerate("αβχδεφγηιϕκλμνοπθρστυϖωξψζ", ord("a"))),
    **dict(zip(b"\xa3\xa5\xae\xb0\xb1\xb3\xb4\xb7\xb9\xbb\xd7", "≤∞→°±≥×•≠≈⋅", strict=True)),
}
_WINGDINGS = dict(zip(b"JLlno\xa7\xa8\xd8\xdf\xe0\xfb\xfc\xfd\xfe", "☺☹●■□▪◻➢←→✗✓☒☑", strict=True))

Style = TypeVar("Style")


class Line(NamedTuple):
    """A paragraph or table row before it is known what it is in the document.

    `level` is 0 for the title and 1 to 9 for headings; lines of one `group` belong to one list or table;
    `aside` marks a line that only shows the way through the document, as in a table of contents.
    """

    text: str
    level: int | None = None
    group: str | None = None
    aside: bool = False


@dataclass(slots=True)
class Flow:
    """A text in the making, where a format does not nest its paragraphs, cells and rows but ends each by a word."""

    lines: list[Line] = field(default_factory=list)
    text: list[str] = field(default_factory=list)  # of the paragraph being read
    listed: bool = False
    cell: list[Line] = field(default_factory=list)
    cells: list[list[Line]] = field(default_factory=list)  # of the row being read
    boxes: list[Line] = field(default_factory=list)  # anchored in the paragraph being read
    tables: int = 0

    def end_paragraph(self, level: int | None, in_table: bool) -> None:
        """End the paragraph being read, or one of several in a cell."""
        text = "".join(self.text)
        if _SURROGATE.search(text):  # characters beyond the first plane come in halves
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        line = Line(text, level, "list" if self.listed else None)
        self.text, self.listed = [], False
        if in_table:
            self.cell.append(line)
            return
        self.end_row()
        self.tables += 1
        self.lines += [line, *self.boxes]
        self.boxes = []

    def end(self, in_table: bool) -> None:
        """End the text, whatever of it is still open."""
        if self.text:
            self.end_paragraph(None, in_table)
        self.end_row()
        self.lines += self.boxes

    def end_cell(self) -> None:
        """End the cell being read."""
        self.end_paragraph(None, in_table=True)
        self.cells.append(self.cell)
        self.cell = []

    def end_row(self) -> None:
        """End the row being read, if there is one."""
        if self.text:
            self.end_cell()
        if self.cell or self.cells:
            cells = [*self.cells, self.cell] if self.cell else self.cells
            self.lines += [*table_row(cells, f"table {self.tables}"), *self.boxes]
            self.cell, self.cells, self.boxes = [], [], []


def arrange(lines: Iterable[Line]) -> list[RawBlock]:
    """Return the blocks of all lines with text; a heading in front of all, alone on its level, is the title."""
    kept = [line._replace(text=text) for line in lines if (text := _tidy(line.text))]
    title = _title_at([line.level for line in kept])
    blocks: list[RawBlock] = []
    group: str | None = None
    for i, line in enumerate(kept):
        tight = line.group is not None and line.group == group
        group = line.group
        if line.aside:
            blocks.append(RawBlock("boilerplate", line.text, tight))
        elif line.level is None or len(line.text) > _HEADING_LENGTH:
            blocks.append(RawBlock("text", line.text, tight))
        else:
            blocks.append(RawBlock("title" if i == title else "heading", line.text))
    return blocks


def table_row(cells: list[list[Line]], group: str) -> list[Line]:
    """Return one line for the cells of a row; the lines as they are where the table only places them on the page."""
    cells = [[line for line in cell if line.text.strip()] for cell in cells]
    filled = [cell for cell in cells if cell]
    layout = any(len(cell) > 1 and sum(len(line.text) for line in cell) > _CELL_LENGTH for cell in filled)
    if layout or (len(filled) == 1 and (len(filled[0]) > 1 or filled[0][0].level is not None)):
        return [line for cell in filled for line in cell]
    texts = [" ".join(_tidy(line.text) for line in cell).replace("\n", " ") for cell in cells]
    return [Line(" | ".join(texts).strip(" |"), group=group)]


def heading_level(style_name: str) -> int | None:
    """Return the level that the name of a built-in style stands for, 0 for the title."""
    match = _HEADING_NAME.match(style_name)
    return int(match.group(1)) if match else 0 if style_name.lower() == "title" else None


def symbol(font: str, code: int) -> str:
    """Return the character at a place of a font without Unicode; U+FFFD where we do not know it."""
    code &= 0xFF  # some write it into the private area of Unicode
    table = _WINGDINGS if font.lower().startswith("wingdings") else _SYMBOL
    return table.get(code) or (chr(code) if table is _SYMBOL and 0x20 <= code < 0x40 else "\ufffd")


def inherited(
    definitions: Mapping[str, Element],
    parent: Callable[[Element], str],
    derive: Callable[[Style, Element], Style],
    base: Style,
) -> dict[str, Style]:
    """Return every style with what it takes over from its parents; a style that is its own ancestor has none."""
    styles: dict[str, Style] = {}
    for name in definitions:
        chain: dict[str, Element] = {}
        while name in definitions and name not in styles and name not in chain:
            chain[name] = definitions[name]
            name = parent(chain[name])
        style = styles.get(name, base)
        for name in reversed(chain):
            style = styles[name] = derive(style, chain[name])
    return styles


def author_name(value: str | None) -> str | None:
    """Return the author as a word processor noted it; None for the names that stand for nobody."""
    name = one_line(value)
    return None if name is None or name.lower() in _NO_AUTHORS else name


def noted_title(value: str | None) -> str | None:
    """Return the title as a word processor noted it; None for what it says of a document without one."""
    title = _PRINTED_FROM.sub("", one_line(value) or "", count=1)
    return None if not title or _NO_TITLE.match(title) else title


def noted_date(*values: str | None) -> str | None:
    """Return the first ISO date that a word processor can have noted."""
    found = (parse_date(value) for value in values)
    return next((day for day in found if day and day >= _FIRST_YEAR), None)


def _title_at(levels: list[int | None]) -> int | None:
    if 0 in levels:
        return levels.index(0)
    return 0 if levels and levels[0] is not None and levels.count(levels[0]) == 1 else None


def _tidy(text: str) -> str:
    # Soft hyphens say where a line may be broken; inside a word they would hide it from every search.
    lines = (line.strip(" ") for line in _SPACES.sub(" ", text.replace("\xad", "")).split("\n"))
    return "\n".join(line for line in lines if line)
