"""Owns PDF: the lines on its pages, and how they make headings, paragraphs, list items and table rows.

Lengths are points (1/72 inch): x along the text, y across it, upwards.
"""

from __future__ import annotations

import math
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Collection, Container, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from statistics import median

import pypdfium2 as pdfium  # type: ignore[import-untyped]
import pypdfium2.raw as raw  # type: ignore[import-untyped]

from rag.errors import Unloadable
from rag.load.document import PAGE, Document, RawBlock
from rag.load.metadata import one_line, parse_date
from rag.types import BlockKind

HYPHEN = "\x02"
"""Ends a line that a hyphen ends, until the words of the whole document are known."""
CELL_GAP = 1.0
"""In font sizes: a gap as wide parts cells where a line above or below has one at the same place."""
_WIDE_GAP = 1.5  # justified prose has none as wide; twice as wide, it parts cells anywhere
_PROSE = 12.0  # in font sizes: columns as wide hold sentences rather than the cells of a table
_LARGER = 1.12  # than what is around: another style

BULLET = re.compile(r"\A[•●▪■◦‣○∙➢➤✓❖►▶\uf000-\uf0ff]\s*(?=\S)")
_LABEL = re.compile(  # decimals are none: "6.4 The bridge" begins a section, "6.4 metres" ends a sentence
    r"(?:(?:[-*–]|\(?(?:\d{1,3}|[A-Za-z]|[ivx]{1,5})[.)]|\[\d{1,3}\])(?=\s|\Z)"
    r"|\d{1,2}(?:\.\d{1,2}){1,3}\.?(?=\s+[^\W\d_a-z]|\Z))"
)
_FIRST_WORD = re.compile(r"\W*[^\s\u2e80-\u9fff]*")
_STOP = re.compile(r"[.!?:;。！？…：；][\"'”’»)\]」』]{0,3}\Z")
_NO_HEADING = re.compile(r"[.,;。，；][\"'”’»)\]」』]{0,3}\Z")


_MOST_BLOCKS = 200  # on a page that is put in order; the time grows with their square
_KINDS: dict[str, BlockKind] = {"title": "title", "heading": "heading", "boilerplate": "boilerplate"}
_CJK = "\u2e80-\u30ff\u31f0-\u9fff\uf900-\ufaff\uff00-\uffef"  # without Korean, which has spaces
_UNSPACED = re.compile(rf"[{_CJK}][{_CJK}\d]|\d[{_CJK}]")


MAX_PAGES = 5_000
MAX_CHARACTERS = 10_000_000
_UNREADABLE = 0.1  # the share of characters without a meaning from which on words are lost

_SEGMENT = re.compile(rf"[^\r\n{HYPHEN}]+{HYPHEN}?")
_CONTROL = re.compile(r"[\x00\x01\x03-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufffe\uffff]")
_UNMAPPED = re.compile(r"[\ufffd\ue000-\uf8ff]")
_BOLD = re.compile(rb"bold|black|heavy|demi|cmbx", re.IGNORECASE)
_MARGIN = 0.17  # of the height of a page: headers and footers stand in it
_USELESS = re.compile(  # as a title or author
    r"microsoft (word|powerpoint|excel|office)\b.*|powerpoint presentation|untitled.*|no job name|[!-~]*[-_.][!-~]*"
    r"|(document|presentation|slide|layout|title|book|sheet)\s*\d*|.*\.[a-z]{2,4}\d?"
    r"|anonymous|unspecified|unknown|user|admin(istrator)?|root|owner|author",
    re.IGNORECASE,
)
_DATED = re.compile(r"(published|updated|posted|dated?)( on)?\s*:?\s+", re.IGNORECASE)
_HEAD_BLOCKS = 8
_HEAD_LENGTH = 200
_LOCK = threading.Lock()  # PDFium has one state for the whole process


