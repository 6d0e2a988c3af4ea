"""Owns Markdown: its front matter, and its text without the syntax."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from rag.errors import Unloadable
from rag.load.document import Document, RawBlock
from rag.load.html import visible_text
from rag.load.metadata import language_code, one_line, parse_date, person_names, web_address
from rag.types import BlockKind

_FRONT_MATTER = re.compile(r"\s*---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_KEY = re.compile(r"""^["']?\w[\w -]*["']?[ \t]*:""", re.MULTILINE)
_NOT_CLOSED = re.compile(r"""\s*---[ \t]*\n(?:.+\n)*?["']?visibility["']?[ \t]*:""", re.IGNORECASE)
_LINE_BREAK = re.compile(r"<br\b", re.IGNORECASE)
_PARSER = MarkdownIt("commonmark", {"html": True}).enable("table")


def has_front_matter(text: str) -> bool:
    """Whether the text opens with a YAML block between two lines of three dashes, or with a visibility not closed."""
    match = _FRONT_MATTER.match(text)
    return _KEY.search(match.group(1)) is not None if match else _NOT_CLOSED.match(text) is not None


def parse_markdown(text: str) -> Document:
    """Read front matter and blocks; the front matter's title wins over the first heading.

    Raises Unloadable where the front matter is not YAML: it may say who must not see the article.
    """
    meta: dict[str, Any] = {}
    if has_front_matter(text):
        match = _FRONT_MATTER.match(text)
        if match is None:
            raise Unloadable("failed", "front matter is not closed: put a line of three dashes behind it")
        meta, text = _read_front_matter(match.group(1)), text[match.end() :]
    visibility = meta.get("visibility", "public")
    if visibility not in ("public", "internal"):
        raise Unloadable("failed", "front matter: visibility must be public or internal")
    title = one_line(meta.get("title"))
    return Document(
        blocks=_blocks(_PARSER.parse(text), titled=title is not None),
        title=title,
        published=parse_date(meta.get("published") or meta.get("date")),
        author=person_names(meta.get("author")),
        language=language_code(meta.get("language") or meta.get("lang")),
        url=web_address(meta.get("url")),
        visibility=visibility,
    )


def _read_front_matter(text: str) -> dict[str, Any]:
    try:
        meta = yaml.safe_load(text)
    except Exception as error:  # PyYAML lets many kinds through: `!!int ""` is an IndexError
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = "" if line is None else f", line {line + 2}"
        raise Unloadable("failed", f"front matter is not valid YAML{where}") from None
    return {str(key).lower(): value for key, value in meta.items()} if isinstance(meta, dict) else {}


def _blocks(tokens: Sequence[Token], titled: bool) -> list[RawBlock]:
    blocks: list[RawBlock] = []
    kind: BlockKind = "text"
    cells: list[str] | None = None  # of the table row that is open
    tight = False
    for token in tokens:
        if token.type == "heading_open":
            first = not titled and token.tag == "h1" and not any(block.kind == "title" for block in blocks)
            kind = "title" if first else "heading"
        elif token.type == "tr_open":
            cells = []
        elif token.type == "tr_close":
            blocks.append(RawBlock("text", " | ".join(cells or []), tight))
            cells, tight = None, True
        elif token.type in ("list_item_open", "table_open"):
            # The first item of a list stands apart from what is above it, the others follow closely.
            tight = token.type == "list_item_open" and tight
        elif token.type == "inline":
            text = _inline_text(token.children or [])
            if cells is not None:
                cells.append(text)
            else:
                blocks.append(RawBlock(kind, text, tight))
                kind = "text"
        elif token.type in ("fence", "code_block"):
            blocks.append(RawBlock("text", token.content, tight))
        elif token.type == "html_block":
            blocks.append(RawBlock("text", visible_text(token.content), tight))
        elif token.type in ("bullet_list_close", "ordered_list_close", "table_close"):
            tight = False
        elif token.type == "list_item_close":
            tight = True
    return blocks


def _inline_text(children: Sequence[Token]) -> str:
    parts: list[str] = []
    for child in children:
        if child.type in ("text", "code_inline", "image"):  # of an image, its alternative text
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak") or _LINE_BREAK.match(child.content):
            parts.append("\n")
    return "".join(parts)
