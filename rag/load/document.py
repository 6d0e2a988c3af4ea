"""Owns what every parser returns: raw blocks and metadata, and how they become an Article."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal

from rag.errors import Unloadable
from rag.load.boilerplate import mark_boilerplate
from rag.load.metadata import detect_language
from rag.text import clean
from rag.types import Article, Block, BlockKind

_MAX_TITLE = 300


@dataclass(frozen=True, slots=True)
class RawBlock:
    """A block before its place in the article is known; `tight` joins it to the one before by one line break."""

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


def to_article(document: Document, source: str) -> Article:
    """Join the blocks into the canonical text and fill in what the file does not say itself.

    Raises Unloadable where no block holds a letter or digit of evidence.
    """
    # Cleaned again, since character references ("&#8232;") are resolved by the parsers.
    raw = [replace(block, text=clean(block.text).strip()) for block in document.blocks]
    raw = [block for block in raw if block.text]
    kinds = mark_boilerplate([(block.kind, block.text) for block in raw])
    parts: list[str] = []
    blocks: list[Block] = []
    length = 0
    for block, kind in zip(raw, kinds, strict=True):
        separator = "" if not parts else "\n" if block.tight else "\n\n"
        start = length + len(separator)
        length = start + len(block.text)
        parts += (separator, block.text)
        blocks.append(Block(start, length, kind))
    text = "".join(parts)
    evidence = " ".join(text[block.start : block.end] for block in blocks if block.kind == "text")
    if not any(char.isalnum() for char in evidence):
        raise Unloadable("skipped", "empty: no text in it")
    in_text = next((text[block.start : block.end] for block in blocks if block.kind == "title"), None)
    title = document.title or in_text or PurePosixPath(source).stem
    return Article(
        source=source,
        text=text,
        blocks=tuple(blocks),
        title=" ".join(title.split())[:_MAX_TITLE],
        published=document.published,
        author=document.author,
        language=document.language or detect_language(evidence),
        url=document.url,
        visibility=document.visibility,
    )