@dataclass(slots=True)
class Line:
    """Text on one baseline at height `y`, `turn` quarter turns from upright.

    `margin` is 1 in the top margin of the page, -1 in the bottom one; `mapped` is False where the font does not say
    which characters it shows; `running` marks headers and footers; `left` and `right` are those of its column.
    """

    page: int
    text: str
    x0: float
    x1: float
    y: float
    size: float
    bold: bool
    turn: int
    margin: int
    mapped: bool
    running: bool = False
    left: float = 0.0
    right: float = 0.0

    @property
    def ended(self) -> bool:
        """Whether a sentence ends with it."""
        return _STOP.search(self.text[-9:]) is not None


@dataclass(slots=True)
class Block:
    """Lines that belong together, or the cells of a row; a kind of an article's blocks, "item" or "row"."""

    kind: str
    lines: list[Line]

    @property
    def first(self) -> Line:
        """The line it begins with."""
        return self.lines[0]

    @property
    def last(self) -> Line:
        """The line it ends with."""
        return self.lines[-1]


def parse_pdf(data: bytes) -> Document:
    """Read the text of a PDF, page by page; text in pictures and in form fields is not read.

    Raises Unloadable where it is encrypted, damaged, over a limit, or holds no text that can be read.
    """
    with _LOCK, _open(data) as pdf:
        pages, damaged = _read_pages(pdf)
        title, author = (_metadata(pdf, key) for key in ("Title", "Author"))
    notes = _doubts(pages, damaged)
    blocks = read_through(pages, title)
    # CreationDate says nothing of it: it is years off where a document was scanned, split or exported again.
    published = _dateline(blocks)
    return Document(blocks, title=title, published=published, author=author, notes=notes)


def _open(data: bytes) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if error.err_code in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY):
            raise Unloadable("failed", "encrypted: save a copy without a password") from None
        raise Unloadable("failed", "damaged: no PDF that can be opened") from None


def _metadata(pdf: pdfium.PdfDocument, key: str) -> str | None:
    value = None
    with suppress(UnicodeDecodeError):
        value = one_line(pdf.get_metadata_value(key))
    return None if value is None or _USELESS.fullmatch(value) else value


def _dateline(blocks: Sequence[RawBlock]) -> str | None:
    """Return the date that stands on a line of its own above the first long paragraph."""
    for i, block in enumerate(blocks[:_HEAD_BLOCKS]):
        text = block.text.lstrip(PAGE)
        if len(text) > _HEAD_LENGTH or (i and PAGE in block.text):
            break
        if found := parse_date(_DATED.sub("", text)):
            return found
    return None


def _read_pages(pdf: pdfium.PdfDocument) -> tuple[list[list[Line]], set[int]]:
    """Return the lines of each page, and the numbers of the pages that cannot be read."""
    if len(pdf) > MAX_PAGES:
        raise Unloadable("failed", f"over {MAX_PAGES:,} pages: split it")
    pages: list[list[Line]] = []
    damaged: set[int] = set()
    room = MAX_CHARACTERS
    for number in range(1, len(pdf) + 1):
        pages.append([])
        try:
            with closing(pdf[number - 1]) as page:
                text = page.get_textpage()
                room -= text.count_chars()
                if room < 0:
                    raise Unloadable("failed", f"over {MAX_CHARACTERS:,} characters: split it")
                pages[-1] += _lines(text, number, page.get_bbox())
        except pdfium.PdfiumError:
            damaged.add(number)
    return pages, damaged


