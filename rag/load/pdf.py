"""Owns PDF: what PDFium reads on its pages, and what is in doubt about it."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, suppress
from itertools import pairwise

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from rag.errors import Unloadable
from rag.load.document import PAGE, Document, RawBlock
from rag.load.layout import BULLET, CELL_GAP, HYPHEN, Line
from rag.load.metadata import one_line, parse_date
from rag.load.pages import read_through

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
        many = f"{len(pages):,} pages" if len(pages) > 1 else "only page"
        raise Unloadable("skipped", f"no text in its {many}: scanned? run OCR on it first")
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
