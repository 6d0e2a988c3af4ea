"""Owns HTML: how a page is recognised, and its main text and metadata as a Document."""

from __future__ import annotations

import re

from rag.load.document import Document, RawBlock
from rag.load.html_head import Head
from rag.load.html_main import find_headline, main_blocks
from rag.load.html_text import HEADINGS, Text, read_text
from rag.load.html_tree import parse_markup

_PROLOGUE = re.compile(r"\s+|<\?[^>]*>|<!--[\s\S]*?-->")
_PAGE = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_XML = re.compile(
    r"<!DOCTYPE\s+(?!html\b)\w+\s+(?:SYSTEM|PUBLIC|\[)"
    r"|<(?!html\b)(?:[\w.-]+:)?[\w.-]+(?:\s[^<>]*)?\sxmlns(?::\w+)?\s*=[^<>]*>"
    r"|<(?:rss|feed|opml|urlset|sitemapindex|svg)\b[^<>]*>"
)
_LEAD = 80  # characters of a text that is no mere label above a headline
_BEFORE, _BEHIND = 3, 8  # pieces around the headline that may hold the date and the author


def looks_like_html(text: str) -> bool:
    """Whether the text opens as an HTML page does."""
    return _PAGE.match(text, _opening(text)) is not None


def looks_like_xml(text: str) -> bool:
    """Whether the text opens as XML does that is no web page: a feed, a drawing, data."""
    opening = _opening(text)
    declared = text[:opening].lstrip().startswith("<?xml") and text.startswith("<", opening)
    return not looks_like_html(text) and (declared or _XML.match(text, opening) is not None)


def _opening(text: str) -> int:
    """Return where the first tag or word is, behind declarations and comments."""
    at = 0
    while match := _PROLOGUE.match(text, at):
        at = match.end()
    return at


def parse_html(text: str) -> Document:
    """Read the main text of a page: headings, paragraphs, list items and table rows, in order."""
    root = parse_markup(text)
    shown = read_text(root)
    head = Head(root, text)
    title = head.title(_headings(shown))
    headline = find_headline(shown, title)
    near = [] if headline is None else [it.text for it in shown.pieces[max(0, headline - _BEFORE) : headline + _BEHIND]]
    return Document(
        _with_title(main_blocks(shown, headline)),
        title=title,
        published=head.published(near),
        author=head.author(near),
        language=head.language,
        url=head.address,
    )


def visible_text(markup: str) -> str:
    """Return the visible text of a piece of HTML, white space shrunk."""
    return "\n".join(piece.text for piece in read_text(parse_markup(markup)).pieces if not piece.faint)


def _headings(shown: Text) -> list[str]:
    """Return the headings of the three highest levels, the highest first."""
    found = [(piece.owner.name, " ".join(piece.text.split())) for piece in shown.pieces if piece.owner.name in HEADINGS]
    return [text for name, text in sorted(found, key=lambda heading: heading[0]) if name <= "h3"]


def _with_title(blocks: list[RawBlock]) -> list[RawBlock]:
    """Make the first heading the title, unless it stands below text that is more than a label."""
    first = next((i for i, block in enumerate(blocks) if block.kind == "heading"), None)
    if first is not None and all(block.kind != "text" or len(block.text) < _LEAD for block in blocks[:first]):
        blocks[first] = RawBlock("title", blocks[first].text)
    return blocks
