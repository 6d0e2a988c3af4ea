"""Owns the text of a Word document: blocks as paragraphs, lists and tables, with true footnotes."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from rag.export.contents import document, moment, one_line, reference
from rag.export.package import escape, package
from rag.export.values import Block, Code, Entry, Heading, Inlines, Listing, Note, Paragraph, Quoted, Run, Table
from rag.types import Citation

_LANGUAGE = re.compile(r"[a-z]{2,3}")
_INDENT = 360  # twentieths of a point
_DEEPEST = 8
_TEXT_WIDTH = 9298  # of an A4 page, in twentieths of a point
_LARGEST = 2**31 - 1
_RAISED = '<w:rPr><w:rStyle w:val="FootnoteReference"/></w:rPr>'
_GAP = f'<w:r>{_RAISED}<w:t xml:space="preserve"> </w:t></w:r>'  # so that notes 1 and 2 do not read as 12


def docx(entries: Sequence[Entry], title: str | None = None) -> bytes:
    """Return questions and their answers as a Word document: each question a heading, each cited quote a footnote.

    The same bytes for the same entries and title. It names no person and refers to nothing outside itself; addresses
    of articles are text.
    """
    made = document(entries, title)
    writer = _Writer()
    body = "".join(writer.block(block) for block in made.blocks)
    notes = "".join(_footnote(n, citation) for n, citation in enumerate(made.notes, start=1))
    times = [at for entry in entries if (at := moment(entry.at))]
    name = title or (entries[0].question if entries else "")
    return package(
        body, notes, writer.numbered, title=one_line(name), language=_language(made.notes), made=_latest(times)
    )


def _latest(times: Sequence[datetime]) -> datetime | None:
    return max((at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC) for at in times), default=None)


def _language(notes: Sequence[Citation]) -> str:
    """Return the language of most of what is cited; English where that is not known."""
    languages = Counter(note.source.language for note in notes if _LANGUAGE.fullmatch(note.source.language or ""))
    return next((language for language, _ in languages.most_common(1) if language), "en")


def _footnote(n: int, citation: Citation) -> str:
    sign = f"<w:r>{_RAISED}<w:footnoteRef/></w:r>"
    text = _run(Run(" ")) + "".join(map(_run, reference(citation)))
    return f'<w:footnote w:id="{n}">{_paragraph(sign + text, "FootnoteText", citation.quote)}</w:footnote>'


class _Writer:
    """Writes blocks, and remembers which notes and lists there were.

    `numbered` holds where each numbered list begins to count. A note that is referred to again is a field that
    repeats its number: a second reference of the first kind would be counted as a note of its own.
    """

    def __init__(self) -> None:
        self.numbered: list[int] = []
        self._noted: set[int] = set()

    def block(self, block: Block, depth: int = 0, style: str = "") -> str:
        """Return a block that stands in `depth` lists or quotations, paragraphs in `style` if they have none."""
        indent = f'<w:ind w:left="{_INDENT * depth}"/>' if depth else ""
        if isinstance(block, Paragraph):
            return self._text(block.inlines, "Notice" if block.notice else style, indent)
        if isinstance(block, Heading):
            return self._text(block.inlines, f"Heading{min(block.level, 6)}" if block.level else "Title", indent)
        if isinstance(block, Code):
            return _paragraph(_run(Run(block.text)), "Code", properties=indent)
        if isinstance(block, Listing):
            return self._list(block, depth, style)
        if isinstance(block, Quoted):
            return "".join(self.block(inner, depth + 1, "Quote") for inner in block.blocks)
        if isinstance(block, Table):
            return self._table(block)
        line = '<w:pBdr><w:bottom w:val="single" w:sz="6" w:space="1" w:color="A6A6A6"/></w:pBdr>'
        return _paragraph("", properties=line)

    def _list(self, block: Listing, depth: int, style: str) -> str:
        number = 1
        if block.start is not None:
            self.numbered.append(min(block.start, _LARGEST))
            number = 1 + len(self.numbered)
        level = min(depth, _DEEPEST)
        listed = f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>'
        text = ""
        for item in block.items:
            first = item[0] if item else None
            inlines, rest = (first.inlines, item[1:]) if isinstance(first, Paragraph) else ((), item)
            text += self._text(inlines, "ListParagraph", listed)
            text += "".join(self.block(inner, depth + 1, style or "ListParagraph") for inner in rest)
        return text

    def _table(self, block: Table) -> str:
        """Return a table, and an empty paragraph so that the next one does not grow on to it."""
        columns = len(block.rows[0])
        width = _TEXT_WIDTH // columns
        sides = "".join(
            f'<w:{side} w:val="single" w:sz="4" w:space="0" w:color="A6A6A6"/>'
            for side in ("top", "left", "bottom", "right", "insideH", "insideV")
        )
        margins = '<w:left w:w="100" w:type="dxa"/><w:right w:w="100" w:type="dxa"/>'
        head = (
            f'<w:tblPr><w:tblW w:w="{width * columns}" w:type="dxa"/><w:tblBorders>{sides}</w:tblBorders>'
            f"<w:tblCellMar>{margins}</w:tblCellMar></w:tblPr>"
            f'<w:tblGrid>{f"""<w:gridCol w:w="{width}"/>""" * columns}</w:tblGrid>'
        )
        rows = "".join(self._row(row, width, is_head=not i) for i, row in enumerate(block.rows))
        return f"<w:tbl>{head}{rows}</w:tbl>{_paragraph('', properties=_CLOSE)}"

    def _row(self, row: tuple[Inlines, ...], width: int, is_head: bool) -> str:
        cells = ""
        for cell in row:
            shown = tuple(i._replace(bold=True) if is_head and isinstance(i, Run) else i for i in cell)
            paragraph = self._text(shown, properties=_CLOSE)
            cells += f'<w:tc><w:tcPr><w:tcW w:w="{width}" w:type="dxa"/></w:tcPr>{paragraph}</w:tc>'
        return f"<w:tr>{'<w:trPr><w:tblHeader/></w:trPr>' if is_head else ''}{cells}</w:tr>"

    def _text(self, inlines: Inlines, style: str = "", properties: str = "") -> str:
        if inlines and isinstance(inlines[0], Run):
            inlines = (inlines[0]._replace(text=inlines[0].text.lstrip(" ")), *inlines[1:])
        runs = ""
        for inline, previous in zip(inlines, (None, *inlines), strict=False):
            if isinstance(inline, Run):
                runs += _run(inline)
            else:
                runs += (_GAP if isinstance(previous, Note) else "") + self._note(inline.n)
        words = "".join(inline.text for inline in inlines if isinstance(inline, Run))
        return _paragraph(runs, style, words, properties)

    def _note(self, n: int) -> str:
        if n in self._noted:
            return f'<w:fldSimple w:instr=" NOTEREF _Note{n} \\f \\h "><w:r>{_RAISED}<w:t>{n}</w:t></w:r></w:fldSimple>'
        self._noted.add(n)
        return (
            f'<w:bookmarkStart w:id="{n}" w:name="_Note{n}"/>'
            f'<w:r>{_RAISED}<w:footnoteReference w:id="{n}"/></w:r><w:bookmarkEnd w:id="{n}"/>'
        )


_CLOSE = '<w:spacing w:after="40"/>'


def _paragraph(runs: str, style: str = "", words: str = "", properties: str = "") -> str:
    """Return a paragraph; from right to left where its words begin so."""
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    bidi = "<w:bidi/>" if _runs_leftward(words) else ""
    inside = _ordered(named, properties, bidi)
    return f"<w:p>{f'<w:pPr>{inside}</w:pPr>' if inside else ''}{runs}</w:p>"


def _ordered(named: str, properties: str, bidi: str) -> str:
    """Return the properties of a paragraph in the order that the format asks for: spacing and indents come last."""
    late = properties.startswith(("<w:spacing", "<w:ind"))
    return named + (bidi + properties if late else properties + bidi)


def _runs_leftward(words: str) -> bool:
    kinds = (unicodedata.bidirectional(char) for char in words)
    return next((kind for kind in kinds if kind in ("L", "R", "AL")), "L") != "L"


def _run(run: Run) -> str:
    style = "CodeCharacters" if run.code else "Verdict" if run.remark else ""
    properties = (
        (f'<w:rStyle w:val="{style}"/>' if style else "")
        + "<w:b/><w:bCs/>" * run.bold
        + "<w:i/><w:iCs/>" * run.italic
        + "<w:rtl/>" * _runs_leftward(run.text)
    )
    lines = "<w:br/>".join(
        f'<w:t xml:space="preserve">{escape(line)}</w:t>' for line in run.text.replace("\t", "    ").split("\n")
    )
    return f"<w:r>{f'<w:rPr>{properties}</w:rPr>' if properties else ''}{lines}</w:r>"
