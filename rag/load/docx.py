"""Owns DOCX: the words of a Word document as its reader sees them, and what the file says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element

from rag.errors import Unloadable
from rag.load.archive import Archive, member_name
from rag.load.document import Document
from rag.load.lines import (
    Line,
    arrange,
    author_name,
    heading_level,
    inherited,
    noted_date,
    noted_title,
    symbol,
    table_row,
)
from rag.load.metadata import language_code

# What stands in a document and is not its text: properties, deletions, field codes, the reading aid over a character.
_NOT_TEXT = frozenset("pPr rPr sdtPr tblPr trPr tcPr sectPr del moveFrom instrText delText delInstrText rt".split())
_CHARACTERS = {"tab": " ", "ptab": " ", "br": "\n", "cr": "\n", "noBreakHyphen": "\u2011"}
_OFF = frozenset({"0", "false", "off", "none"})
_CONTENTS_NAME = re.compile(r"(?:toc ?[1-9]|table of figures)\Z", re.IGNORECASE)
_TEMPLATE_TIME = "2013-12-23T23:15:00Z"  # python-docx writes it into every new document
_NOTHING = Element("nothing")


def parse_docx(data: bytes) -> Document:
    """Read a Word document from its beginning to its end, footnotes and endnotes behind the text.

    Left out: what is hidden or deleted, comments, headers and footers, and the marks of notes, which would
    stand in a sentence as digits that are not its words. Nothing outside the file is looked at.
    Raises Unloadable where the file is damaged or over a limit of archives.
    """
    archive = Archive(data)
    package = _related(archive, "")
    main = package.get("officeDocument", "word/document.xml")
    related = _related(archive, main)
    body = _child(archive.xml(main), "body")
    if body is _NOTHING:
        raise Unloadable("failed", "damaged: no text where a Word document has it")
    reader = _Reader(_read_styles(_xml(archive, related.get("styles", "word/styles.xml"))))
    try:
        lines = [*reader.lines(body), Line("".join(reader.carried))]
        for kind in ("footnote", "endnote"):
            lines += reader.note_lines(kind, _xml(archive, related.get(f"{kind}s", f"word/{kind}s.xml")))
    except RecursionError:
        raise Unloadable("failed", "damaged: nested too deeply") from None
    core = {_name(entry): entry.text for entry in _xml(archive, package.get("core-properties", "docProps/core.xml"))}
    return Document(
        arrange(lines),
        title=next((line.text for line in lines if line.level == 0), None) or noted_title(core.get("title")),
        published=noted_date(*(core.get(key) for key in ("modified", "created") if core.get(key) != _TEMPLATE_TIME)),
        author=author_name(core.get("creator")),
        language=language_code(core.get("language")),
        notes=sorted(reader.doubts),
    )


def _related(archive: Archive, part: str) -> dict[str, str]:
    """Return the parts inside the file that a part refers to, by the kind of relationship."""
    folder, _, name = part.rpartition("/")
    found: dict[str, str] = {}
    for relation in _xml(archive, f"{folder}/_rels/{name}.rels".lstrip("/")):
        target = member_name(part, relation.get("Target", ""))
        if relation.get("TargetMode") != "External" and target in archive:
            found.setdefault(relation.get("Type", "").rpartition("/")[2], target)
    return found


def _xml(archive: Archive, name: str) -> Element:
    return archive.xml(name) if name in archive else _NOTHING


class _Style(NamedTuple):
    level: int | None = None
    listed: bool = False
    hidden: bool = False
    contents: bool = False


def _read_styles(root: Element) -> dict[str, _Style]:
    """Return the styles by their id, with what they take over from the styles they are based on."""
    definitions = {_value(style, "styleId"): style for style in root if _name(style) == "style"}
    return inherited(definitions, lambda style: _value(_child(style, "basedOn")), _derive, _Style())


def _derive(base: _Style, definition: Element) -> _Style:
    name = _value(_child(definition, "name"))
    named = heading_level(name)
    properties = _child(definition, "pPr")
    return _Style(
        level=_level(properties, base.level if named is None else named),
        listed=_listed(properties, base.listed),
        hidden=_is_on(_child(_child(definition, "rPr"), "vanish"), base.hidden),
        contents=base.contents or _CONTENTS_NAME.match(name) is not None,
    )


def _level(properties: Element, default: int | None) -> int | None:
    outline = _value(_child(properties, "outlineLvl"))
    if default == 0 or not outline:
        return default
    return int(outline) + 1 if outline in tuple("012345678") else None


def _listed(properties: Element, default: bool) -> bool:
    number = _value(_child(_child(properties, "numPr"), "numId"))
    return number != "0" if number else default


class _Reader:
    """Turns the elements of a document into lines, and remembers what belongs elsewhere."""

    def __init__(self, styles: dict[str, _Style]) -> None:
        self.doubts: set[str] = set()
        self.carried: list[str] = []  # of a paragraph that runs on in the next
        self._styles = styles
        self._references: dict[tuple[str, str], None] = {}  # notes, in the order they are referred to
        self._boxes: list[Element] = []  # text boxes anchored in the paragraph being read
        self._tables = 0

    def lines(self, container: Element) -> Iterator[Line]:
        """Yield the lines of a body, cell, note or text box."""
        for child in container:
            name = _name(child)
            if name == "p":
                yield from self._paragraph(child)
            elif name == "tbl":
                yield from self._table(child)
            elif name == "AlternateContent":
                yield from self.lines(_branch(child))
            elif name == "sdt" and _gallery(child) == "Table of Contents":
                yield from (line._replace(aside=True) for line in self.lines(child))
            elif name in ("altChunk", "subDoc"):
                self.doubts.add("a part of it is a file of another format inside the document, and was not read")
            elif name not in _NOT_TEXT:
                yield from self.lines(child)

    def note_lines(self, kind: str, root: Element) -> Iterator[Line]:
        """Yield the lines of the notes that the text refers to, in its order."""
        notes = {_value(note, "id"): note for note in root}
        for number in [number for of_kind, number in self._references if of_kind == kind]:
            yield from self.lines(notes.get(number, _NOTHING))

    def _paragraph(self, paragraph: Element) -> Iterator[Line]:
        properties = _child(paragraph, "pPr")
        style = self._style(properties, "pStyle")
        self.carried += self._text(paragraph, style.hidden)
        boxes, self._boxes = self._boxes, []
        if not _runs_on(properties):
            text, self.carried = "".join(self.carried), []
            listed = _listed(properties, style.listed)
            group = "contents" if style.contents else "list" if listed else None
            yield Line(text, _level(properties, style.level), group, style.contents)
        for box in boxes:
            yield from self.lines(box)

    def _table(self, table: Element) -> Iterator[Line]:
        self._tables += 1
        group = f"table {self._tables}"
        for row in _inside(table, "tr"):
            if _child(_child(row, "trPr"), "del") is _NOTHING:
                yield from table_row([list(self.lines(cell)) for cell in _inside(row, "tc")], group)

    def _text(self, element: Element, hidden: bool) -> Iterator[str]:
        for child in element:
            name = _name(child)
            if name == "t":
                yield child.text or ""
            elif name in _CHARACTERS:
                yield _CHARACTERS[name]
            elif name == "sym":
                yield _symbol(child)
            elif name == "r":
                yield from self._run(child, hidden)
            elif name in ("footnoteReference", "endnoteReference"):
                self._references[name.removesuffix("Reference"), _value(child, "id")] = None
                if _value(child, "customMarkFollows") not in ("", *_OFF):
                    return
            elif name == "fldSimple" and _value(child, "instr").split()[:1] == ["NOTEREF"]:
                continue  # the number of a note that is referred to again
            elif name == "txbxContent":
                self._boxes.append(child)
            elif name == "AlternateContent":
                yield from self._text(_branch(child), hidden)
            elif name not in _NOT_TEXT:
                if name == "oMath":
                    self.doubts.add("its formulas are read as a row of characters")
                elif name in ("relIds", "chart"):
                    self.doubts.add("diagrams and charts in it are not read")
                elif name == "den":  # of a fraction
                    yield "/"
                yield from self._text(child, hidden)

    def _run(self, run: Element, hidden: bool) -> Iterator[str]:
        properties = _child(run, "rPr")
        hidden = hidden or self._style(properties, "rStyle").hidden
        if not _is_on(_child(properties, "vanish"), hidden):
            yield from self._text(run, hidden)

    def _style(self, properties: Element, tag: str) -> _Style:
        style_id = _value(_child(properties, tag))
        return self._styles.get(style_id) or _Style(level=heading_level(style_id))


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]  # whatever the name space: strict and transitional documents differ in it


def _child(element: Element, name: str) -> Element:
    return next((child for child in element if _name(child) == name), _NOTHING)


def _inside(element: Element, name: str) -> Iterator[Element]:
    """Yield the rows of a table or the cells of a row, also where a change or a form field is around them."""
    for child in element:
        if _name(child) == name:
            yield child
        elif _name(child) not in _NOT_TEXT:
            yield from _inside(child, name)


def _value(element: Element, name: str = "val") -> str:
    return next((value for key, value in element.attrib.items() if key.rpartition("}")[2] == name), "")


def _runs_on(properties: Element) -> bool:
    """Whether a paragraph is a large first letter, or one whose end is deleted."""
    is_drop_cap = _value(_child(properties, "framePr"), "dropCap") in ("drop", "margin")
    return is_drop_cap or _child(_child(properties, "rPr"), "del") is not _NOTHING


def _is_on(element: Element, default: bool) -> bool:
    return default if element is _NOTHING else _value(element) not in _OFF


def _branch(alternatives: Element) -> Element:
    """Return the first of several versions of the same thing that holds text."""
    return next((one for one in alternatives if any(_name(inner) == "t" for inner in one.iter())), _NOTHING)


def _gallery(control: Element) -> str:
    return _value(_child(_child(_child(control, "sdtPr"), "docPartObj"), "docPartGallery"))


def _symbol(element: Element) -> str:
    try:
        return symbol(_value(element, "font"), int(_value(element, "char"), 16))
    except ValueError:
        return ""
