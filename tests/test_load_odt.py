"""OpenDocument texts: their words as the reader sees them, and nothing that is hidden or deleted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from html import unescape
from pathlib import Path
from zipfile import ZipFile

import pytest

from rag.errors import Unloadable
from rag.load.document import to_article
from rag.load.odt import parse_odt
from tests.archives import opendocument, zipped
from tests.articles import assert_canonical, blocks
from tests.test_load_archive import BOMB

STYLES = (
    '<style:style style:family="paragraph" style:name="P1" style:parent-style-name="Title"/>'
    '<style:style style:family="paragraph" style:name="Title"/>'
    '<style:style style:family="paragraph" style:name="P2" style:default-outline-level="2"/>'
    '<style:style style:family="paragraph" style:name="P3"><style:text-properties text:display="none"/></style:style>'
    '<style:style style:family="text" style:name="T1"><style:text-properties text:display="none"/></style:style>'
    '<style:style style:family="text" style:name="P1"/>'
    '<style:style style:family="text" style:name="T2" style:parent-style-name="T1"/>'
)


def texts(body: str) -> list[str]:
    return [block.text for block in parse_odt(opendocument(body, styles=STYLES)).blocks]


def refused(data: bytes) -> str:
    with pytest.raises(Unloadable) as caught:
        parse_odt(data)
    assert caught.value.state == "failed"
    return caught.value.reason


def cell(text: str) -> str:
    return f"<table:table-cell><text:p>{text}</text:p></table:table-cell>"


def test_title_headings_and_paragraphs_are_told_apart() -> None:
    body = (
        '<text:p text:style-name="P1">The bridge at Ostvik</text:p>'
        '<text:h text:outline-level="1">History</text:h><text:p>It was opened in 1931.</text:p>'
        '<text:h>Repairs</text:h><text:p text:style-name="P2">Cables</text:p><text:p>Rusty.</text:p>'
    )
    document = parse_odt(opendocument(body, styles=STYLES))
    assert document.title == "The bridge at Ostvik"
    assert blocks(document) == [
        ("title", "The bridge at Ostvik"),
        ("heading", "History"),
        ("text", "It was opened in 1931."),
        ("heading", "Repairs"),
        ("heading", "Cables"),
        ("text", "Rusty."),
    ]


def test_lists_and_tables_are_joined_by_lines() -> None:
    inner = "<text:list><text:list-item><text:p>two</text:p></text:list-item></text:list>"
    items = f"<text:list-item><text:p>one</text:p>{inner}"
    body = (
        f"<text:p>Cables:</text:p><text:list>{items}</text:list-item></text:list><text:section><text:p>Costs</text:p>"
        f"</text:section><table:table><table:table-header-rows><table:table-row>{cell('Year')}{cell('Cost')}</table:table-row>"
        f"</table:table-header-rows><table:table-row>{cell('2022')}<table:covered-table-cell/>{cell('3.5')}</table:table-row>"
        "</table:table>"
    )
    article = to_article(parse_odt(opendocument(body)), "a.odt")
    assert article.text == "Cables:\n\none\ntwo\n\nCosts\n\nYear | Cost\n2022 | | 3.5"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("one<text:s text:c='999999999'/>two<text:tab/>three<text:line-break/>four", "one two three\nfour"),
        ("\n  one\n  <text:span>two</text:span>\n  three ", "one two three"),
        (
            "see <text:a>the report</text:a><text:bookmark/>, page <text:page-number>7</text:page-number>.",
            "see the report, page 7.",
        ),
        (
            "seen<text:span text:style-name='T1'> hidden</text:span><text:span text:style-name='T2'> too</text:span>!",
            "seen!",
        ),
        ("seen<text:hidden-text text:string-value='x'>hidden</text:hidden-text>", "seen"),
        ("<text:ruby><text:ruby-base>東</text:ruby-base><text:ruby-text>とう</text:ruby-text></text:ruby>京", "東京"),
        ("one<office:annotation><text:p>a comment</text:p></office:annotation> two", "one two"),
        ("a<draw:frame><svg:title>a title</svg:title><draw:image/></draw:frame> b", "a b"),
    ],
)
def test_the_words_of_a_sentence_are_all_read_and_no_others(content: str, text: str) -> None:
    assert texts(f"<text:p>{content}</text:p>") == [text]


def test_hidden_and_deleted_paragraphs_are_not_read() -> None:
    body = (
        "<text:tracked-changes><text:changed-region><text:deletion><text:p>deleted</text:p></text:deletion>"
        '</text:changed-region></text:tracked-changes><text:p text:style-name="P3">hidden</text:p>'
        '<text:section text:display="none"><text:p>hidden section</text:p></text:section>'
        '<text:p><text:hidden-paragraph text:is-hidden="true"/>hidden by a condition</text:p><text:p>One.</text:p>'
    )
    assert texts(body) == ["One."]


def test_marks_of_notes_leave_the_sentence_and_notes_follow_the_text() -> None:
    note = (
        '<text:note text:note-class="{}"><text:note-citation>1</text:note-citation>'
        "<text:note-body><text:p>{}</text:p></text:note-body></text:note>"
    )
    endnote, footnote = note.format("endnote", "See Berg."), note.format("footnote", "1931.")
    body = f"<text:p>It is long{endnote} and old{footnote}.</text:p><text:p>So.</text:p>"
    assert texts(body) == ["It is long and old.", "So.", "1931.", "See Berg."]


def test_a_text_box_is_read_behind_its_paragraph() -> None:
    box = "<draw:frame><draw:text-box><text:p>In the box.</text:p></draw:text-box></draw:frame>"
    assert texts(f"<text:p>It is {box}long.</text:p><text:p>Next.</text:p>") == ["It is long.", "In the box.", "Next."]


def test_a_table_of_contents_is_kept_and_no_evidence() -> None:
    index = (
        "<text:table-of-content><text:table-of-content-source><text:index-title-template>Template"
        "</text:index-title-template></text:table-of-content-source><text:index-body><text:index-title>"
        "<text:p>Contents</text:p></text:index-title><text:p>Repairs 7</text:p></text:index-body>"
        "</text:table-of-content>"
    )
    assert blocks(parse_odt(opendocument(index + "<text:p>It is long.</text:p>"))) == [
        ("boilerplate", "Contents"),
        ("boilerplate", "Repairs 7"),
        ("text", "It is long."),
    ]


def test_an_object_that_is_not_read_is_noted() -> None:
    document = parse_odt(opendocument("<text:p>so <draw:frame><draw:object/></draw:frame></text:p>"))
    assert document.notes == ["formulas, charts or other objects in it are not read"]


def test_the_properties_of_the_document_are_read() -> None:
    meta = (
        "<dc:title>The bridge</dc:title><meta:initial-creator>Ida Berg</meta:initial-creator>"
        "<dc:creator>Ole</dc:creator>"
        "<meta:creation-date>2019-01-02T09:00:00</meta:creation-date><dc:date>2024-03-01T10:00:00.123456789</dc:date>"
        "<dc:language>nb-NO</dc:language>"
    )
    document = parse_odt(opendocument("<text:p>One.</text:p>", meta=meta))
    assert (document.title, document.author) == ("The bridge", "Ida Berg")
    assert (document.published, document.language) == ("2024-03-01", "nb")


NESTED = "<text:section>" * 3000 + "</text:section>" * 3000


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            opendocument("", manifest="<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>"),
            "encrypted: save a copy without a password",
        ),
        (zipped({"content.xml": BOMB}), "forbidden: content.xml declares XML entities"),
        (zipped({"content.xml": "<a/>"}), "damaged: no text where an OpenDocument text has it"),
        (zipped({"mimetype": "application/vnd.oasis.opendocument.text"}), "damaged: content.xml is missing"),
        (opendocument(NESTED), "damaged: nested too deeply"),
    ],
)
def test_a_broken_document_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    assert refused(data) == reason


def test_a_style_that_is_its_own_ancestor_does_no_harm() -> None:
    style = '<style:style style:family="text" style:name="{}" style:parent-style-name="{}"/>'
    body = '<text:p><text:span text:style-name="A">One.</text:span></text:p>'
    assert (
        parse_odt(opendocument(body, styles=style.format("A", "B") + style.format("B", "A"))).blocks[0].text == "One."
    )


def test_real_documents_keep_every_word_of_their_text(evaluation_data: Callable[[str], Path]) -> None:
    for path in sorted(evaluation_data("datasets/messy_documents/files").glob("*.odt")):
        article = to_article(parse_odt(path.read_bytes()), path.name)
        assert_canonical(article)
        with ZipFile(path) as archive:
            body = archive.read("content.xml").decode().partition("<office:body>")[2]
        written = unescape(re.sub(r"<[^>]+>", "", body))
        assert not Counter("".join(written.split())) - Counter(article.text), path.name