def _lines(page: pdfium.PdfTextPage, number: int, bounds: Sequence[float]) -> Iterator[Line]:
    """Yield the lines of a page in the order of its content, cut where a gap is as wide as between columns."""
    handle = page.raw
    codes = [raw.FPDFText_GetUnicode(handle, i) for i in range(page.count_chars())]
    text = "".join(chr(code) if code < 0x110000 else "\ufffd" for code in codes)
    for segment in _SEGMENT.finditer(text):
        found = re.finditer(r"\S+", segment.group())
        words = [(segment.start() + match.start(), segment.start() + match.end() - 1) for match in found]
        if not words:
            continue
        longest = max(words, key=lambda word: word[1] - word[0])
        size, turn, y, mapped = _style(handle, sum(longest) // 2)
        left, bottom, right, top = _turned(bounds, turn)
        margin = (y > top - _MARGIN * (top - bottom)) - (y < bottom + _MARGIN * (top - bottom))
        edges = [(_box(handle, first, turn)[0], _box(handle, last, turn)[2]) for first, last in words]
        borders = [i for i in range(1, len(words)) if edges[i][0] - edges[i - 1][1] > CELL_GAP * size]
        for i, j in pairwise([0, *borders, len(words)]):
            x0, x1 = edges[i][0], edges[j - 1][1]
            shown = x1 > left and x0 < right and y + size > bottom and y < top
            if shown and math.isfinite(x0 + x1 + size):
                spelled = _readable(" ".join(text[first : last + 1] for first, last in words[i:j]))
                bold = _is_bold(handle, words[i][0]) and _is_bold(handle, words[j - 1][0])
                yield Line(number, spelled, x0, x1, y, size, bold, turn, margin, mapped)


def _readable(text: str) -> str:
    """Join the halves of characters beyond 16 bits; what a font gives no meaning to must not vanish unseen."""
    return _CONTROL.sub("\ufffd", text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))


def _style(handle: object, i: int) -> tuple[float, int, float, bool]:
    """Return a character's font size, its quarter turns, the height of its baseline, and whether its font names it."""
    matrix, x, y = raw.FS_MATRIX(), raw.c_double(), raw.c_double()
    raw.FPDFText_GetMatrix(handle, i, matrix)
    raw.FPDFText_GetCharOrigin(handle, i, x, y)
    turn = round(math.atan2(matrix.b, matrix.a) / (math.pi / 2)) % 4 if math.isfinite(matrix.a + matrix.b) else 0
    size = raw.FPDFText_GetFontSize(handle, i) * math.hypot(matrix.c, matrix.d)
    height = _turned((x.value, y.value, x.value, y.value), turn)[1]
    return max(abs(size), 0.1), turn, height, raw.FPDFText_HasUnicodeMapError(handle, i) != 1


def _box(handle: object, i: int, turn: int) -> tuple[float, float, float, float]:
    box = raw.FS_RECTF()
    raw.FPDFText_GetLooseCharBox(handle, i, box)
    return _turned((box.left, box.bottom, box.right, box.top), turn)


def _turned(box: Sequence[float], turn: int) -> tuple[float, float, float, float]:
    """Return a box (left, bottom, right, top) as it stands when its text runs to the right."""
    x0, y0, x1, y1 = box
    return ((x0, y0, x1, y1), (y0, -x1, y1, -x0), (-x1, -y1, -x0, -y0), (-y1, x0, -y0, x1))[turn]


def _is_bold(handle: object, i: int) -> bool:
    name = raw.create_string_buffer(128)
    raw.FPDFText_GetFontInfo(handle, i, name, 128, None)
    return raw.FPDFText_GetFontWeight(handle, i) >= 600 or _BOLD.search(name.value) is not None


def _doubts(pages: Sequence[Sequence[Line]], damaged: Collection[int]) -> list[str]:
    """Return what reading the pages left in doubt; raises Unloadable where there is nothing to read."""
    texts = ["".join(BULLET.sub("", line.text) for line in page) for page in pages]
    strange = [len(_UNMAPPED.findall(text)) for text in texts]
    guessed = sum(len(line.text) for page in pages for line in page if not line.mapped)
    length = sum(map(len, texts))
    if len(damaged) == len(pages):
        raise Unloadable("failed", "damaged: none of its pages can be read")
    if not length:
        raise Unloadable("skipped", f"no text in its {len(pages)} pages: scanned? run OCR on it first")
    if sum(strange) > _UNREADABLE * length:
        raise Unloadable("skipped", "text cannot be extracted: its fonts have no character map")
    empty = [i for i, text in enumerate(texts, 1) if not text and i not in damaged]
    unread = [i for i, count in enumerate(strange, 1) if count]
    notes = [
        _note(empty, "has no text", "have no text"),
        _note(sorted(damaged), "cannot be read", "cannot be read"),
        _note(unread, "has characters that cannot be read", "have characters that cannot be read"),
        "its fonts have no character map: the text may be wrong" if guessed > length / 2 else "",
    ]
    return [note for note in notes if note]


