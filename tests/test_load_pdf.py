"""PDF: lines that stand somewhere on pages become blocks, and every word keeps its page."""

from __future__ import annotations

import hashlib
import re
import zlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import Unloadable
from rag.load import pdf as pdf_module
from rag.load.document import to_article
from rag.load.pdf import parse_pdf
from rag.types import Article
from tests.articles import article_or_none, assert_canonical, blocks

# ---------------------------------------------------------------- PDFs in the making


class Text(NamedTuple):
    """Words drawn with their baseline beginning at a place, in Helvetica; `turned` runs upwards on the page."""

    x: float
    y: float
    words: str
    size: float = 10
    bold: bool = False
    turned: bool = False


def make_pdf(
    *pages: Sequence[Text], info: str = "", catalog: str = "", on_page: str = "", key: bytes = b"", encrypt: str = ""
) -> bytes:
    """Return a PDF in Latin-1; `key` encrypts its streams and is what `encrypt`, the dictionary, leads to."""
    kids = " ".join(f"{6 + 2 * i} 0 R" for i in range(len(pages)))
    objects: list[bytes] = [
        f"<</Type/Catalog/Pages 2 0 R {catalog}>>".encode(),
        f"<</Type/Pages/Count {len(pages)}/MediaBox[0 0 600 800]/Kids[{kids}]>>".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica-Bold/Encoding/WinAnsiEncoding>>",
        f"<<{info}>>".encode("latin-1"),
    ]
    for page in pages:
        content = zlib.compress("\n".join(map(_drawn, page)).encode("cp1252"))
        if key:
            number = len(objects) + 2
            salted = key + number.to_bytes(3, "little") + b"\0\0"
            content = rc4(hashlib.md5(salted).digest()[: len(key) + 5], content)
        fonts = "/Resources<</Font<</F1 3 0 R/F2 4 0 R>>>>"
        objects += [
            f"<</Type/Page/Parent 2 0 R{fonts}/Contents {len(objects) + 2} 0 R {on_page}>>".encode(),
            f"<</Length {len(content)}/Filter/FlateDecode>>stream\n".encode() + content + b"\nendstream",
        ]
    return assemble(objects, f"/Root 1 0 R/Info 5 0 R {encrypt}")


def assemble(objects: Sequence[bytes], trailer: str) -> bytes:
    """Return the file that holds objects, numbered from 1."""
    out = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    head = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n<</Size {len(objects) + 1} {trailer}>>\n"
    return bytes(out) + f"{head}startxref\n{len(out)}\n%%EOF".encode()


def _drawn(text: Text) -> str:
    words = re.sub(r"([()\\])", r"\\\1", text.words)
    matrix = f"0 1 -1 0 {text.x} {text.y}" if text.turned else f"1 0 0 1 {text.x} {text.y}"
    return f"BT /F{2 if text.bold else 1} {text.size} Tf {matrix} Tm ({words}) Tj ET"


def rc4(key: bytes, data: bytes) -> bytes:
    """The cipher of old PDFs."""
    box = list(range(256))
    j = 0
    for i in range(256):
        j = (j + box[i] + key[i % len(key)]) % 256
        box[i], box[j] = box[j], box[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + box[i]) % 256
        box[i], box[j] = box[j], box[i]
        out.append(byte ^ box[(box[i] + box[j]) % 256])
    return bytes(out)


def encrypted_pdf(user: bytes, owner: bytes) -> bytes:
    """Return a PDF under the two passwords (standard security handler, revision 2, 40 bits)."""
    fill = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
    owner_entry = rc4(hashlib.md5((owner + fill)[:32]).digest()[:5], (user + fill)[:32])
    file_id = b"0123456789abcdef"
    salted = (user + fill)[:32] + owner_entry + (-4).to_bytes(4, "little", signed=True) + file_id
    key = hashlib.md5(salted).digest()[:5]
    entries = f"/O<{owner_entry.hex()}>/U<{rc4(key, fill).hex()}>"
    encrypt = f"/Encrypt<</Filter/Standard/V 1/R 2/P -4{entries}>>/ID[<{file_id.hex()}><{file_id.hex()}>]"
    return make_pdf(LETTER, key=key, encrypt=encrypt)


def lines(*texts: str, x: float = 60, y: float = 700, size: float = 10, step: float = 12) -> list[Text]:
    """Return lines one below the other."""
    return [Text(x, y - i * step, text, size) for i, text in enumerate(texts)]


