"""Owns Markdown: documents with footnotes in which only our own markup is markup, whatever the words are."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from rag.export.contents import document, reference
from rag.export.values import Block, Blocks, Code, Entry, Heading, Inlines, Listing, Note, Paragraph, Quoted, Run, Table

# Signs of Markdown and of what others make of it: mathematics, templates, mentions, bare addresses and host names.
_SIGNS = re.compile(r"[\\`*_\[\]<>&|~^${@]|(?<=\w):(?=//)|(?<=\w)\.(?=[^\W\d_]{2})")
_AT_START = re.compile(r"[-+#=:]|\d{1,9}(?=[.)])")
_BACKTICKS = re.compile(r"`+")
_SPACES = " \t\n"
_MARKERS = {(True, False): "**", (False, True): "*", (True, True): "***"}


def markdown(entries: Sequence[Entry], title: str | None = None) -> str:
    """Return questions and their answers as Markdown (CommonMark with tables and footnotes).

    Each question is a heading, each cited quote a footnote, numbered through the document and defined at its end.
    Nothing from an answer, a quote or a name becomes an image, raw HTML, a footnote or a link; the address of an
    article is a link where it is one of the web.
    """
    made = document(entries, title)
    parts = [_block(block, 1 if title else 0) for block in made.blocks]
    parts += [_definition(n, reference(citation)) for n, citation in enumerate(made.notes, start=1)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _definition(n: int, runs: Inlines) -> str:
    return _indented(f"[^{n}]: ", _text(runs), 4)


def _blocks(blocks: Blocks, heading: int) -> str:
    return "\n\n".join(text for block in blocks if (text := _block(block, heading)))


def _block(block: Block, heading: int) -> str:
    """Return a block; headings of its text are `heading` levels lower."""
    if isinstance(block, Paragraph):
        return _text(block.inlines)
    if isinstance(block, Heading):
        text = _line(block.inlines)
        text = text[:-1] + r"\#" if text.endswith("#") else text
        return f"{'#' * min(block.level + heading, 6)} {text}" if text else ""
    if isinstance(block, Code):
        fence = "`" * max(3, 1 + _longest(block.text))
        return f"{fence}{block.language}\n{block.text}\n{fence}"
    if isinstance(block, Listing):
        return _listing(block, heading)
    if isinstance(block, Quoted):
        return "\n".join(f"> {line}".rstrip(" ") for line in _blocks(block.blocks, heading).split("\n"))
    if isinstance(block, Table):
        return _table(block)
    return "---"


def _listing(block: Listing, heading: int) -> str:
    items = []
    for i, item in enumerate(block.items):
        marker = f"{block.mark} " if block.start is None else f"{block.start + i}{block.mark} "
        items.append(_indented(marker, _blocks(item, heading), len(marker)).rstrip(" "))
    tight = all(len(item) <= 1 for item in block.items)
    return ("\n" if tight else "\n\n").join(items)


def _indented(head: str, text: str, width: int) -> str:
    lines = text.split("\n")
    return "\n".join([head + lines[0], *(" " * width + line if line else "" for line in lines[1:])])


def _table(block: Table) -> str:
    rows = [[_line(cell, in_table=True) for cell in row] for row in block.rows]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


# ---------------------------------------------------------------- text in a line


def _line(inlines: Inlines, in_table: bool = False) -> str:
    return _text(
        tuple(i._replace(text=i.text.replace("\n", " ")) if isinstance(i, Run) else i for i in inlines), in_table
    )


def _text(inlines: Inlines, in_table: bool = False) -> str:
    """Return runs and notes as the text of a paragraph; lines in it end in a backslash."""
    text = ""
    pieces = [_piece(inline, in_table) for inline in inlines]
    for inline, piece, behind in zip(inlines, pieces, [*pieces[1:], ""], strict=False):
        if isinstance(inline, Run) and (inline.bold or inline.italic or inline.remark):
            piece = _emphasised(text, piece, behind, _MARKERS[inline.bold, inline.italic or inline.remark])
        if text.endswith("`") and piece.startswith("`"):
            piece = " " + piece
        if text.endswith("!") and piece.startswith("["):
            text = text[:-1] + r"\!"
        text += rf"\{piece}" if text.endswith("]") and piece.startswith((":", "(")) else piece
    lines = [line.strip(" \t") for line in text.strip(_SPACES).split("\n")]
    return "\\\n".join(_opened(line) for line in lines)


def _opened(line: str) -> str:
    """Return a line that opens no list, heading, table or definition."""
    match = _AT_START.match(line)
    if match is None:
        return line
    at = match.end() if match[0].isdigit() else 0
    return line[:at] + "\\" + line[at:]


def _piece(inline: Run | Note, in_table: bool) -> str:
    if isinstance(inline, Note):
        return f"[^{inline.n}]"
    if inline.link:
        return f"<{inline.text}>"
    if not inline.code:
        return _SIGNS.sub(r"\\\g<0>", inline.text)
    text = inline.text.replace("\n", " ")
    ticks = "`" * (1 + _longest(text))
    pad = " " if text.startswith("`") or text.endswith("`") or (text != text.strip(" ") and text.strip(" ")) else ""
    code = f"{ticks}{pad}{text}{pad}{ticks}"
    return code.replace("|", r"\|") if in_table else code


def _longest(text: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)


def _emphasised(before: str, piece: str, behind: str, marker: str) -> str:
    """Return a piece between markers, blanks outside; without them where Markdown would not read them as such."""
    inner = piece.strip(_SPACES)
    if not inner:
        return piece
    start = piece.index(inner)
    head, tail = piece[:start], piece[start + len(inner) :]
    first, last = (head or before)[-1:], (tail or behind)[:1]
    if not (_turns(first, inner[0]) and _turns(last, inner[-1])):
        return piece
    return f"{head}{marker}{inner}{marker}{tail}"


def _turns(outer: str, inner: str) -> bool:
    """Whether emphasis can begin or end between a character outside it and one inside."""
    if outer == "*":
        return False
    beside_word = unicodedata.category(inner)[0] not in "PS"
    return beside_word or not outer or outer.isspace() or unicodedata.category(outer)[0] == "P" or outer in "$+<=>^`|~"