def _note(pages: Sequence[int], one: str, several: str) -> str:
    """Say something of pages: "pages 3, 5–8 and 11 have no text"; nothing where there are none."""
    known = set(pages)
    starts, ends = ([i for i in pages if i + step not in known] for step in (-1, 1))
    names = [str(a) if a == b else f"{a}–{b}" for a, b in zip(starts, ends, strict=True)]
    if len(pages) < 2:
        return f"page {names[0]} {one}" if pages else ""
    names[8:] = [f"{len(names) - 8} other places"] if len(names) > 9 else names[8:]
    return f"pages {', '.join(names[:-1])}{' and ' * (len(names) > 1)}{names[-1]} {several}"


# ---------------------------------------------------------------- the document


def read_through(pages: Sequence[Sequence[Line]], title: str | None) -> list[RawBlock]:
    """Return the blocks of a document with the marks of its pages; `title` is the one known from elsewhere."""
    _mark_running(pages)
    sizes: Counter[float] = Counter()
    for line in chain.from_iterable(pages):
        sizes[round(line.size, 1)] += len(line.text)
    body = max(sizes, key=sizes.__getitem__)
    blocks = [block for page in pages for block in _in_reading_order(page_blocks(page, body))]
    _mark_title(blocks, title, body)
    return list(_raw_blocks(_joined_over_breaks(blocks, body), len(pages)))


def _mark_running(pages: Sequence[Sequence[Line]]) -> None:
    """Mark headers, footers and page numbers: the same text at the same place of three pages or more.

    It must be on half of the pages between the first and the last of them, as left and right pages differ. The first
    or the last number in it may grow with the pages.
    """
    alike: defaultdict[tuple[int, str], list[Line]] = defaultdict(list)
    for line in chain.from_iterable(pages):
        numbers = list(re.finditer(r"\d{1,5}", line.text)) if line.margin else []
        texts = {line.text} if line.margin else set()
        for number in (*numbers[:1], *numbers[-1:]):
            offset = int(number.group()) - line.page
            texts.add(f"{line.text[: number.start()]}{PAGE}{offset}{line.text[number.end() :]}")
        for text in texts:
            alike[line.margin, text].append(line)
    for lines in alike.values():
        height = median(line.y for line in lines)
        lines = [line for line in lines if abs(line.y - height) < line.size]
        numbered = {line.page for line in lines}
        if len(numbered) >= 3 and 2 * len(numbered) > max(numbered) - min(numbered):
            for line in lines:
                line.running = True
    for page in pages:
        for margin, turn in {(line.margin, line.turn) for line in page if line.running}:
            _keep_outermost([line for line in page if (line.margin, line.turn) == (margin, turn)])


def _keep_outermost(lines: list[Line]) -> None:
    """Take back the marks behind which, seen from the middle of the page, other text stands."""
    lines.sort(key=lambda line: -line.margin * line.y)
    running = True
    for line in lines:
        beside = (other.running and abs(other.y - line.y) < 0.5 * line.size for other in lines)
        running = running and (line.running or any(beside))
        line.running = line.running and running


def _mark_title(blocks: Sequence[Block], known: str | None, body: float) -> None:
    """Mark the largest heading of the first page as the title, where it is the known one or none is known."""
    heads = [block for block in blocks if block.kind == "heading" and block.first.page == blocks[0].first.page]
    heads = [block for block in heads if sum(map(str.isalpha, _text(block))) > 4]
    head = max(heads, key=lambda block: block.first.size, default=None)
    if head is None or head.first.size < 1.1 * body or head.first.turn or head.first.margin < 0:
        return
    if known is None or known == _text(head):
        head.kind = "title"


# ---------------------------------------------------------------- reading order