def read(*pages: Sequence[Text], info: str = "") -> Article:
    article = to_article(parse_pdf(make_pdf(*pages, info=info)), "folder/name.pdf")
    assert_canonical(article)
    return article


def texts(*pages: Sequence[Text]) -> list[str]:
    return [text for _, text in blocks(parse_pdf(make_pdf(*pages)))]


def page_of(article: Article, words: str) -> int:
    assert article.text.count(words) == 1, words
    return bisect_right(article.pages, article.text.index(words))


LETTER = lines(
    "The bridge at Ostvik was opened in the summer of 1931, and",
    "it is 412 metres long from one bank of the river to the other.",
)
LETTER_TEXT = " ".join(text.words for text in LETTER)

# ---------------------------------------------------------------- pages

_WORD = st.from_regex(r"[a-z]{2,9}", fullmatch=True)
_PLACE = st.tuples(st.integers(0, 2), st.integers(0, 15))  # a column and a row of the page
Spread = dict[tuple[int, int], tuple[list[str], bool]]
_SPREAD = st.dictionaries(_PLACE, st.tuples(st.lists(_WORD, min_size=1, max_size=4), st.booleans()), max_size=14)


@settings(deadline=None, max_examples=60)
@given(st.lists(_SPREAD, min_size=1, max_size=5), st.sampled_from([4, 5, 7]), st.booleans())
def test_every_word_stands_on_its_page(spreads: list[Spread], size: int, turned: bool) -> None:
    pages: list[list[Text]] = [[] for _ in spreads]
    words: list[tuple[int, str]] = []
    for page, spread in enumerate(spreads):
        for (column, row), (found, bold) in spread.items():
            unique = [f"{word}{page}q{column}q{row}q{i}" for i, word in enumerate(found)]
            words += [(page + 1, word) for word in unique]
            place = (40 + 34 * row, 40 + 190 * column) if turned else (40 + 190 * column, 760 - 45 * row)
            pages[page].append(Text(*place, " ".join(unique), size, bold, turned))
    pages[0].append(Text(570, 40, "This is text.", 5, turned=True) if turned else Text(40, 40, "This is text.", 5))
    article = read(*pages)
    assert len(article.pages) == len(pages)
    for number, word in words:
        assert page_of(article, word) == number


def test_empty_pages_count_and_are_named() -> None:
    article = read([], LETTER, [], [], lines("A ferry goes to the island every hour."), [])
    assert len(article.pages) == 6
    assert page_of(article, "The bridge") == 2
    assert page_of(article, "A ferry") == 5
    assert article.notes == ("pages 1, 3–4 and 6 have no text",)


def test_one_page_without_text_is_named_alone() -> None:
    assert read(LETTER, []).notes == ("page 2 has no text",)


def test_many_places_without_text_are_counted() -> None:
    (note,) = read(*[lines(f"Day {i * i} was cold.", y=400) if i % 2 else [] for i in range(40)]).notes
    assert note == "pages 1, 3, 5, 7, 9, 11, 13, 15 and 12 other places have no text"


def test_a_paragraph_over_a_page_break_is_one_block() -> None:
    article = read(
        [
            *lines("It is long.", y=780),
            *lines(
                "The engineers who looked at the cables of the bridge in the autumn",
                "of that year found rust in two of them, and they said that the bridge",
            ),
            Text(60, 100, "1 A note in small letters.", 7),
        ],
        lines("should be closed until it has been repaired. That took three years."),
    )
    assert "and they said that the bridge should be closed until it has been repaired." in article.text
    assert page_of(article, "found rust") == 1
    assert page_of(article, "should be closed") == 2
    assert page_of(article, "A note in small letters.") == 1


def test_a_paragraph_that_ends_with_its_page_stays_apart() -> None:
    assert texts(LETTER, lines("Trains do not use it.", "They have a tunnel.")) == [
        LETTER_TEXT,
        "Trains do not use it. They have a tunnel.",
    ]


def test_a_word_parted_by_a_page_break_is_whole_and_begins_on_its_first_page() -> None:
    article = read(
        lines(
            "The engineers who looked at the bridge in the autumn of that",
            "year found rust in two of the cables, and there was a demon-",
        ),
        lines("stration in the town when they closed it. No demonstration helps.", "It is cold."),
    )
    assert page_of(article, "there was a demonstration in the town") == 1
    assert bisect_right(article.pages, article.text.index("stration")) == 2


