"""Pages of PDFs as they are shown: a picture within bounds, and rectangles with the words of a quote and no others."""

from __future__ import annotations

import io
import random
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pypdfium2 as pdfium
import pypdfium2.raw as raw
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from rag.errors import Unloadable
from rag.load import load
from rag.load import pdf_page as pdf_page_module
from rag.load.pdf_page import Rect, Sheet, locate, render_page
from rag.load.wording import Letters, find, letters, quote_of
from rag.text import sentence_spans
from rag.types import Article, Span
from tests.articles import article_or_none
from tests.test_load_pdf import LETTER, Text, assemble, lines, make_pdf, mapped_pdf

SEEN = 0.2  # of a line's height at its edges, which letters of other lines reach into


def plain(text: str) -> str:
    return letters(list(text)).text


def sheet_text(article: Article, number: int) -> tuple[int, str]:
    """Return where the text of a page begins, and that text."""
    borders = [*article.pages, len(article.text)]
    return borders[number - 1], article.text[borders[number - 1] : borders[number]]


def rects_of(data: bytes, article: Article, span: Span, number: int | None = None) -> tuple[int, list[Rect], str]:
    """Return the page of a span, its rectangles there, and the words of the article that should be in them."""
    number = number or bisect_right(article.pages, span.start)
    begin, text = sheet_text(article, number)
    start, end = max(span.start - begin, 0), min(span.end - begin, len(text))
    _, (rects,) = locate(data, number, text, [(start, end)])
    return number, rects, text[start:end]


def inside(data: bytes, number: int, rects: Sequence[Rect]) -> str:
    """Return the letters that PDFium finds in rectangles of a page as it is shown."""
    with pdfium.PdfDocument(data) as pdf:
        page = pdf[number - 1]
        text_page = page.get_textpage()
        words = "".join(text_page.get_text_bounded(*_on_page(page, rect)) for rect in rects)
        text_page.close()
        page.close()
    return plain(words)


def _on_page(page: pdfium.PdfPage, rect: Rect) -> tuple[float, float, float, float]:
    x, y, places = raw.c_double(), raw.c_double(), []
    left, top, width, height = rect
    for across, down in ((left, top), (left + width, top + height)):
        raw.FPDF_DeviceToPage(page.raw, 0, 0, 10**6, 10**6, 0, round(across * 10**6), round(down * 10**6), x, y)
        places.append((x.value, y.value))
    (x0, x1), (y0, y1) = sorted(place[0] for place in places), sorted(place[1] for place in places)
    if y1 - y0 < x1 - x0:
        return x0, y0 + SEEN * (y1 - y0), x1, y1 - SEEN * (y1 - y0)
    return x0 + SEEN * (x1 - x0), y0, x1 - SEEN * (x1 - x0), y1


def located(data: bytes, words: str, number: int | None = None, nth: int = 0) -> list[Rect]:
    """Return the rectangles of words of the text; they hold just these words."""
    (article,) = load("a.pdf", data)
    at = -1
    for _ in range(nth + 1):
        at = article.text.index(words, at + 1)
    number, rects, quote = rects_of(data, article, Span(at, at + len(words)), number)
    assert inside(data, number, rects) == plain(quote)
    return rects


# ---------------------------------------------------------------- where words stand


def test_a_quote_within_a_line_has_one_rectangle_around_its_words() -> None:
    ((left, top, width, height),) = located(make_pdf(LETTER), "The bridge at Ostvik")
    assert left == pytest.approx(60 / 600, abs=0.003)
    assert width == pytest.approx(95 / 600, abs=0.01)
    assert top < 1 - 700 / 800 < top + height
    assert 9 / 800 < height < 16 / 800


def test_a_quote_over_two_lines_has_a_rectangle_for_each() -> None:
    first, second = located(make_pdf(LETTER), "in the summer of 1931, and it is 412 metres long")
    assert first[0] > second[0] == pytest.approx(60 / 600, abs=0.003)
    assert first[1] + first[3] <= second[1] + 0.0001


