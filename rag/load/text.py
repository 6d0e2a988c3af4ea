"""Owns plain text: which lines are paragraphs, which are headings, and the lines above the article."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from rag.load.document import Document, RawBlock
from rag.load.metadata import one_line, parse_date

_STOP = re.compile(r"[.!?。！？…:：;；,，][\"'”’)\]」』]*\Z")
_LIST_ITEM = re.compile(r"\s*(?:[-*•‣◦–]|\d{1,3}[.)、]|[a-z][.)])(?:\s+|\Z)")
_BOLD_LINE = re.compile(r"(\*\*|__)(?=\S)((?:(?!\1).)+)(?<=\S)\1\Z")
_FULL_STOP = re.compile(r"[.。][\"'”’)\]」』]*\Z")
_BYLINE = re.compile(r"(?:by|author\s*:|作者\s*[:：]?|文\s*[/／])\s*(\S.{1,78})\Z", re.IGNORECASE)
_DATE_LINE = re.compile(r"(?:(?:published|updated|date|posted)\s*(?:on|:)?\s*)?(\S.{3,40})\Z", re.IGNORECASE)
_SHORT_DATE = re.compile(r"\d{1,4}[/.-]\d{1,2}(?:[/.-]\d{1,4})?(?:\s+\d{1,2}:\d{2}(?::\d{2})?)?\Z")
_HEADING_LENGTH = 120
_BYLINE_LENGTH = 60
_HEAD_LINES = 8  # more short lines than these are a list, not the head of an article
_WRAPPED_LINES = range(40, 121)  # longer lines are not wrapped by hand: each is a paragraph


def parse_text(text: str) -> Document:
    """Cut plain text into blocks; the first line is the title where it looks like one."""
    blocks = [_classify(lines) for lines in _paragraphs(text)]
    blocks = _confirm_headings(blocks)
    return _read_head(blocks)


def _paragraphs(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each paragraph, and whether it joins the one before without a blank line between."""
    for group in re.split(r"\n[ \t\u3000]*(?:\n[ \t\u3000]*)+", text.strip("\n")):
        lines = [line.strip() for line in group.split("\n")]
        lines = [line for line in lines if line]
        if not lines:
            continue
        width = max(len(line) for line in lines)
        pending = lines[0]
        tight = False
        for before, line in pairwise(lines):
            wrapped = width in _WRAPPED_LINES and len(before) > 0.6 * width
            if wrapped and not _LIST_ITEM.match(line):
                pending += "\n" + line
            else:
                yield pending, tight
                pending, tight = line, True
        yield pending, tight


def _classify(paragraph: tuple[str, bool]) -> RawBlock:
    text, tight = paragraph
    if bold := _BOLD_LINE.match(text):
        line = bold.group(2)
        is_heading = len(line) <= _HEADING_LENGTH and not _FULL_STOP.search(line)
        return RawBlock("heading" if is_heading else "text", line, tight)
    one_short_line = "\n" not in text and len(text) <= _HEADING_LENGTH
    looks_like_heading = one_short_line and not _STOP.search(text) and not _LIST_ITEM.match(text)
    return RawBlock("heading" if looks_like_heading else "text", text, tight)


def _confirm_headings(blocks: list[RawBlock]) -> list[RawBlock]:
    """A short line is a heading only above a paragraph of sentences or in the head of the file; else it is text."""
    first_text = next((i for i, block in enumerate(blocks) if block.kind == "text"), 0)
    head = first_text if first_text <= _HEAD_LINES else 1
    confirmed: list[RawBlock] = []
    for i, block in enumerate(blocks):
        following = blocks[i + 1] if i + 1 < len(blocks) else None
        leads = following is not None and following.kind == "text" and _STOP.search(following.text)
        if block.kind == "heading" and not leads and i >= head:
            block = RawBlock("text", block.text, block.tight)
        confirmed.append(block)
    return confirmed


def _read_head(blocks: list[RawBlock]) -> Document:
    """Take title, author and date from the short lines above the first paragraph."""
    body = next((i for i, block in enumerate(blocks) if block.kind == "text"), len(blocks))
    if body == 0:
        return Document(blocks)
    head, published, author = [RawBlock("title", blocks[0].text)], None, None
    for i, block in enumerate(blocks[1:body], start=1):
        after = blocks[i + 1].text if i + 1 < body else ""
        if _is_date(block.text):
            published = published or parse_date(_date_part(block.text))
        elif (byline := _BYLINE.match(block.text)) and not byline.group(1)[0].islower():  # "By the sea" is none
            author = author or one_line(byline.group(1))
        elif len(block.text) <= _BYLINE_LENGTH and _is_date(after):
            author = author or one_line(block.text)
        else:
            head.append(block)
            continue
        head.append(RawBlock("boilerplate", block.text, block.tight))
    return Document(head + blocks[body:], published=published, author=author)


def _date_part(line: str) -> str:
    match = _DATE_LINE.match(line)
    return match.group(1) if match else line


def _is_date(line: str) -> bool:
    return bool(_SHORT_DATE.match(line)) or parse_date(_date_part(line)) is not None
