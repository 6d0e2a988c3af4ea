"""Owns EPUB: the chapters of a book in reading order, and what the book says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element

from rag.errors import Unloadable
from rag.load.archive import Archive, member_name
from rag.load.document import Document, RawBlock
from rag.load.encoding import decode
from rag.load.html import parse_html
from rag.load.lines import author_name, noted_title
from rag.load.metadata import language_code, parse_date, web_address

_CHAPTER_TYPES = ("application/xhtml+xml", "text/html")
_ENCRYPTION = "META-INF/encryption.xml"
_ASIDE = re.compile(r"<(/?)aside\b", re.IGNORECASE)
# All counts have bounds, so that time grows with the chapter and no faster.
_NOTE_MARK = re.compile(
    r"""
      <a\b[^<>]{0,500}(?:epub:type\s{0,9}=\s{0,9}["'][^"'<>]{0,99}noteref|role\s{0,9}=\s{0,9}["']doc-noteref)
        [^<>]{0,500}>.{0,99}?</a\s{0,9}>
    | <sup\b[^<>]{0,200}>\s{0,9}<a\b[^<>]{0,500}>[\[(]?[\d*†‡§¶]{1,4}[\])]?</a\s{0,9}>\s{0,9}</sup\s{0,9}>
    | <a\b[^<>]{0,500}>\s{0,9}<sup\b[^<>]{0,200}>[\[(]?[\d*†‡§¶]{1,4}[\])]?</sup\s{0,9}>\s{0,9}</a\s{0,9}>
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


def parse_epub(data: bytes) -> Document:
    """Read the chapters of a book in the order of its spine, without its tables of contents.

    The marks of notes are left out of the sentences they stand in; the notes are kept.
    Raises Unloadable where the book is encrypted, damaged or over a limit of archives.
    """
    archive = Archive(data)
    package_name = _package_name(archive)
    package = archive.xml(package_name)
    chapters = _chapters(package, package_name)
    _check_encryption(archive, chapters)
    blocks: list[RawBlock] = []
    notes: list[str] = []
    for name in chapters:
        if name not in archive:
            notes.append(f"{name} is missing")
            continue
        chapter = archive.markup(name)
        try:
            blocks += _chapter_blocks(decode(chapter)[0])
        except Unloadable as error:
            notes.append(f"{name} was not read: {error.reason}")
    return Document(blocks, notes=notes[:10], **_metadata(package))


def _package_name(archive: Archive) -> str:
    """Return the name of the file that lists what the book consists of."""
    container = archive.xml("META-INF/container.xml")
    for element in container.iter():
        if _name(element) == "rootfile" and (path := element.get("full-path")):
            return member_name("", path)
    raise Unloadable("failed", "damaged: the book does not say where its chapters are")


def _chapters(package: Element, package_name: str) -> list[str]:
    """Return the names of the chapters in reading order, once each, without navigation."""
    items = {item.get("id", ""): item for item in package.iter() if _name(item) == "item"}
    contents = {
        member_name(package_name, reference.get("href", ""))
        for reference in package.iter()
        # With a fragment it is a place in a chapter.
        if _name(reference) == "reference" and reference.get("type") == "toc" and "#" not in reference.get("href", "")
    }
    names: dict[str, None] = {}
    for reference in package.iter():
        item = items.get(reference.get("idref", "")) if _name(reference) == "itemref" else None
        if item is None or item.get("media-type") not in _CHAPTER_TYPES or "nav" in item.get("properties", "").split():
            continue
        name = member_name(package_name, item.get("href", ""))
        if name not in contents:
            names[name] = None
    return list(names)


def _check_encryption(archive: Archive, chapters: list[str]) -> None:
    """Refuse a book whose chapters are encrypted; fonts often are, in books that are not."""
    if _ENCRYPTION not in archive:
        return
    named = {
        member_name("", element.get("URI", "")) for element in archive.xml(_ENCRYPTION).iter() if element.get("URI")
    }
    if named.intersection(chapters):
        raise Unloadable("failed", "encrypted: the book is protected against copying")


def _chapter_blocks(markup: str) -> Iterator[RawBlock]:
    markup = _ASIDE.sub(r"<\1div", markup)  # beside a page it is an advertisement, in a book a note
    for block in parse_html(_NOTE_MARK.sub("", markup)).blocks:
        yield replace(block, kind="heading") if block.kind == "title" else block


def _metadata(package: Element) -> dict[str, Any]:
    found: dict[str, list[Element]] = {}
    for element in package.iter():
        if element.tag.startswith("{http://purl.org/dc/"):
            found.setdefault(_name(element), []).append(element)
    texts = {name: [element.text or "" for element in elements] for name, elements in found.items()}
    published = [element.text for element in found.get("date", []) if _event(element) in ("", "publication")]
    authors = [name for text in texts.get("creator", []) if (name := author_name(text))]
    return {
        "title": next(filter(None, map(noted_title, texts.get("title", []))), None),
        "published": next(filter(None, map(parse_date, published)), None),
        "author": ", ".join(authors) or None,
        "language": next(filter(None, map(language_code, texts.get("language", []))), None),
        "url": next(filter(None, map(web_address, texts.get("identifier", []) + texts.get("source", []))), None),
    }


def _event(date: Element) -> str:
    """Return what happened at a date: the publication, or a step in making the file."""
    return next((value for key, value in date.attrib.items() if key.rpartition("}")[2] == "event"), "")


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]