def test_lines_that_stand_closely_do_not_overlap() -> None:
    page = [
        Text(60, 700 - 8 * i, f"In {1931 + i} the bridge at Ostvik was as long as it is old and", 10) for i in range(4)
    ]
    (article,) = load("a.pdf", make_pdf(page))
    _, rects, _ = rects_of(make_pdf(page), article, Span(0, len(article.text)))
    assert len(rects) == 4
    for above, below in pairwise(rects):
        assert above[1] + above[3] <= below[1] + 0.0001


def test_the_punctuation_at_the_ends_of_a_quote_is_in_its_rectangles() -> None:
    data = make_pdf(lines("They said “it is old.” Nobody heard it."))
    ((left, _, width, _),) = located(data, "“it is old.”")
    ((bare_left, _, bare_width, _),) = located(data, "it is old")
    assert left < bare_left - 0.003
    assert left + width > bare_left + bare_width + 0.003


COLUMNS = [
    Text(x, 700 - 12 * i, words)
    for x, column in (
        (
            60,
            [
                "The bridge at Ostvik was opened in 1931, and",
                "it is a long one as everybody there knows,",
                "since it goes from one bank of the river to",
                "the other one. It was closed in the year",
            ],
        ),
        (
            320,
            [
                "2022, since engineers found rust in two of",
                "the cables which hold it above the water.",
                "The repair cost 3.5 million crowns, and the",
                "town paid for it. Nobody liked that much.",
            ],
        ),
    )
    for i, words in enumerate(column)
]


@pytest.mark.parametrize("order", ["by column", "by line"])
def test_a_quote_goes_on_in_the_next_column(order: str) -> None:
    page = COLUMNS if order == "by column" else sorted(COLUMNS, key=lambda text: (-text.y, text.x))
    data = make_pdf(page)
    rects = located(data, "It was closed in the year 2022, since engineers found rust in two of the cables")
    assert [rect[0] < 0.5 for rect in rects] == [True, False, False]
    rects = located(data, "it is a long one as everybody there knows, since it goes from one bank of the river")
    assert [rect[0] < 0.5 for rect in rects] == [True, True]


def test_a_word_that_was_parted_at_the_end_of_a_line_is_found_whole() -> None:
    data = make_pdf(lines("Many people think about the con-", "struction of bridges, and construction takes years."))
    rects = located(data, "about the construction of bridges")
    assert len(rects) == 2
    last_letter = located(data, "about the con")[0]
    assert rects[0][2] > last_letter[2] + 0.003  # the hyphen too


def test_ligatures_and_soft_hyphens_are_no_obstacle() -> None:
    data = mapped_pdf("<41> <FB01> <42> <00AD> <43> <0066> <44> <0069> <45> <006E>", "AE BE")
    whole = located(data, "fin")
    for text in ("\ufb01n", "f\xadi\xadn", "fi-\nn", "F\u0301in".lower()):
        assert locate(data, 1, f"{text} n", [(0, len(text))])[1] == [whole]


def test_characters_beyond_sixteen_bits_have_their_place() -> None:
    data = mapped_pdf("<41> <D835DC9C> <42> <0062>", "BAB AB")
    (article,) = load("a.pdf", data)
    _, (first, second) = locate(data, 1, article.text, [(0, 3), (4, 6)])
    assert first[0][0] + first[0][2] < second[0][0]


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_page_that_is_turned_has_its_rectangles_where_it_shows_the_words(turn: int) -> None:
    upright = make_pdf(LETTER)
    turned = make_pdf(LETTER, on_page=f"/Rotate {turn}")
    words = "was opened in the summer"
    ((left, top, width, height),) = located(upright, words)
    expected = {
        90: (1 - top - height, left, height, width),
        180: (1 - left - width, 1 - top - height, width, height),
        270: (top, 1 - left - width, height, width),
    }[turn]
    assert located(turned, words)[0] == pytest.approx(expected, abs=1e-4)


def test_words_that_run_upwards_have_a_tall_rectangle() -> None:
    page = [*LETTER, Text(40, 100, "Seen from the northern bank of the river", turned=True)]
    ((_, _, width, height),) = located(make_pdf(page), "from the northern bank")
    assert height * 800 > 5 * width * 600