def test_words_outside_the_page_are_not_text() -> None:
    data = make_pdf([*LETTER, Text(900, 700, "The next page of the spread."), Text(60, -20, "Crop mark")])
    assert [text for _, text in blocks(parse_pdf(data))] == [LETTER_TEXT]
    data = make_pdf([*LETTER, Text(60, 300, "Cut off.")], on_page="/CropBox[0 400 600 800]")
    assert [text for _, text in blocks(parse_pdf(data))] == [LETTER_TEXT]


# ---------------------------------------------------------------- running lines


def test_headers_footers_and_page_numbers_are_boilerplate() -> None:
    pages = [
        [
            Text(60, 770, "The Ostvik Review"),
            *lines(f"On day {day} of the month a ship of {day * 37} tons came in, and it", "stayed."),
            Text(280, 30, f"Page {day + 6} of 90"),
        ]
        for day in range(1, 5)
    ]
    found = blocks(parse_pdf(make_pdf(*pages)))
    assert found[:3] == [
        ("boilerplate", "The Ostvik Review"),
        ("text", "On day 1 of the month a ship of 37 tons came in, and it stayed."),
        ("boilerplate", "Page 7 of 90"),
    ]
    assert [kind for kind, _ in found] == ["boilerplate", "text", "boilerplate"] * 4


def test_left_and_right_pages_may_have_other_headers() -> None:
    pages = [
        [
            Text(60 if number % 2 else 400, 770, "Ida Berg" if number % 2 else "The bridge"),
            *lines(f"Day {number * number} was cold."),
        ]
        for number in range(1, 7)
    ]
    assert {text for kind, text in blocks(parse_pdf(make_pdf(*pages))) if kind == "boilerplate"} == {
        "Ida Berg",
        "The bridge",
    }


def test_sums_at_the_same_place_of_every_page_are_data() -> None:
    pages = [
        [Text(60, 770, f"Total {total} crowns"), *lines(f"Invoice for {total} ships.")] for total in (120, 45, 7, 981)
    ]
    assert all(kind == "text" for kind, _ in blocks(parse_pdf(make_pdf(*pages))))


def test_words_that_happen_to_return_in_the_text_are_text() -> None:
    pages = [
        lines(f"On day {day * day} a ship came to the harbour, and the", "crew was happy.", y=770) for day in range(4)
    ]
    assert all(kind == "text" for kind, _ in blocks(parse_pdf(make_pdf(*pages))))


def test_a_paragraph_goes_on_behind_footer_and_header() -> None:
    pages = [
        [
            Text(60, 770, "The Ostvik Review"),
            *lines(
                "which is a long road along the coast of the fjord for all who",
                "drive from the town to the harbour, and for those who walk there",
                y=600,
            ),
            Text(300, 30, str(number)),
        ]
        for number in range(1, 4)
    ]
    article = read(*pages)
    assert (
        article.text.count("walk there which is a long road") == 1
    )  # the third page begins behind a header of the second
    starts = [match.start() for match in re.finditer("which is a long road", article.text)]
    assert [bisect_right(article.pages, start) for start in starts] == [1, 2, 3]


# ---------------------------------------------------------------- paragraphs


def test_lines_of_a_paragraph_are_joined_and_a_wider_step_begins_another() -> None:
    page = [*LETTER, *lines("In 2022 engineers found rust in two cables, and it was closed for", "three years.", y=668)]
    assert texts(page) == [
        LETTER_TEXT,
        "In 2022 engineers found rust in two cables, and it was closed for three years.",
    ]


def test_an_indent_begins_a_paragraph() -> None:
    page = lines(
        "opened in the summer of 1931, and it is 412 metres long from bank",
        "to bank of the river there, which is cold all the year as people say.",
    )
    page += [Text(75, 676, "In 2022 engineers found rust in two cables, so that the bridge")]
    page += [Text(60, 664, "was closed.")]
    assert len(texts(page)) == 2
    assert texts(page)[1] == "In 2022 engineers found rust in two cables, so that the bridge was closed."


