"""Owns what a reader sees of a page: its text in pieces, and the elements around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from rag.load.html_tree import Element
from rag.text import without_unseen

HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_CELLS = frozenset({"td", "th"})
_BLOCKS = (
    HEADINGS
    | _CELLS
    | frozenset(
        "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure "
        "footer form header hgroup hr html li main menu nav ol p pre section summary table tbody tfoot thead tr "
        "ul".split()
    )
)
_NOT_SHOWN = frozenset(
    "audio button canvas datalist dialog iframe label legend math noembed noframes noscript object script select "
    "style svg template textarea title video".split()
)
# What frameworks call text that only screen readers get, and a wiki its buttons.
_NOT_SHOWN_CLASSES = frozenset({"sr-only", "visually-hidden", "screen-reader-text", "mw-editsection"})
_WHOLE = frozenset({"html", "body"})  # often hidden until a script has run
_OF_SITES = frozenset({"form", "iframe", "nav", "script"})
_NUMBER_NIL = r"\s*:\s*(?:0++(?:\.0*+)?|\.0++)(?:px|em|rem|pt|%)?\s*+(?:;|!|\Z)"
_HIDDEN = re.compile(
    rf"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|font-size{_NUMBER_NIL}|(?:text-indent|left|top)\s*:\s*-\d{{4}}",
    re.IGNORECASE,
)
_TRANSPARENT = re.compile(rf"opacity{_NUMBER_NIL}", re.IGNORECASE)
_WHITE = r"(?:white|transparent|#fff(?:fff)?|rgba?\(\s*255\s*,\s*255\s*,\s*255\b[^;]*+)"
_WHITE_STYLE = re.compile(rf"(?<![\w-])color\s*:\s*{_WHITE}\s*+(?:;|!|\Z)", re.IGNORECASE)
_WHITE_COLOUR = re.compile(rf"\s*{_WHITE}\s*\Z", re.IGNORECASE)
_SPACE = re.compile(r"[^\S\xa0]+")
_SPACES = re.compile(r"[ \xa0]{2,}")
_CELL_LENGTH = 500  # a cell of several paragraphs and more characters than these is layout, not data


@dataclass(slots=True, eq=False)
class Piece:
    """A run of text between the borders of blocks.

    `owner` is the block element around it, `cell` the table cell; `linked` counts the characters inside links that
    lead away; `faint` is text that is there but cannot be seen: transparent, or in the colour of the paper.
    """

    text: str
    owner: Element
    linked: int = 0
    faint: bool = False
    cell: Element | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A block element and the pieces `first` to `end` (exclusive) inside it."""

    element: Element
    first: int
    end: int


@dataclass(slots=True)
class Text:
    """The pieces of a page in order, and its sections, inner ones before the outer.

    `of_site` is false where nothing in it is made for a browser: in a chapter of an e-book, a letter, an export.
    """

    pieces: list[Piece] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    of_site: bool = False


def read_text(root: Element) -> Text:
    """Return the visible text below an element."""
    reader = _Reader(root)
    path = [(root, iter(root.children))]
    while path:  # no recursion: elements may be nested as deeply as a file is long
        element, children = path[-1]
        node = next(children, None)
        if node is None:
            path.pop()
            reader.leave(element)
        elif isinstance(node, str):
            reader.text(node)
        elif node.name == "br":
            reader.line_break()
        else:
            reader.found.of_site |= node.name in _OF_SITES
            if _is_shown(node):
                reader.enter(node)
                path.append((node, iter(node.children)))
    return reader.found


def _is_shown(element: Element) -> bool:
    if element.name in _NOT_SHOWN:
        # The headings of an accordion are buttons.
        return element.name in ("button", "label") and element.parent is not None and element.parent.name in HEADINGS
    given = element.attributes
    if not given:
        return True
    if element.name in _WHOLE:
        return True
    hidden = "hidden" in given or given.get("aria-hidden", "").strip().lower() == "true"
    return not (
        hidden
        or ("style" in given and _HIDDEN.search(given["style"]))
        or ("class" in given and not _NOT_SHOWN_CLASSES.isdisjoint(given["class"].split()))
    )


def _is_link(element: Element) -> bool:
    """Whether an element leads away from the page."""
    return element.name == "a" and not element.attributes.get("href", "#").startswith("#")


def _is_faint(element: Element) -> bool:
    if element.name in _WHOLE:
        return False
    style = element.attributes.get("style", "")
    return bool(
        _TRANSPARENT.search(style)
        or _WHITE_STYLE.search(style)
        or _WHITE_COLOUR.match(element.attributes.get("color", ""))
    )