def test_a_page_that_is_cut_has_its_rectangles_as_shares_of_what_is_shown() -> None:
    data = make_pdf(LETTER, on_page="/CropBox[50 650 350 750]")
    ((left, top, _, _),) = located(data, "The bridge at Ostvik")
    assert left == pytest.approx(10 / 300, abs=0.005)
    assert 0.3 < top < 0.5


def test_a_quote_over_a_page_break_is_marked_on_both_pages() -> None:
    data = make_pdf(
        lines("The engineers who looked at the bridge in the autumn of that year", "found rust in a demon-"),
        lines("stration of two cables. No demonstration helps, they said, where it is cold."),
    )
    words = "found rust in a demonstration of two cables."
    (first,) = located(data, words, number=1)
    (second,) = located(data, words, number=2)
    assert first[2] * 600 == pytest.approx(96, abs=10)
    assert second[2] * 600 == pytest.approx(97, abs=10)


def test_the_same_sentence_twice_on_a_page_is_told_apart_by_its_neighbours() -> None:
    same = "Nobody swims under it."
    page = [
        *lines("The bridge is old. " + same + " It has two towers.", y=700),
        *lines("The tunnel is new. " + same + " It has two tubes.", y=300),
    ]
    tops = [located(make_pdf(page), same, nth=nth)[0][1] for nth in (0, 1)]
    assert tops == pytest.approx([1 - 710 / 800, 1 - 310 / 800], abs=0.01)


def test_the_same_paragraph_many_times_is_told_apart_by_its_place() -> None:
    sentence = "The harbour master of Ostvik did not see a single ship come in on this day of the year, he wrote."
    data = make_pdf([Text(60, 750 - 40 * i, sentence) for i in range(15)])
    tops = [located(data, sentence, nth=nth)[0][1] for nth in range(15)]
    assert tops == sorted(tops)
    assert len(set(tops)) == 15


def test_what_is_not_on_the_page_has_no_rectangles() -> None:
    data = make_pdf(LETTER)
    text = "A ferry goes to the island every hour, they say. — … The bridge"
    _, (other, signs, empty, there) = locate(data, 1, text, [(0, 48), (49, 52), (5, 5), (53, 63)])
    assert (other, signs, empty) == ([], [], [])
    assert len(there) == 1


_PLACE = st.tuples(st.integers(0, 1), st.integers(0, 20))
_WORDS = st.lists(st.sampled_from("the a bridge river it is an old ship on in cold".split()), min_size=1, max_size=5)


@given(st.dictionaries(_PLACE, _WORDS, min_size=1, max_size=12), st.sampled_from([0, 90, 180, 270]), st.randoms())
def test_every_line_of_a_page_is_found_where_it_was_drawn(
    page: dict[tuple[int, int], list[str]], turn: int, chance: random.Random
) -> None:
    drawn = [Text(40 + 280 * x, 760 - 36 * y, f"{' '.join(words)} q{x}q{y}q") for (x, y), words in page.items()]
    chance.shuffle(drawn)
    data = make_pdf(drawn, on_page=f"/Rotate {turn}")
    article = article_or_none(lambda: load("a.pdf", data)[0])
    assert article is not None
    for text in drawn:
        words = text.words
        at = article.text.index(words)
        number, rects, quote = rects_of(data, article, Span(at, at + len(words)))
        assert inside(data, number, rects) == plain(quote)
        assert all(0 <= value <= 1 for rect in rects for value in rect)


# ---------------------------------------------------------------- words alone

_LETTER = st.sampled_from("abc -\n")
_TEXT = st.text(_LETTER, min_size=1, max_size=60)