def test_a_line_that_was_ended_early_ends_its_paragraph() -> None:
    page = lines(
        "It is old.",
        "The bridge at Ostvik was opened in the summer of 1931, and it is",
        "412 metres long.",
        "Nobody swims under it.",
    )
    assert texts(page)[0] == "It is old."
    assert texts(page)[-1] == "Nobody swims under it."


def test_the_parts_of_a_line_drawn_one_by_one_are_one_line() -> None:
    page = [
        Text(60, 700, "The bridge is"),
        Text(124, 700, "long and", bold=True),
        Text(172, 700, "old"),
        Text(186.5, 703, "2", 6),
        Text(191, 700, ", they say."),
    ]
    assert texts(page) == ["The bridge is long and old2, they say."]


def test_hyphens_at_line_ends_go_where_the_word_has_none() -> None:
    page = lines(
        "Many people think about the con-",
        "struction of bridges, and construction takes years. A well-",
        "known bridge is short, and others are well-known too. The first-",
        "rate bridges were the first ones, and their rate of rust is low. Engi-",
        "neers and other engineers say so, and so do the mea-",
        "surements of the INFOR-",
        "MATION office, where all INFORMATION is kept on the Ostvik-",
        "Bergen road.",
    )
    text = " ".join(texts(page))
    words = "construction of|A well-known bridge|The first-rate|Engineers|measurements|the INFORMATION|Ostvik-Bergen"
    for word in words.split("|"):
        assert word in text


def test_a_hyphen_stays_where_no_line_was_hyphenated_by_a_program() -> None:
    page = lines("The engineers looked at the bridge, and they prepared for the worst-", "case of all, a flood.")
    assert "the worst-case of all" in texts(page)[0]


def test_chinese_lines_are_joined_without_a_space() -> None:
    assert mapped_text("<41> <8336> <42> <53F6> <43> <4E91> <44> <5357>", "AB", "CD") == "茶叶云南"


def test_characters_beyond_sixteen_bits_are_whole() -> None:
    assert mapped_text("<41> <D83DDE00> <42> <0062>", "BA B") == "b😀 b"


def mapped_pdf(pairs: str, *drawn: str) -> bytes:
    """Return a page with lines in a font that has a map of its characters."""
    count = pairs.count("<") // 2
    char_map = f"1 begincodespacerange <00> <FF> endcodespacerange {count} beginbfchar {pairs} endbfchar".encode()
    content = "".join(f"BT /F1 10 Tf 60 {700 - 12 * i} Td ({text}) Tj ET " for i, text in enumerate(drawn)).encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F1 4 0 R>>>>/Contents 5 0 R>>",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 6 0 R>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(content), content),
        b"<</Length %d>>stream\nbegincmap %b endcmap\nendstream" % (len(char_map) + 18, char_map),
    ]
    return assemble(objects, "/Root 1 0 R")


def mapped_text(pairs: str, *drawn: str) -> str:
    """Return the text that is read from such a page."""
    (block,) = (block for block in parse_pdf(mapped_pdf(pairs, *drawn)).blocks if block.text.strip())
    return block.text.strip("\f")


# ---------------------------------------------------------------- headings, items, rows


def test_large_or_bold_short_lines_are_headings() -> None:
    page = [
        Text(60, 740, "How it was built", 14),
        *LETTER,
        Text(60, 660, "Repairs", bold=True),
        *lines("Engineers found rust in two cables.", y=648),
    ]
    assert [kind for kind, _ in blocks(parse_pdf(make_pdf(page)))] == ["title", "text", "heading", "text"]


def test_sentences_and_numbers_in_large_letters_are_text() -> None:
    page = [Text(60, 740, "The bridge was closed for three years.", 16), Text(60, 640, "17,841 crowns", 20), *LETTER]
    assert {kind for kind, _ in blocks(parse_pdf(make_pdf(page)))} == {"text"}


def test_items_are_blocks_without_their_bullets_and_close_together() -> None:
    page = [
        *lines("It has three parts:", y=724),
        Text(70, 712, "\u2022"),
        Text(85, 712, "a deck of steel and of wood that was painted red in the spring of"),
        Text(85, 700, "last year"),
        Text(70, 688, "\u2022 two cables"),
        Text(70, 676, "1. A number stays."),
        Text(70, 664, "2. The next one too."),
    ]
    deck = "a deck of steel and of wood that was painted red in the spring of last year"
    rest = "two cables\n1. A number stays.\n2. The next one too."
    assert read(page).text == f"It has three parts:\n\n{deck}\n{rest}"


