"""Owns reading a file: from its bytes to articles, by what the bytes are rather than what they are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from rag.errors import Unloadable
from rag.load.archive import kind_of
from rag.load.document import Document, to_article
from rag.load.docx import parse_docx
from rag.load.eml import looks_like_eml, parse_eml
from rag.load.encoding import decode
from rag.load.epub import parse_epub
from rag.load.html import looks_like_html, looks_like_xml, parse_html
from rag.load.markdown import has_front_matter, parse_markdown
from rag.load.odt import parse_odt
from rag.load.pdf import parse_pdf
from rag.load.records import looks_like_records, parse_records
from rag.load.rtf import parse_rtf
from rag.load.text import parse_text
from rag.text import clean
from rag.types import Article

VERSION = 3
"""Raised when a change here gives other articles for the same files, so that sync reads them again."""

MAX_BYTES = 50_000_000
_HTML_NAMES = frozenset({".html", ".htm", ".xhtml"})
_MARKDOWN_NAMES = frozenset({".md", ".markdown", ".mdown"})
_WEB_ADDRESS = re.compile(r"https?://")
_PDF = re.compile(rb"[\s\0\xef\xbb\xbf]{0,1000}%PDF-\d")
_OLE = b"\xd0\xcf\x11\xe0"
_ENCRYPTED_OFFICE = "EncryptedPackage".encode("utf-16-le")
_ARCHIVES: dict[str, Callable[[bytes], Document]] = {"docx": parse_docx, "epub": parse_epub, "odt": parse_odt}
_UNSUPPORTED = {
    _OLE: "old Microsoft Office file; save it as DOCX",
    b"\x89PNG": "PNG image",
    b"\xff\xd8\xff": "JPEG image",
    b"GIF8": "GIF image",
    b"\x1f\x8b": "gzip archive",
    b"\x7fELF": "program",
    b"SQLite format 3": "SQLite database",
}


def load(file: str, data: bytes, charset: str | None = None) -> tuple[Article, ...]:
    """Return the articles in a file's bytes; `file` is its path relative to the articles folder, or its address.

    `charset` is what a web server said of a page. Raises Unloadable with the reason where there is no
    text in it, or none that we can read.
    """
    if len(data) > MAX_BYTES:
        raise Unloadable("skipped", f"too large: over {MAX_BYTES // 1_000_000} MB")
    if parse := _binary_parser(data):
        return (to_article(_at_home(parse(data), file), file),)
    decoded, notes = decode(data, charset)
    text = clean(decoded)
    if not text.strip():
        raise Unloadable("skipped", "empty: no text in it")
    if looks_like_records(decoded):
        return _articles(file, [(part, _noted(document, notes)) for part, document in parse_records(decoded)])
    return (to_article(_noted(_at_home(_text_parser(file, text)(text), file), notes), file),)


def _articles(file: str, documents: Sequence[tuple[str, Document]]) -> tuple[Article, ...]:
    """Return the articles of a file that holds several; those without a word are left out, with a note."""
    found: list[Article] = []
    for part, document in documents:
        try:
            found.append(to_article(document, file, part))
        except Unloadable as problem:
            if problem.state == "failed":
                raise
    if not found:
        raise Unloadable("skipped", "empty: no text in it")
    if empty := len(documents) - len(found):
        note = f"{empty} of the {len(documents)} articles of {file} have no text"
        found[0] = replace(found[0], notes=(*found[0].notes, note))
    return tuple(found)


def _binary_parser(data: bytes) -> Callable[[bytes], Document] | None:
    """Return the parser of a format that its first bytes tell; None for text."""
    if _PDF.match(data):
        return parse_pdf
    if data.startswith(b"{\\rtf"):
        return parse_rtf
    if kind := kind_of(data):
        if kind in _ARCHIVES:
            return _ARCHIVES[kind]
        raise Unloadable("skipped", f"format not supported: {kind}")
    if data.startswith(_OLE) and _ENCRYPTED_OFFICE in data:
        raise Unloadable("failed", "encrypted: save a copy without a password")
    for magic, name in _UNSUPPORTED.items():
        if data.startswith(magic):
            raise Unloadable("skipped", f"format not supported: {name}")
    return parse_eml if looks_like_eml(data) else None


def _text_parser(file: str, text: str) -> Callable[[str], Document]:
    suffix = PurePosixPath(file).suffix.lower()
    if looks_like_html(text) or suffix in _HTML_NAMES:
        return parse_html
    if looks_like_xml(text):
        raise Unloadable("skipped", "format not supported: XML that is not a web page")
    if suffix in _MARKDOWN_NAMES or has_front_matter(text):
        return parse_markdown
    return parse_text


def _at_home(document: Document, file: str) -> Document:
    """Name the address that a web page was fetched from, whatever it says of itself."""
    return replace(document, url=file) if _WEB_ADDRESS.match(file) else document


def _noted(document: Document, notes: tuple[str, ...]) -> Document:
    return replace(document, notes=(*notes, *document.notes))