def _in_reading_order(blocks: list[Block]) -> list[Block]:
    """Return the blocks as the file names them, or by place where that jumps back up a column."""
    upright = [block for block in blocks if block.first.turn == blocks[0].first.turn]
    if len(upright) > _MOST_BLOCKS:
        return blocks
    spans = [(_span(block, across=True), _span(block, across=False)) for block in upright]
    back = any(
        low[0] >= high[1] and left[0] < right[1] and right[0] < left[1]
        for i, (left, low) in enumerate(spans)
        for right, high in spans[i + 1 :]
    )
    return _by_place(upright) + blocks[len(upright) :] if back else blocks


def _by_place(blocks: list[Block]) -> list[Block]:
    """Sort by columns, and within them from top to bottom: a recursive XY cut."""
    groups = _parted(blocks, across=True)
    if len(groups) == 1:
        groups = []
        for band in _parted(blocks, across=False):
            together = [*chain.from_iterable(groups[-1:]), *band]
            columns = any(len(_parted(part, across=True)) > 1 for part in (band, *groups[-1:]))
            if groups and columns and len(_parted(together, across=True)) > 1:  # the columns go on
                groups[-1] = together
            else:
                groups.append(band)
    return blocks if len(groups) == 1 else [block for group in groups for block in _by_place(group)]


def _parted(blocks: Sequence[Block], across: bool) -> list[list[Block]]:
    """Part blocks where a line from edge to edge meets none: columns, or bands from top to bottom."""
    parts: list[list[Block]] = []
    reach = -math.inf
    for (start, end), block in sorted(((_span(block, across), block) for block in blocks), key=lambda item: item[0]):
        if start >= reach:
            parts.append([])
        parts[-1].append(block)
        reach = max(reach, end)
    return parts


def _span(block: Block, across: bool) -> tuple[float, float]:
    if across:
        return min(line.x0 for line in block.lines), max(line.x1 for line in block.lines)
    return min(-line.y - 0.7 * line.size for line in block.lines), max(-line.y for line in block.lines)


# ---------------------------------------------------------------- breaks


def _joined_over_breaks(blocks: Sequence[Block], body: float) -> list[Block]:
    """Join the paragraphs that go on in the next column or on the next page, past notes, tables and running lines."""
    done: list[Block] = []
    start: int | None = None  # where the paragraph is that may go on
    for block in blocks:
        if start is not None and _goes_on(done[start], block, body):
            paragraph, between = done[start], done[start + 1 :]
            page, next_page = paragraph.last.page, block.first.page
            # What stands between has to stay on its page: in front of the paragraph, or behind it.
            fits_before = paragraph.first.page == page
            front = [other for other in between if fits_before and other.first.page == page]
            behind = [
                other for other in between if other.first.page == next_page and not (fits_before and page == next_page)
            ]
            if len(front) + len(behind) == len(between):
                paragraph.lines += block.lines
                done[start:] = [*front, paragraph, *behind]
                start += len(front)
                continue
        done.append(block)
        if block.kind in ("heading", "title"):
            start = None
        elif block.kind in ("text", "item") and _is_body(block, body):
            stands_alone = len(block.lines) == 1 and start is not None and _breaks_off(done[start])  # such as a label
            start = start if stands_alone else len(done) - 1
    return done


def _is_body(block: Block, body: float) -> bool:
    return abs(block.last.size - body) < 0.06 * body


def _breaks_off(block: Block) -> bool:
    return len(block.lines) > 1 and block.last.x1 > block.last.right - 5 * block.last.size and not block.last.ended


def _goes_on(block: Block, following: Block, body: float) -> bool:
    before, line = block.last, following.first
    alike = (before.turn, before.bold) == (line.turn, line.bold) and _is_body(following, body)
    next_column = line.page == before.page and line.y > before.y and line.x0 > before.x1
    if following.kind != "text" or not alike or before.ended or not (next_column or line.page > before.page):
        return False
    ends = line.ended if len(following.lines) < 2 else line.x0 - following.lines[1].x0 < 0.5 * line.size  # no indent
    return line.text[0].islower() or (_breaks_off(block) and ends)


# ---------------------------------------------------------------- text


