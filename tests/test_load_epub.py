"""E-books: their chapters in reading order, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rag.errors import Unloadable
from rag.load.document import to_article
from rag.load.epub import parse_epub
from tests.archives import book, zipped
from tests.articles import assert_canonical, blocks, evidence
from tests.test_load_archive import BOMB

ONE, TWO = "<h1>One</h1><p>It is long.</p>", "<h1>Two</h1><p>It is old.</p>"
ENCRYPTION = (
    '<encryption xmlns:enc="http://www.w3.org/2001/04/xmlenc#"><enc:EncryptedData><enc:CipherData>'
    '<enc:CipherReference URI="{}"/></enc:CipherData></enc:EncryptedData></encryption>'
)


def texts(data: bytes) -> list[str]:
    return [block.text for block in parse_epub(data).blocks]


def refused(data: bytes) -> str:
    with pytest.raises(Unloadable) as caught:
        parse_epub(data)
    assert caught.value.state == "failed"
    return caught.value.reason


def test_chapters_are_read_in_the_order_of_the_spine() -> None:
    data = book(ONE, TWO, spine='<itemref idref="c2"/><itemref idref="c1"/><itemref idref="c2"/><itemref idref="no"/>')
    assert blocks(parse_epub(data)) == [
        ("heading", "Two"),
        ("text", "It is old."),
        ("heading", "One"),
        ("text", "It is long."),
    ]


def test_a_chapter_may_lie_anywhere_and_its_name_may_be_written_with_escapes() -> None:
    items = '<item id="x" href="../text/a%20b.xhtml" media-type="application/xhtml+xml"/>'
    data = book(
        items=items, spine='<itemref idref="x"/>', **{"text/a b.xhtml": "<html><body><p>It is long.</p></body></html>"}
    )
    assert texts(data) == ["It is long."]


def test_tables_of_contents_and_pictures_are_not_read() -> None:
    items = (
        '<item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="scripted nav"/>'
        '<item id="t" href="toc.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="s" href="a.svg" media-type="image/svg+xml"/></manifest>'
        '<guide><reference type="toc" href="toc.xhtml"/><reference type="toc" href="1.xhtml#contents"/></guide>'
        "<manifest>"
    )
    page = "<html><body><p>Contents</p></body></html>"
    members = {f"OEBPS/{name}": page for name in ("nav.xhtml", "toc.xhtml", "a.svg")}
    spine = "".join(f'<itemref idref="{name}"/>' for name in ("n", "t", "s", "c1"))
    assert texts(book(ONE, items=items, spine=spine, **members)) == ["One", "It is long."]


@pytest.mark.parametrize(
    "mark",
    [
        '<a epub:type="noteref" href="#n1">1</a>',
        '<sup><a class="x" href="#n1" role="doc-noteref"><span>12</span></a></sup>',
        '<sup class="n"><a href="notes.xhtml#n1">[3]</a></sup>',
        '<a id="r1" href="#n1"><sup>*</sup></a>',
    ],
)
def test_marks_of_notes_leave_the_sentence_and_notes_are_read(mark: str) -> None:
    chapter = f'<p>It is long{mark} and old.</p><aside epub:type="footnote" id="n1"><p>412 metres.</p></aside>'
    assert texts(book(chapter)) == ["It is long and old.", "412 metres."]


@pytest.mark.parametrize("text", ["<sup>2</sup>", '<a href="#n">page 7</a>', '<a href="#1931">1931</a>'])
def test_other_links_and_raised_digits_stay(text: str) -> None:
    assert texts(book(f"<p>It is x{text}.</p>"))[0].endswith(("x2.", "xpage 7.", "x1931."))


def test_what_the_book_says_of_itself_is_read() -> None:
    metadata = (
        "<dc:title>The bridge</dc:title><dc:title>A subtitle</dc:title><dc:creator>Ida Berg</dc:creator>"
        "<dc:creator>Ole Dahl</dc:creator><dc:language>nb-NO</dc:language>"
        '<dc:date opf:event="conversion" xmlns:opf="http://www.idpf.org/2007/opf">2023-01-01</dc:date>'
        "<dc:date>2019-08-23</dc:date><dc:identifier>urn:uuid:1</dc:identifier>"
        "<dc:identifier>https://books.example/1</dc:identifier>"
    )
    document = parse_epub(book(ONE, metadata=metadata))
    assert (document.title, document.author) == ("The bridge", "Ida Berg, Ole Dahl")
    assert (document.published, document.language) == ("2019-08-23", "nb")
    assert document.url == "https://books.example/1"


def test_a_book_that_says_nothing_of_itself_is_read() -> None:
    document = parse_epub(book(ONE, metadata="<dc:title>Untitled document</dc:title><dc:creator>Unknown</dc:creator>"))
    assert (document.title, document.author, document.published, document.url) == (None, None, None, None)


def test_a_chapter_that_cannot_be_read_is_noted() -> None:
    items = '<item id="x" href="x.xhtml" media-type="text/html"/><item id="y" href="y.xhtml" media-type="text/html"/>'
    spine = '<itemref idref="c1"/><itemref idref="x"/><itemref idref="y"/>'
    no_text = b"\xff\xfe" + b"\0\xd8" * 100  # halves of characters, all of them first ones
    document = parse_epub(book(ONE, items=items, spine=spine, **{"OEBPS/y.xhtml": no_text}))
    assert [block.text for block in document.blocks] == ["One", "It is long."]
    assert document.notes[0] == "OEBPS/x.xhtml is missing"
    assert document.notes[1].startswith("OEBPS/y.xhtml was not read: ")


def test_a_protected_book_is_refused_and_one_with_protected_fonts_is_read() -> None:
    assert refused(book(ONE, **{"META-INF/encryption.xml": ENCRYPTION.format("OEBPS/1.xhtml")})).startswith(
        "encrypted: "
    )
    assert texts(book(ONE, **{"META-INF/encryption.xml": ENCRYPTION.format("OEBPS/font.otf")})) == [
        "One",
        "It is long.",
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (zipped({"mimetype": "application/epub+zip"}), "damaged: META-INF/container.xml is missing"),
        (zipped({"META-INF/container.xml": "<a/>"}), "damaged: the book does not say where its chapters are"),
        (zipped({"META-INF/container.xml": '<rootfile full-path="a.opf"/>'}), "damaged: a.opf is missing"),
        (book(ONE, **{"OEBPS/book.opf": BOMB}), "forbidden: OEBPS/book.opf declares XML entities"),
        (book("<p>" * 1_000_001), "over the limit of archives: OEBPS/1.xhtml unpacks to more than 500 times its size"),
    ],
)
def test_a_broken_book_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    assert refused(data) == reason


@pytest.mark.parametrize("piece", ["<a ", '<a epub:type="noteref">', "<sup><a href=x>", "<sup>" * 2, "<a" + " x" * 9])
def test_malformed_marks_take_time_in_proportion_to_their_number(piece: str) -> None:
    parse_epub(book(f"<p>One.</p>{piece * 20_000} {len(piece)}"))


def test_entities_of_a_chapter_are_not_declared_by_it() -> None:
    chapter = f'<!DOCTYPE html [<!ENTITY a "{"x" * 1000}">]><html><body><p>It is&nbsp;long &a;.</p></body></html>'
    assert "xxx" not in " ".join(texts(book("", **{"OEBPS/1.xhtml": chapter})))


def test_real_books_are_read(evaluation_data: Callable[[str], Path]) -> None:
    folder = evaluation_data("datasets/messy_documents/files")
    article = to_article(parse_epub((folder / "winter-sports.epub").read_bytes()), "winter-sports.epub")
    assert_canonical(article)
    assert (article.title, article.author) == ("Winter Sports in Switzerland", "E. F. Benson")
    assert (article.published, article.language) == ("2019-08-23", "en")
    assert len(article.text.split()) > 55_000
    assert (
        "The marks for compulsory figures and for free skating must be obtained\nfrom each judge." not in article.text
    )
    assert any(
        "The marks for compulsory figures and for free skating must be obtained" in text for text in evidence(article)
    )
