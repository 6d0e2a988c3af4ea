"""Owns what a document is before it has a format: blocks of text with runs and notes in them.

Every text in them is shown as it is: what was Markdown in an answer is a block or a style here, and the rest is words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from rag.types import Answer, Citation


@dataclass(frozen=True, slots=True)
class Entry:
    """A question as it was asked, its answer, and when that came (UTC, ISO 8601; empty where it is not known)."""

    question: str
    answer: Answer
    at: str = ""


class Run(NamedTuple):
    """Words in one style; a newline in them is a new line. A `remark` is our verdict, `link` an address of the web."""

    text: str
    bold: bool = False
    italic: bool = False
    code: bool = False
    remark: bool = False
    link: bool = False


class Note(NamedTuple):
    """The mark of a footnote, numbered from 1 through the document."""

    n: int


Inlines = tuple[Run | Note, ...]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Words of an answer; or, where it is a `notice`, what we say about it."""

    inlines: Inlines
    notice: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: the title of the document (level 0), a question (1) or a heading in an answer (2 to 7)."""

    level: int
    inlines: Inlines


@dataclass(frozen=True, slots=True)
class Code:
    """Lines of code; `language` is a word or empty."""

    text: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list; numbered from `start` on, or with bullets where that is None. `mark` is its sign in Markdown."""

    items: tuple[Blocks, ...]
    start: int | None = None
    mark: str = "-"


@dataclass(frozen=True, slots=True)
class Quoted:
    """Blocks that are set in as a quotation."""

    blocks: Blocks


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, as many in each; the first row is the head."""

    rows: tuple[tuple[Inlines, ...], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across the page."""


Block = Paragraph | Heading | Code | Listing | Quoted | Table | Rule
Blocks = tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """Blocks and the footnotes to them: note n is `notes[n - 1]`, in order of first use."""

    blocks: Blocks
    notes: tuple[Citation, ...]