@given(_TEXT, st.data())
def test_a_span_of_the_same_text_is_found_where_it_is(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    known = letters(list(text))
    pieces = find(known, quote_of(known, start, end))
    assert "".join(known.text[i] for piece in pieces for i in piece) == plain(text[start:end])


@given(_TEXT, _TEXT)
def test_what_is_found_is_the_quote_but_for_a_tenth(text: str, quote: str) -> None:
    page, known = letters(list(text)), letters(list(quote))
    pieces = find(page, quote_of(known, 0, len(quote)))
    found = [page.text[i] for piece in pieces for i in piece]
    assert not found or 0.9 * len(known.text) <= len(found) <= len(known.text)


def test_letters_know_where_they_come_from() -> None:
    assert letters(list("ﬁ-n é½")) == Letters("fine1⁄2".replace("⁄", ""), [0, 0, 2, 4, 5, 5])


# ---------------------------------------------------------------- pictures


def picture(data: bytes, number: int = 1) -> tuple[Sheet, Image.Image]:
    sheet, png = render_page(data, number)
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        image.load()
        return sheet, image.convert("L")


def test_a_page_is_drawn_with_its_words_where_the_rectangles_are() -> None:
    data = make_pdf([], LETTER)
    sheet, image = picture(data, 2)
    assert sheet == Sheet(2, 600, 800)
    assert image.size == (960, 1280)
    _, (rects,) = locate(data, 2, "The bridge at Ostvik", [(0, 20)])
    ((left, top, width, height),) = rects
    box = (int(left * 960), int(top * 1280), int((left + width) * 960), int((top + height) * 1280))
    assert image.crop(box).getextrema()[0] < 80
    assert image.crop((0, 0, 960, box[1] - 4)).getextrema() == (255, 255)


def test_a_page_that_is_turned_is_drawn_so() -> None:
    sheet, image = picture(make_pdf(LETTER, on_page="/Rotate 90"))
    assert (sheet.width, sheet.height, image.size) == (800, 600, (1280, 960))


@pytest.mark.parametrize("box", ["0 0 14400 14400", "0 0 20 14400", "0 0 3 2", "0 0 0.01 800", "0 0 100 100"])
def test_the_picture_of_a_page_of_any_size_is_within_bounds(box: str) -> None:
    _, image = picture(make_pdf(LETTER, on_page=f"/MediaBox[{box}]"))
    assert image.size[0] * image.size[1] <= 4_010_000 + 10_000
    assert 0 < max(image.size) <= 8_001


def test_a_picture_with_too_many_bytes_is_drawn_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_pdf(LETTER)
    whole = len(render_page(data, 1)[1])
    monkeypatch.setattr(pdf_page_module, "MAX_PNG", whole // 2)
    _, image = picture(data)
    assert image.size[0] < 960


@pytest.mark.parametrize("number", [0, -1, 2, 10**6])
def test_a_page_that_is_not_there_is_refused(number: int) -> None:
    with pytest.raises(Unloadable):
        render_page(make_pdf(LETTER), number)
    with pytest.raises(Unloadable):
        locate(make_pdf(LETTER), number, "a", [(0, 1)])


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\ngarbage", assemble([b"<<>>"], "/Root 1 0 R")])
def test_what_is_no_pdf_is_refused(data: bytes) -> None:
    with pytest.raises(Unloadable):
        render_page(data, 1)


# ---------------------------------------------------------------- files from elsewhere


def test_sentences_of_pdfs_from_elsewhere_are_found_where_they_stand(evaluation_data: Callable[[str], Path]) -> None:
    chance, exact, asked, missed = random.Random(7), 0, 0, []
    for path in sorted(evaluation_data("datasets/messy_documents/files").glob("*.pdf")):
        data = path.read_bytes()
        article = article_or_none(lambda path=path, data=data: load(path.name, data)[0])
        if article is None:
            continue
        sentences = [
            span
            for start, end, kind in article.blocks
            if kind == "text"
            for span in sentence_spans(article.text, start, end)
            if plain(article.text[span.start : span.end])
        ]
        for span in chance.sample(sentences, min(10, len(sentences))):
            number, rects, quote = rects_of(data, article, span)
            asked += 1
            exact += inside(data, number, rects) == plain(quote)
            missed += [] if rects else [(path.name, quote)]
    assert asked > 200
    assert missed == []
    assert exact / asked >= 0.98
