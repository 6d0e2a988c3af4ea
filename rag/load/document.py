"""Owns what every parser returns: raw blocks and metadata, and how they become an Article."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal

from rag.errors import Unloadable
from rag.load.boilerplate import mark_boilerplate
from rag.load.metadata import detect_language
from rag.text import clean, without_unseen
from rag.types import Article, Block, BlockKind

PAGE = "\f"
"""Begins a page, as in the output of text extraction tools since the line printer."""
_MAX_TITLE = 300


@dataclass(frozen=True, slots=True)
class RawBlock:
    """A block before its place in the article is known; `tight` joins it to the one before by one line break.

    In a document with pages, `PAGE` stands in front of the first character of each, also inside a block.
    """

    kind: BlockKind
    text: str
    tight: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """What a parser found in one file."""

    blocks: Sequence[RawBlock]
    title: str | None = None
    published: str | None = None
    author: str | None = None
    language: str | None = None
    url: str | None = None
    visibility: Literal["public", "internal"] = "public"
    notes: Sequence[str] = ()
    """What reading it left in doubt, for whoever looks after the library."""


def to_article(document: Document, file: str, part: str | None = None) -> Article:
    """Join the blocks into the canonical text and fill in what the file does not say itself.

    Raises Unloadable where no block holds a letter or digit of evidence.
    """
    raw: list[RawBlock] = []
    breaks: list[list[int]] = []  # where pages begin in each block
    waiting = 0  # pages that begin before the next block
    for block in document.blocks:
        text, begins = _without_pages(block.text)
        if text:
            raw.append(replace(block, text=text))
            breaks.append([0] * waiting + begins)
            waiting = 0
        else:
            waiting += len(begins)
    kinds = mark_boilerplate([(block.kind, block.text) for block in raw])
    if "text" not in kinds:  # nothing but headings: then they are what it says
        kinds = ["text" if kind in ("title", "heading") else kind for kind in kinds]
    parts: list[str] = []
    blocks: list[Block] = []
    pages: list[int] = []
    length = 0
    for block, kind, begins in zip(raw, kinds, breaks, strict=True):
        separator = "" if not parts else "\n" if block.tight else "\n\n"
        start = length + len(separator)
        length = start + len(block.text)
        parts += (separator, block.text)
        blocks.append(Block(start, length, kind))
        pages += [start + at for at in begins]
    pages += [length] * waiting
    text = "".join(parts)
    evidence = " ".join(text[block.start : block.end] for block in blocks if block.kind == "text")
    if not any(char.isalnum() for char in evidence):
        raise Unloadable("skipped", "empty: no text in it")
    in_text = next((text[block.start : block.end] for block in blocks if block.kind == "title"), None)
    titles = (_one_line(found or "") for found in (document.title, in_text, part, PurePosixPath(file).stem))
    return Article(
        file=file,
        part=part,
        text=text,
        blocks=tuple(blocks),
        title=next(filter(None, titles), "Untitled"),
        published=document.published,
        author=document.author,
        language=document.language or detect_language(evidence),
        url=document.url,
        visibility=document.visibility,
        pages=tuple(pages),
        notes=tuple(document.notes),
    )


def _one_line(text: str) -> str:
    return " ".join(without_unseen(clean(text)).split())[:_MAX_TITLE]


def _without_pages(text: str) -> tuple[str, list[int]]:
    """Return a block's text, cleaned and without the marks of pages, and where they stood in it."""
    # Cleaned again, since character references ("&#8232;") are resolved by the parsers.
    first, *others = (without_unseen(clean(part)) for part in text.split(PAGE))
    joined, begins = first, []
    for part in others:
        begins.append(len(joined))
        joined += part
    lead = len(joined) - len(joined.lstrip())
    stripped = joined.strip()
    return stripped, [min(max(at - lead, 0), len(stripped)) for at in begins]
