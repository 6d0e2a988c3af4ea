"""Owns HTML: its visible main text as blocks, and the metadata in its head."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterator
from typing import Any

from bs4 import BeautifulSoup, XMLParsedAsHTMLWarning
from bs4.element import NavigableString, PreformattedString, Tag

from rag.load.document import Document, RawBlock
from rag.load.metadata import language_code, one_line, parse_date, person_names, web_address
from rag.types import BlockKind

_DECLARATION = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?")
_FIRST_TAG = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_BLOCKS = _HEADINGS | frozenset(
    "p li dt dd tr pre blockquote div section article main body figcaption caption header address td th summary "
    "details ul ol dl table figure html".split()
)
_NOT_TEXT = (
    "script, style, noscript, template, nav, footer, aside, button, select, textarea, label, legend, datalist, "
    "iframe, svg, canvas, object, head, title, dialog, [hidden], [aria-hidden=true], [role=navigation], "
    "[role=contentinfo], [role=complementary]"
)
_HIDDEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_SPACE = re.compile(r"[^\S\xa0]+")


def looks_like_html(text: str) -> bool:
    """Whether the text opens as an HTML page does."""
    match = _DECLARATION.match(text)
    at = match.end() if match else 0
    while text.startswith("<!--", at) and (end := text.find("-->", at)) >= 0:
        at = end + len("-->")
        while text[at : at + 1].isspace():
            at += 1
    return _FIRST_TAG.match(text, at) is not None


def parse_html(text: str) -> Document:
    """Read the main text of a page: headings, paragraphs, list items and table rows, in order."""
    soup = _parse(text)
    meta = _metadata(soup)
    _remove_hidden(soup)
    blocks = list(_blocks(_main_element(soup)))
    headline = next((i for i, block in enumerate(blocks) if block.kind == "heading"), None)
    if headline is not None and all(block.kind != "text" or len(block.text) < 80 for block in blocks[:headline]):
        blocks[headline] = RawBlock("title", blocks[headline].text)
    return Document(blocks, **meta)


def visible_text(markup: str) -> str:
    """Return the visible text of a piece of HTML, white space shrunk."""
    soup = _parse(markup)
    _remove_hidden(soup)
    return "\n".join(block.text for block in _blocks(soup))


def _parse(markup: str) -> BeautifulSoup:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)  # what else could we do with it
        return BeautifulSoup(markup, "html.parser")


def _remove_hidden(soup: BeautifulSoup) -> None:
    for element in soup.select(_NOT_TEXT):
        element.decompose()
    for element in soup.find_all(style=_HIDDEN_STYLE):
        element.decompose()


def _main_element(soup: BeautifulSoup) -> Tag:
    """Return the article or main element that holds most of the text, or all where none does.

    A page of teasers or several articles has many such elements; to take one would lose the rest.
    """
    half = len(soup.get_text()) / 2
    for name in ("article", "main"):
        for element in soup.find_all(name):
            if len(element.get_text()) > half:
                return element
    return soup


def _blocks(root: Tag) -> Iterator[RawBlock]:
    """Yield the runs of text between borders of block elements; a table row is one block."""
    parts: list[str] = []
    owner: Tag | None = None
    previous: Tag | None = None  # the element of the block yielded last
    cell: Tag | None = None
    for node in root.descendants:
        if isinstance(node, Tag):
            if node.name == "br":
                parts.append("\n")
            continue
        if not isinstance(node, NavigableString) or isinstance(node, PreformattedString):
            continue  # comments, declarations
        holder, node_cell = _holder(node, root)
        if holder.name == "tr" and node_cell is None and not node.strip():
            continue  # the white space between cells
        if holder is not owner:
            if block := _block(owner, parts, previous):
                yield block
                previous = owner
            parts, owner, cell = [], holder, node_cell
        elif node_cell is not cell:
            parts.append(" | ")
            cell = node_cell
        parts.append(str(node) if holder.name == "pre" else _SPACE.sub(" ", str(node)))
    if block := _block(owner, parts, previous):
        yield block


def _holder(node: NavigableString, root: Tag) -> tuple[Tag, Tag | None]:
    """Return the nearest block element around a string, and the table cell in it: rows hold their cells."""
    cell: Tag | None = None
    for parent in node.parents:
        if parent is root:
            break
        if parent.name in ("td", "th"):
            cell = cell or parent
        elif parent.name == "tr" or (parent.name in _BLOCKS and cell is None):
            return parent, cell
    return root, cell


def _block(owner: Tag | None, parts: list[str], previous: Tag | None) -> RawBlock | None:
    text = "".join(parts).strip(" \n|")
    if owner is None or not text:
        return None
    if owner.name != "pre":
        text = "\n".join(line.strip() for line in text.split("\n") if line.strip())
    kind: BlockKind = "heading" if owner.name in _HEADINGS else "text"
    tight = previous is not None and owner.name in ("li", "tr") and previous.name == owner.name
    return RawBlock(kind, text, tight)


def _metadata(soup: BeautifulSoup) -> dict[str, Any]:
    properties: dict[str, str] = {}
    for element in soup.find_all("meta"):
        name = element.get("property") or element.get("name") or element.get("itemprop")
        if isinstance(name, str) and isinstance(content := element.get("content"), str):
            properties.setdefault(name.lower(), content)
    linked = _linked_data(soup)
    time = soup.find("time")
    page = soup.find("html")
    canonical = soup.find("link", rel="canonical")
    title = soup.find("title")
    dates = [
        properties.get("article:published_time"),
        linked.get("datePublished"),
        properties.get("datepublished"),
        properties.get("date"),
        properties.get("dc.date"),
        time.get("datetime") if isinstance(time, Tag) else None,
    ]
    return {
        "title": one_line(properties.get("og:title") or linked.get("headline"))
        or (one_line(title.get_text()) if title else None),
        "published": next((found for value in dates if (found := parse_date(value))), None),
        "author": one_line(properties.get("author")) or person_names(linked.get("author")),
        "language": language_code(page.get("lang")) if isinstance(page, Tag) else None,
        "url": web_address(canonical.get("href")) if isinstance(canonical, Tag) else None,
    }


def _linked_data(soup: BeautifulSoup) -> dict[str, Any]:
    """Return the first schema.org article described in the page."""
    for script in soup.find_all("script", type="application/ld+json"):
        try:
            data = json.loads(script.get_text())
        except (ValueError, RecursionError):
            continue
        items = data if isinstance(data, list) else data.get("@graph", [data]) if isinstance(data, dict) else []
        for item in items if isinstance(items, list) else []:
            if isinstance(item, dict) and ("headline" in item or "datePublished" in item):
                return item
    return {}
