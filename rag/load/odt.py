"""Owns ODT: the words of an OpenDocument text as its reader sees them, and what the file says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import count
from typing import NamedTuple
from xml.etree.ElementTree import Element

from rag.errors import Unloadable
from rag.load.archive import Archive
from rag.load.document import Document
from rag.load.lines import Line, arrange, author_name, inherited, noted_date, noted_title, table_row
from rag.load.metadata import language_code

_MANIFEST = "META-INF/manifest.xml"
# What stands in a document and is not its text: deletions, comments, what describes a picture or a form.
_NOT_TEXT = frozenset(
    "text:tracked-changes office:annotation office:forms office:event-listeners text:note-citation text:ruby-text "
    "text:hidden-text text:script svg-compatible:title svg-compatible:desc".split()
)
_CHARACTERS = {"text:s": " ", "text:tab": " ", "text:line-break": "\n"}
_GUIDES = frozenset(
    "text:table-of-content text:illustration-index text:table-index text:object-index text:user-index "
    "text:alphabetical-index".split()
)
_WHITE_SPACE = re.compile(r"[ \t\r\n]+")
_NOTHING = Element("nothing")


def parse_odt(data: bytes) -> Document:
    """Read an OpenDocument text from its beginning to its end, footnotes and endnotes behind the text.

    Left out: what is hidden or deleted, comments, headers and footers, and the marks of notes in the sentences.
    Raises Unloadable where the file is encrypted, damaged or over a limit of archives.
    """
    archive = Archive(data)
    if any(_name(element) == "manifest:encryption-data" for element in _xml(archive, _MANIFEST).iter()):
        raise Unloadable("failed", "encrypted: save a copy without a password")
    content = archive.xml("content.xml")
    body = _child(_child(content, "office:body"), "office:text")
    if body is _NOTHING:
        raise Unloadable("failed", "damaged: no text where an OpenDocument text has it")
    reader = _Reader(_read_styles([_xml(archive, "styles.xml"), content]))
    try:
        lines = [*reader.lines(body), *reader.note_lines()]
    except RecursionError:
        raise Unloadable("failed", "damaged: nested too deeply") from None
    meta = {_name(entry): entry.text for entry in _child(_xml(archive, "meta.xml"), "office:meta")}
    return Document(
        arrange(lines),
        title=next((line.text for line in lines if line.level == 0), None) or noted_title(meta.get("dc:title")),
        published=noted_date(meta.get("dc:date"), meta.get("meta:creation-date")),
        author=author_name(meta.get("meta:initial-creator")) or author_name(meta.get("dc:creator")),
        language=language_code(meta.get("dc:language")),
        notes=sorted(reader.doubts),
    )


def _xml(archive: Archive, name: str) -> Element:
    return archive.xml(name) if name in archive else _NOTHING


class _Style(NamedTuple):
    level: int | None = None
    hidden: bool = False


def _read_styles(roots: list[Element]) -> dict[str, _Style]:
    """Return the styles by family and name, with what they take over from their parents."""
    definitions = {
        _style_key(style, _value(style, "style:name")): style
        for root in roots
        for group in root
        if _name(group) in ("office:styles", "office:automatic-styles")
        for style in group
    }
    return inherited(
        definitions, lambda style: _style_key(style, _value(style, "style:parent-style-name")), _derive, _Style()
    )


def _style_key(style: Element, name: str) -> str:
    return f"{_value(style, 'style:family')} {name}"


def _derive(base: _Style, definition: Element) -> _Style:
    level = _value(definition, "style:default-outline-level")
    display = _value(_child(definition, "style:text-properties"), "text:display")
    return _Style(
        level=0 if _value(definition, "style:name") == "Title" else _level(level) if level else base.level,
        hidden=display == "none" if display else base.hidden,
    )


class _Reader:
    """Turns the elements of a document into lines, and remembers what belongs elsewhere."""

    def __init__(self, styles: dict[str, _Style]) -> None:
        self.doubts: set[str] = set()
        self._styles = styles
        self._notes: list[Element] = []  # in the order they are referred to
        self._anchored: list[Element] = []  # frames and shapes in the paragraph being read
        self._tables = count(1)

    def lines(self, container: Iterable[Element], group: str | None = None) -> Iterator[Line]:
        """Yield the lines of a body, list, cell, note or frame."""
        for child in container:
            name = _name(child)
            if name in ("text:p", "text:h"):
                yield from self._paragraph(child, group)
            elif name == "text:list":
                yield from self.lines(child, "list")
            elif name == "table:table":
                yield from self._table(child)
            elif name in _GUIDES:
                index = self.lines(_child(child, "text:index-body"), "contents")
                yield from (line._replace(aside=True) for line in index)
            elif name in ("drawing:object", "drawing:object-ole"):
                self.doubts.add("formulas, charts or other objects in it are not read")
            elif name not in _NOT_TEXT and not _is_hidden_section(child):
                yield from self.lines(child, group)

    def note_lines(self) -> Iterator[Line]:
        """Yield the lines of the notes, the footnotes first."""
        for note in sorted(self._notes, key=lambda note: _value(note, "text:note-class") == "endnote"):
            yield from self.lines(_child(note, "text:note-body"))

    def _paragraph(self, paragraph: Element, group: str | None) -> Iterator[Line]:
        style = self._style(paragraph, "paragraph")
        text = "" if style.hidden else "".join(self._text(paragraph))
        level = style.level
        if _name(paragraph) == "text:h" and level != 0:
            level = _level(_value(paragraph, "text:outline-level")) or level or 1
        anchored, self._anchored = self._anchored, []
        yield Line(text, level, group)
        yield from self.lines(anchored)

    def _table(self, table: Element) -> Iterator[Line]:
        group = f"table {next(self._tables)}"
        for row in _rows(table):
            yield from table_row([list(self.lines(cell)) for cell in row], group)

    def _text(self, element: Element) -> Iterator[str]:
        yield _WHITE_SPACE.sub(" ", element.text or "")
        for child in element:
            name = _name(child)
            if name in _CHARACTERS:
                yield _CHARACTERS[name]
            elif name == "text:note":
                self._notes.append(child)
            elif name == "text:hidden-paragraph" and _value(child, "text:is-hidden") == "true":
                return
            elif name in _NOT_TEXT or self._style(child, "text").hidden:
                pass
            elif name.startswith("text:"):
                yield from self._text(child)
            else:
                self._anchored.append(child)
            yield _WHITE_SPACE.sub(" ", child.tail or "")

    def _style(self, element: Element, family: str) -> _Style:
        return self._styles.get(f"{family} {_value(element, 'text:style-name')}", _Style())


def _name(element: Element) -> str:
    """Return an element's name with the word that its name space has for its part of the format."""
    return _qualified(element.tag)


def _qualified(name: str) -> str:
    space, _, local = name.rpartition("}")
    if space.endswith("/dc/elements/1.1/"):
        return f"dc:{local}"
    words = space.split(":")
    return f"{words[-2]}:{local}" if len(words) > 2 else local


def _value(element: Element, name: str) -> str:
    return next((value for key, value in element.attrib.items() if _qualified(key) == name), "")


def _child(element: Element, name: str) -> Element:
    return next((child for child in element if _name(child) == name), _NOTHING)


def _level(outline: str) -> int | None:
    return int(outline) if outline.isdecimal() and outline.isascii() and 1 <= int(outline[:3]) <= 10 else None


def _is_hidden_section(element: Element) -> bool:
    display = _value(element, "text:display")
    return display == "none" or (display == "condition" and _value(element, "text:is-hidden") == "true")


def _rows(table: Element) -> Iterator[list[Element]]:
    """Yield the cells of each row; those that another spans are empty."""
    for child in table:
        if _name(child) == "table:table-row":
            yield [cell for cell in child if _name(cell) in ("table:table-cell", "table:covered-table-cell")]
        elif _name(child).startswith("table:table-"):  # header rows and groups of rows
            yield from _rows(child)