def test_the_cells_of_a_row_are_one_block() -> None:
    rows = [("Year", "Length", "Cost in crowns"), ("1931", "412 m", "3,500,000"), ("2022", "418 m", "12,000,000")]
    page = [Text(60 + 90 * j, 700 - 12 * i, cell) for i, row in enumerate(rows) for j, cell in enumerate(row)]
    assert read(page).text == "Year | Length | Cost in crowns\n1931 | 412 m | 3,500,000\n2022 | 418 m | 12,000,000"


def test_a_cell_of_several_lines_is_whole() -> None:
    page = [
        Text(60, 700, "Deck"),
        Text(140, 700, "of steel, painted"),
        Text(140, 688, "red in 1950"),
        Text(60, 676, "Rail"),
        Text(140, 676, "of wood"),
    ]
    assert texts(page) == ["Deck | of steel, painted red in 1950", "Rail | of wood"]


def test_wide_gaps_in_justified_prose_make_no_table() -> None:
    page = [
        Text(60, 712, "The bridge at Ostvik was opened"),
        Text(225, 712, "in the summer of 1931 and it"),
        *lines("is 412 metres long from one bank of the river to the other one."),
    ]
    assert texts(page) == [" ".join(text.words for text in page)]


def test_a_number_far_in_front_of_its_heading_is_no_cell() -> None:
    page = [Text(60, 740, "6.4", 14), Text(110, 740, "How it was built", 14), *LETTER]
    assert texts(page)[0] == "6.4 How it was built"


# ---------------------------------------------------------------- columns and order

LEFT = [
    "the engineers who looked at all the",
    "cables found rust in two of them, so",
    "that the bridge was closed for years",
    "and nobody could",
]
RIGHT = [
    "drive to the harbour. The people of",
    "the town took a ferry that was slow",
    "and that did not run in the winter.",
    "They were happy when it ended.",
]
IN_ORDER = " ".join(LEFT + RIGHT)


def test_a_paragraph_goes_on_in_the_next_column() -> None:
    assert texts([*lines(*LEFT), *lines(*RIGHT, x=320)]) == [IN_ORDER]


def test_two_columns_drawn_line_by_line_are_read_one_after_the_other() -> None:
    woven = [text for pair in zip(lines(*LEFT), lines(*RIGHT, x=320), strict=True) for text in pair]
    assert texts(woven) == [IN_ORDER]


def test_blocks_drawn_in_any_order_are_read_by_columns_from_the_top() -> None:
    head = Text(60, 760, "How it was built, and how it was closed for some of the years, and why", 14)
    parts = [
        lines("It is old.", "It is red."),
        lines("It is long.", y=600),
        lines("Ferries go.", "They are slow.", x=320),
        lines("Trains stop.", x=320, y=560),
    ]
    page = [*parts[3], *parts[0], *parts[2], head, *parts[1]]
    assert texts(page) == [
        head.words,
        "It is old. It is red.",
        "It is long.",
        "Ferries go. They are slow.",
        "Trains stop.",
    ]


def test_a_page_that_lies_on_its_side_is_read_like_any_other() -> None:
    upright = [*LETTER, *lines("Nobody swims under it.", y=640)]
    sideways = [Text(760 - text.y, text.x, text.words, text.size, turned=True) for text in upright]
    assert texts(sideways) == texts(upright)


def test_a_stamp_across_the_margin_stays_out_of_the_paragraph() -> None:
    page = [LETTER[0], Text(20, 300, "Received on 3 May 1931", 12, turned=True), LETTER[1]]
    assert texts(page) == [LETTER_TEXT, "Received on 3 May 1931"]


# ---------------------------------------------------------------- what it says of itself


def test_title_and_author_come_from_the_metadata() -> None:
    article = read([Text(60, 740, "Something else", 20), *LETTER], info="/Title(The bridge at Ostvik)/Author(Ida Berg)")
    assert (article.title, article.author) == ("The bridge at Ostvik", "Ida Berg")


@pytest.mark.parametrize(
    "title",
    [
        "",
        "untitled",
        "Microsoft Word - bridge v2.doc",
        "bridge.indd",
        "bridge_final-2",
        "Slide 1",
        "Untitled spreadsheet",
    ],
)
def test_a_title_that_names_a_file_or_a_program_gives_way_to_the_largest_text(title: str) -> None:
    page = [Text(60, 760, "A report", 12), Text(60, 740, "The bridge at Ostvik", 20), *LETTER]
    assert read(page, info=f"/Title({title})/Author(user)").title == "The bridge at Ostvik"
    assert read(page, info=f"/Title({title})/Author(user)").author is None