def _has_background(element: Element) -> bool:
    return "bgcolor" in element.attributes or "background" in element.attributes.get("style", "").lower()


class _Reader:
    """Cuts the text of a page into pieces while it is walked through."""

    def __init__(self, root: Element) -> None:
        self.found = Text()
        self._root = root
        self._owners: list[Element] = []
        self._begins: list[tuple[int, int]] = []  # how many pieces and sections there were before each owner
        self._cells: list[Element | None] = [None]
        self._parts: list[str] = []
        self._linked = 0
        self._linked_inside = self._pre_inside = 0  # elements that are open
        self._faint: list[Element] = []
        self._backed: list[Element] = []
        self.enter(root)

    def enter(self, element: Element) -> None:
        self._linked_inside += _is_link(element)
        self._pre_inside += element.name == "pre"
        if element.attributes:
            if _has_background(element):
                self._backed.append(element)
            if not self._backed and _is_faint(element):
                self._flush()
                self._faint.append(element)
        if element.name in _BLOCKS or element is self._root:
            self._flush()
            self._owners.append(element)
            self._begins.append((len(self.found.pieces), len(self.found.sections)))
            if element.name in _CELLS:
                self._cells.append(element)
            elif element.name == "table":
                self._cells.append(None)

    def leave(self, element: Element) -> None:
        if element.name in _BLOCKS or element is self._root:
            self._flush()
            self._owners.pop()
            first, sections = self._begins.pop()
            if element.name in _CELLS or element.name == "table":
                self._cells.pop()
            elif element.name == "tr":
                self._join_cells(element, first, sections)
            if len(self.found.pieces) > first:
                self.found.sections.append(Section(element, first, len(self.found.pieces)))
        if self._faint and self._faint[-1] is element:
            self._flush()
            self._faint.pop()
        if self._backed and self._backed[-1] is element:
            self._backed.pop()
        self._linked_inside -= _is_link(element)
        self._pre_inside -= element.name == "pre"

    def text(self, text: str) -> None:
        self._parts.append(text if self._pre_inside else _SPACE.sub(" ", text))
        if self._linked_inside:
            self._linked += len(text.strip())

    def line_break(self) -> None:
        self._parts.append("\n")

    def _flush(self) -> None:
        text = "".join(self._parts)
        if text and not text.isspace():
            text = without_unseen(text)
            owner = self._owners[-1]
            paragraphs = [text.strip("\n").rstrip()] if self._pre_inside else _paragraphs(_SPACES.sub(" ", text), owner)
            for i, paragraph in enumerate(paragraphs):
                linked = min(self._linked, len(paragraph)) if i == 0 else 0
                self.found.pieces.append(Piece(paragraph, owner, linked, bool(self._faint), self._cells[-1]))
        self._parts.clear()
        self._linked = 0

    def _join_cells(self, row: Element, first: int, sections: int) -> None:
        """Make one piece of the cells of a row, unless the table only places things on the page."""
        pieces = self.found.pieces
        cells: dict[Element | None, list[Piece]] = {
            cell: [] for cell in row.children if isinstance(cell, Element) and cell.name in _CELLS and _is_shown(cell)
        }
        if len(cells) < 2:
            return
        for i in range(first, len(pieces)):
            piece = pieces[i]
            if piece.cell not in cells or piece.owner.name in HEADINGS:
                return  # a table within the table, or a layout
            cells[piece.cell].append(piece)
        filled = [cell for cell in cells.values() if cell]
        if len(filled) == 1 and len(filled[0]) > 1:
            return
        if any(len(cell) > 1 and sum(len(piece.text) for piece in cell) > _CELL_LENGTH for cell in filled):
            return
        texts = [" ".join(piece.text.replace("\n", " ") for piece in cell) for cell in cells.values()]
        if joined := " | ".join(texts).strip(" |"):
            linked = sum(piece.linked for cell in filled for piece in cell)
            faint = any(piece.faint for cell in filled for piece in cell)
            del pieces[first:], self.found.sections[sections:]
            pieces.append(Piece(joined, row, linked, faint, self._cells[-1]))


def _paragraphs(text: str, owner: Element) -> Iterator[str]:
    """Yield the text of a block, cut where two line breaks follow each other: so old pages part paragraphs."""
    lines: list[str] = []
    for line in text.split("\n"):
        if line.strip():
            lines.append(line.strip())
        elif lines and owner.name not in HEADINGS:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)