def _raw_blocks(blocks: Sequence[Block], pages: int) -> Iterator[RawBlock]:
    page, kind = 0, ""
    for block, text in zip(blocks, _spelled([_text(block) for block in blocks]), strict=True):
        begins = PAGE * (block.first.page - page)
        tight = block.kind == kind and kind in ("item", "row")
        page, kind = block.last.page, block.kind
        yield RawBlock(_KINDS.get(kind, "text"), begins + text, tight)
    yield RawBlock("text", PAGE * (pages - page))


def _text(block: Block) -> str:
    """Return the text of a block, with the marks of pages and of hyphens at the end of lines."""
    if block.kind in ("row", "boilerplate"):
        return " | ".join(line.text for line in block.lines)
    parts = [BULLET.sub("", block.first.text)]
    for before, line in pairwise(block.lines):
        end = parts[-1]
        if end[-1] in "-‐\xad" and end[-2:-1].isalpha() and line.text[0].islower():
            parts[-1] = end[:-1] + HYPHEN
        unspaced = parts[-1][-1] == HYPHEN or _UNSPACED.match(end[-1] + line.text[0])
        parts += (("" if unspaced else " ") + PAGE * (line.page - before.page), line.text)
    return "".join(parts)


def _spelled(texts: Sequence[str]) -> list[str]:
    """Put the words together that are parted at the end of a line, with the hyphen where it is theirs.

    The other words of the document tell. Where they do not, it goes if it goes often: a program set these lines.
    """
    tokens = chain.from_iterable(re.findall(rf"[\w{HYPHEN}-]+", text.lower()) for text in texts)
    words = {part for token in tokens if HYPHEN not in token for part in (token, *token.split("-"))}
    parts = [text.split(HYPHEN) for text in texts]
    compounds = [[_is_compound(left, right, words) for left, right in pairwise(part)] for part in parts]
    known = Counter(chain.from_iterable(compounds))
    signs = {True: "-", False: "", None: "" if 2 * known[False] > known[True] else "-"}
    return [
        "".join(chain(part[:1], *((signs[sign], piece) for sign, piece in zip(found, part[1:], strict=True))))
        for part, found in zip(parts, compounds, strict=True)
    ]


def _is_compound(left: str, right: str, words: Container[str]) -> bool | None:
    """Whether the two halves of a word have a hyphen wherever they stand; None where no other word tells."""
    before = re.split(r"[^\w-]", left[-40:])[-1]
    after = re.split(r"[^\w-]", right.lstrip(PAGE)[:40])[0]
    same_case = after[:1].islower() or (after.isupper() and before.isupper())
    if not same_case or len(before) == 1:
        return True
    before, after = before.lower(), after.lower()
    last = before.rpartition("-")[2]
    if before + after in words or last + after in words:
        return False
    parts_are_words = last in words and after in words and (len(last) > 2 or last != before)
    return True if parts_are_words or f"{before}-{after}" in words else None


# ---------------------------------------------------------------- a page


def page_blocks(lines: Sequence[Line], body: float) -> list[Block]:
    """Return the blocks of a page as the file names them, those that stand across the others at the end.

    `body` is the font size of most of the document.
    """
    turns = Counter(line.turn for line in lines)
    main = max(turns, key=turns.__getitem__, default=0)
    rows = _unwoven(_rows(sorted(lines, key=lambda line: line.turn != main)))
    rows = [_cells(row, rows[max(i - 1, 0) : i] + rows[i + 1 : i + 2]) for i, row in enumerate(rows)]
    leading = _set_columns(rows)
    blocks: list[Block] = []
    for row in rows:
        line, last = row[0], blocks[-1] if blocks else Block("", [])
        if len(row) > 1 or line.running:
            blocks.append(Block("boilerplate" if any(cell.running for cell in row) else "row", row))
        elif last.kind == "text" and not _begins(last.lines, line, leading, body):
            last.lines.append(line)
        elif last.kind != "row" or not _continue_cell(last.lines, line):
            blocks.append(Block("text", row))
    for block in blocks:
        if block.kind == "text":
            block.kind = _kind(block.lines, body)
    return blocks


# ---------------------------------------------------------------- rows and columns