def test_without_any_title_the_file_name_stands_in() -> None:
    assert read(LETTER).title == "name"


def test_the_day_the_file_was_written_is_no_publishing_date() -> None:
    assert read(LETTER, info="/CreationDate(D:20240301120000Z)").published is None


@pytest.mark.parametrize("line", ["3 May 2024", "Published on 3 May 2024", "Date: 2024-05-03"])
def test_a_date_above_the_text_is_the_publishing_date(line: str) -> None:
    assert read([Text(60, 760, "The bridge at Ostvik", 20), Text(60, 730, line), *LETTER]).published == "2024-05-03"


def test_a_date_behind_a_long_paragraph_or_on_a_later_page_is_not() -> None:
    long = lines(*(f"The bridge at Ostvik was opened in the summer of 1931, and {i}" for i in range(5)))
    assert read([*long, Text(60, 400, "3 May 2024")], lines("4 May 2024")).published is None
    assert read(LETTER, lines("4 May 2024")).published is None


# ---------------------------------------------------------------- files that cannot be read


def refused(data: bytes) -> tuple[str, str]:
    with pytest.raises(Unloadable) as caught:
        parse_pdf(data)
    return caught.value.state, caught.value.reason


def test_a_password_is_asked_for_only_where_one_is_needed() -> None:
    assert refused(encrypted_pdf(user=b"secret", owner=b"boss")) == (
        "failed",
        "encrypted: save a copy without a password",
    )
    for data in (encrypted_pdf(user=b"", owner=b"boss"), encrypted_pdf(user=b"", owner=b"")):
        assert [text for _, text in blocks(parse_pdf(data))] == [LETTER_TEXT]


def test_pages_of_pictures_are_skipped_with_a_hint() -> None:
    assert refused(make_pdf([], [], [])) == ("skipped", "no text in its 3 pages: scanned? run OCR on it first")


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"%PDF-1.7\n" + bytes(range(256)) * 20, b"\0" * 1000])
def test_what_is_no_pdf_is_damaged(data: bytes) -> None:
    assert refused(data) == ("failed", "damaged: no PDF that can be opened")


def test_a_pdf_cut_off_anywhere_is_read_or_refused() -> None:
    data = make_pdf(LETTER, LETTER)
    for length in range(0, len(data), 7):
        article_or_none(lambda length=length: to_article(parse_pdf(data[:length]), "x.pdf"))


@pytest.mark.parametrize(
    ("original", "changed"),
    [
        (b"/Count 2", b"/Count 2000"),
        (b"/Count 2", b"/Count -7"),
        (b"/Kids[6 0 R 8 0 R]", b"/Kids[2 0 R 2 0 R]"),
        (b"/Kids[6 0 R 8 0 R]", b"/Kids[1 0 R 99 0 R]"),
        (b"trailer\n<<", b"trailer\n<</Prev 9 "),
        (b"/Size 10", b"/Size 2147483647"),
        (b"/MediaBox[0 0 600 800]", b"/MediaBox[0 0 0 0]"),
        (b"/MediaBox[0 0 600 800]", b"/MediaBox[1e38 -1e38 -1e38 1e38]"),
        (b"/FlateDecode", b"/NoneDecode "),
    ],
)
def test_a_pdf_that_lies_about_itself_is_read_or_refused(original: bytes, changed: bytes) -> None:
    data = make_pdf(LETTER, LETTER)
    assert original in data
    article_or_none(lambda: to_article(parse_pdf(data.replace(original, changed)), "x.pdf"))


def test_places_beyond_all_bounds_are_no_trouble() -> None:
    page = [
        Text(1e38, 1e38, "far"),
        Text(-3e38, 5, "away"),
        *LETTER,
        Text(60, 500, "Small.", 0),
        Text(60, 400, "Mirrored.", -9),
    ]
    assert LETTER_TEXT in texts(page)


def test_pages_that_cannot_be_read_are_named() -> None:
    data = make_pdf(LETTER, LETTER).replace(b"/Count 2", b"/Count 5")
    article = to_article(parse_pdf(data), "x.pdf")
    assert article.notes == ("pages 3–5 cannot be read",)
    assert len(article.pages) == 5


