"""Owns reading a file: from its bytes to an Article, by what the bytes are rather than what they are called."""

from __future__ import annotations

import codecs
import contextlib
from pathlib import PurePosixPath

from charset_normalizer import from_bytes

from rag.errors import Unloadable
from rag.load.document import to_article
from rag.load.html import looks_like_html, parse_html
from rag.load.markdown import has_front_matter, parse_markdown
from rag.load.metadata import detect_language
from rag.load.text import parse_text
from rag.text import clean
from rag.types import Article

VERSION = 2
"""Raised when a change here gives other articles for the same files, so that sync reads them again."""

MAX_BYTES = 50_000_000
_HTML_NAMES = frozenset({".html", ".htm", ".xhtml"})
_MARKDOWN_NAMES = frozenset({".md", ".markdown", ".mdown"})
_BINARY = {
    b"%PDF-": "PDF",
    b"PK\x03\x04": "zip archive, DOCX, EPUB or ODT",
    b"\xd0\xcf\x11\xe0": "old Microsoft Office file",
    b"{\\rtf": "RTF",
    b"\x89PNG": "PNG image",
    b"\xff\xd8\xff": "JPEG image",
    b"GIF8": "GIF image",
    b"\x1f\x8b": "gzip archive",
    b"\x7fELF": "program",
    b"SQLite format 3": "SQLite database",
}
_BYTE_ORDER_MARKS = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN = frozenset("af br ca cy da de en es eu fi fo fr ga gl is it lb nb nl nn no oc pt sv".split())


def load(file: str, data: bytes, charset: str | None = None) -> tuple[Article, ...]:
    """Return the articles in a file's bytes; `file` is its path relative to the articles folder, or its address.

    `charset` is what a web server said of a page. Raises Unloadable with the reason where there is no
    text in it, or none that we can read.
    """
    text = clean(_decode(data))
    if not text.strip():
        raise Unloadable("skipped", "empty: no text in it")
    suffix = PurePosixPath(file).suffix.lower()
    if looks_like_html(text) or suffix in _HTML_NAMES:
        document = parse_html(text)
    elif suffix in _MARKDOWN_NAMES or has_front_matter(text):
        document = parse_markdown(text)
    else:
        document = parse_text(text)
    return (to_article(document, file),)


def _decode(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise Unloadable("skipped", f"too large: over {MAX_BYTES // 1_000_000} MB")
    for magic, name in _BINARY.items():
        if data.startswith(magic):
            raise Unloadable("skipped", f"format not supported: {name}")
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                raise Unloadable("failed", f"not valid {encoding.removesuffix('-sig').upper()} text") from None
    if b"\0" in data[:8192]:
        raise Unloadable("skipped", "not text")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return _decode_unmarked(data)


def _decode_unmarked(data: bytes) -> str:
    """Guess the encoding of text that is not valid UTF-8."""
    repaired = data.decode("utf-8", "replace")
    broken = repaired.count("\ufffd")
    if sum(char > "\x7f" for char in repaired) > 10 * broken:  # UTF-8 with a few bad bytes
        return repaired
    best = from_bytes(data).best()
    if best is None:
        raise Unloadable("failed", "unknown text encoding; save the file as UTF-8")
    text = str(best)
    # The Windows code pages of Latin letters look alike to a detector; the language tells the most frequent one.
    if all(char < "\u0300" for char in text if char.isalpha()) and detect_language(text) in (None, *_WESTERN):
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode("cp1252")
    return text