def _rows(lines: Sequence[Line]) -> list[list[Line]]:
    """Join what follows closely on the same baseline; what stands further to the right is the next cell of a row."""
    rows: list[list[Line]] = []
    for line in lines:
        before = rows[-1][-1] if rows else line
        small, size = sorted((line.size, before.size))
        gap, step = line.x0 - before.x1, abs(before.y - line.y)
        level = step < 0.3 * size and gap > -0.5 * size
        script = small < 0.8 * size and step < 0.7 * size and gap > -2 * small  # one may stand over the other
        if before is line or before.turn != line.turn or not (level or script) or before.text[-1] == HYPHEN:
            rows.append([line])
        elif gap > CELL_GAP * size:
            rows[-1].append(line)
        else:
            rows[-1][-1] = _beside(before, line, " " if gap > 0.15 * size else "")
    return rows


def _beside(left: Line, right: Line, space: str) -> Line:
    style = max(left, right, key=lambda line: len(line.text))
    running, bold = left.running or right.running, left.bold and right.bold
    text = left.text + space + right.text
    return replace(style, text=text, x0=left.x0, x1=max(left.x1, right.x1), running=running, bold=bold)


def _unwoven(rows: Sequence[list[Line]]) -> list[list[Line]]:
    """Put two columns of prose one after the other where the file names a line of each by turns."""
    groups: list[list[list[Line]]] = []  # rows that one gap runs down through
    border = 0.0
    for row in rows:
        size = row[0].size
        near = bool(groups) and len(groups[-1][0]) == 2 and 0 < groups[-1][-1][0].y - row[0].y < 2 * size
        if not near or len(row) > 2 or any(cell.x0 < border < cell.x1 for cell in row):
            groups.append([])
            border = row[-1].x0 - 0.5 * size
        groups[-1].append(row)
    return [row for group in groups for row in (_columns(group) or group)]


def _columns(group: Sequence[Sequence[Line]]) -> list[list[Line]]:
    """Return the lines of the left column, then those of the right one; nothing where they are not prose."""
    pairs = [row for row in group if len(row) == 2]
    if len(pairs) < 3 or any(median((row[i].x1 - row[i].x0) / row[i].size for row in pairs) < _PROSE for i in (0, 1)):
        return []
    border = group[0][1].x0 - 0.5 * group[0][0].size
    return [[cell] for cell in sorted(chain.from_iterable(group), key=lambda cell: cell.x0 >= border)]


def _cells(row: list[Line], near: Sequence[Sequence[Line]]) -> list[Line]:
    """Return the cells of a row of a table; one line where they are a label and its text, or prose with a wide gap."""
    if len(row) == 1:
        return row
    gaps = [(b.x0 - a.x1) / b.size for a, b in pairwise(row)]
    wide = [gap for gap in gaps if gap > _WIDE_GAP]
    others = [other for cells in near for other in cells[1:]]
    distances = [min((_distance(cell, other) for other in others), default=math.inf) for cell in row[1:]]
    aligned = median(distances) < 0.5
    even = len(gaps) > 1 and max(gaps) < 1.25 * min(gaps) and max(distances) > 0.1
    flush = any(len(cells) == 1 and _fills(row, cells[0]) for cells in near)
    label = len(row) == 2 and (_LABEL.fullmatch(row[0].text) or len(row[0].text) == 1)
    table = len(wide) > 2 or max(gaps) > 2 * _WIDE_GAP or (aligned and (wide or len(gaps) > 1))
    if table and not (label or even or flush):
        return row
    return [replace(row[-1], text=" ".join(cell.text for cell in row), x0=row[0].x0)]


def _distance(line: Line, other: Line) -> float:
    """Return how far apart the left ends, the right ends or the middles of two cells are, in font sizes."""
    left, right = line.x0 - other.x0, line.x1 - other.x1
    return min(abs(left), abs(right), abs(left + right) / 2) / line.size


def _fills(row: Sequence[Line], line: Line) -> bool:
    """Whether a row begins and ends where a line beside it does, as in justified prose."""
    return max(abs(row[0].x0 - line.x0), abs(row[-1].x1 - line.x1)) < 0.3 * line.size