def test_actions_and_attachments_are_left_alone() -> None:
    act = "/OpenAction<</S/JavaScript/JS(while\\(1\\);)>>/AA<</WC<</S/Launch/F(/bin/true)>>>>"
    names = "/Names<</EmbeddedFiles<</Names[(a)<</F(a)/EF<</F 5 0 R>>>>]>>>>"
    data = make_pdf(LETTER, catalog=act + names, on_page="/AA<</O<</S/Launch/F(/bin/true)>>>>")
    assert [text for _, text in blocks(parse_pdf(data))] == [LETTER_TEXT]


def test_limits_name_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_module, "MAX_PAGES", 2)
    assert refused(make_pdf(LETTER, LETTER, LETTER)) == ("failed", "over 2 pages: split it")
    monkeypatch.setattr(pdf_module, "MAX_CHARACTERS", 200)
    assert refused(make_pdf(LETTER, LETTER)) == ("failed", "over 200 characters: split it")


def test_a_font_without_a_character_map_is_not_taken_for_text() -> None:
    codes = "".join(f"{ord(char) - 29:04x}" for char in "Hello brave new world of words")
    content = f"BT /F1 12 Tf 72 700 Td <{codes}> Tj ET".encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F1 4 0 R>>>>/Contents 5 0 R>>",
        b"<</Type/Font/Subtype/Type0/BaseFont/A+B/Encoding/Identity-H/DescendantFonts[6 0 R]>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/CIDFontType2/BaseFont/A+B/FontDescriptor 7 0 R"
        b"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>>>",
        b"<</Type/FontDescriptor/FontName/A+B/Flags 4/FontBBox[0 0 1 1]/ItalicAngle 0/Ascent 1/Descent 0>>",
    ]
    reason = "text cannot be extracted: its fonts have no character map"
    assert refused(assemble(objects, "/Root 1 0 R")) == ("skipped", reason)


def test_a_sign_without_a_meaning_is_shown_as_such_and_noted() -> None:
    article = read([*LETTER, Text(60, 600, "It was \x01 3 degrees cold on that day in the winter of last year.")])
    assert "It was \ufffd 3 degrees" in article.text
    assert article.notes == ("page 1 has characters that cannot be read",)


# ---------------------------------------------------------------- files from elsewhere

_QUOTES = [  # each looked up on the page as it is shown: two columns, past figures and notes, over breaks of lines
    ("multi-column.pdf", 1, "Retrieval in open-domain QA is usually implemented using TF-IDF or BM25"),
    ("multi-column.pdf", 2, "Our contributions are twofold. First, we demonstrate that with the proper training setup"),
    (
        "multi-column.pdf",
        5,
        "small (e.g., 78.4% vs. 59.1% for top-20 accuracy on Natural Questions). When training with multiple",
    ),
    (
        "multi-column.pdf",
        8,
        "models trained using multiple datasets (Multi) perform comparably to those trained using the",
    ),
    ("multi-column.pdf", 12, "In comparison, DPR is able to return the correct answer, presumably by matching"),
    (
        "fr_olap.pdf",
        5,
        "Les opérateurs de QSL résument en conservant, ajoutant ou retirant des références aux requêtes",
    ),
    (
        "fr_olap.pdf",
        9,
        "Les logs générés ont une densité assez élevée (5 dimensions parmi les 13 possibles sont utilisées",
    ),
    ("fr_olap.pdf", 10, "Le gain est significatif pour de petits résumés."),
    ("reliance.pdf", 2, "Big achievements follow if you dream big. Reliance is a proof of the power of dreams."),
    (
        "reliance.pdf",
        2,
        "With a strongly integrated energy business and the most expansive digital and retail footprint in",
    ),
    ("reliance.pdf", 3, "General Meeting (AGM), to be held on 29th August, 2022."),
]


@pytest.mark.parametrize(("file", "page", "quote"), _QUOTES)
def test_quotes_stand_whole_and_on_their_page(
    file: str, page: int, quote: str, evaluation_data: Callable[[str], Path]
) -> None:
    data = (evaluation_data("datasets/messy_documents/files") / file).read_bytes()
    assert page_of(to_article(parse_pdf(data), file), quote) == page