def _set_columns(rows: Sequence[Sequence[Line]]) -> float:
    """Set where the column of each line is; return the usual step from line to line, in font sizes."""
    columns: list[list[Line]] = []
    steps = []
    for before, row in pairwise([[], *rows]):
        alike = len(before) == len(row) == 1 and (before[0].turn, row[0].running) == (row[0].turn, False)
        step = (before[0].y - row[0].y) / row[0].size if alike else 0.0
        if 0.8 < step < 3 and abs(before[0].size - row[0].size) < 0.03 * row[0].size:
            columns[-1].append(row[0])
            steps.append(step)
        else:
            columns.append([row[0]])
    for column in columns:
        left, right = min(line.x0 for line in column), max(line.x1 for line in column)
        for line in column:
            line.left, line.right = left, right
    return sorted(steps)[len(steps) // 4] if steps else 1.2  # most lines are closer than paragraphs


def _continue_cell(cells: list[Line], line: Line) -> bool:
    """Add a line to the cell of a row that it goes on with, if any: right below, and not in the first column."""
    for i, cell in enumerate(cells[1:], 1):
        below = abs(line.x0 - cell.x0) < 0.3 * cell.size and 0 < cell.y - line.y < 1.5 * cell.size
        if below and cell.turn == line.turn and len(cell.text) < 1000:  # a column of text is no cell
            cells[i] = replace(cell, text=f"{cell.text} {line.text}", y=line.y)
            return True
    return False


# ---------------------------------------------------------------- paragraphs


def _begins(block: Sequence[Line], line: Line, leading: float, body: float) -> bool:
    """Whether a line begins a paragraph, rather than goes on with the one before it."""
    first, before, ended, lower = block[0], block[-1], block[-1].ended, line.text[0].islower()
    most = leading * line.size * (1.3 if ended or not lower else 1.8)  # a line with scripts needs more room
    near = before.turn == line.turn and 0 < before.y - line.y < most
    same_size = line.size < _LARGER * before.size and before.size < _LARGER * line.size
    if not near or not same_size or line.x0 > before.x1 or line.x1 < before.x0:
        return True
    if before.text[-1] == HYPHEN:
        return False
    short = before.x1 - before.x0 < 0.5 * (line.right - before.x0)
    done = short or (_has_room(before, line) and (ended or not lower))
    item = BULLET.match(first.text) or _LABEL.match(first.text)
    sibling = item and abs(line.x0 - first.x0) < 0.5 * line.size
    if BULLET.match(line.text) or (_LABEL.match(line.text) and (ended or done or sibling)):
        return True
    if before.bold != line.bold:
        return all(part.bold for part in block) if before.bold else ended or done
    left, right = line.x0 - before.x0, line.x1 - before.x1
    centred = abs(left) > 0.3 * line.size and abs(left + right) < 0.5 * line.size
    if line.bold or line.size > _LARGER * body or centred:
        return False
    if lower and not ended:
        return short
    indent = 0.7 * line.size
    if len(block) > 1:
        return done or abs(left) > indent
    both_indented = abs(left) < indent and line.x0 - line.left > indent
    return done or (ended and not item and (left > indent or both_indented))


def _has_room(before: Line, line: Line) -> bool:
    """Whether the first word of a line had found room on the one before it: somebody wanted a new line."""
    word = _FIRST_WORD.match(line.text)
    share = (len(word.group()) + 1 if word else 1) / len(line.text)
    return before.x1 + share * (line.x1 - line.x0) + line.size < line.right


def _kind(lines: Sequence[Line], body: float) -> str:
    text = " ".join(line.text for line in lines)
    if BULLET.match(text):
        return "item"
    styled = all(line.bold for line in lines) or min(line.size for line in lines) > _LARGER * body
    words = sum(map(str.isalpha, text)) > max(0.6 * len(text.replace(" ", "")), 1)
    if styled and words and len(text) <= 200 and not _NO_HEADING.search(text[-9:]):
        return "heading"
    return "item" if _LABEL.match(text) else "text"
