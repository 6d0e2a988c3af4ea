"""A Word document of answers: its parts, its footnotes, its lists and tables, and what our own reader makes of it."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring

from rag.export import Entry, docx
from rag.load.docx import parse_docx
from rag.types import Answer
from tests.evidence import evidence, hit
from tests.test_export import AT, BEES, BRIDGE, FOUND, WORD, answered, supported

PARTS = {
    "[Content_Types].xml",
    "_rels/.rels",
    "docProps/core.xml",
    "word/_rels/document.xml.rels",
    "word/document.xml",
    "word/footnotes.xml",
    "word/styles.xml",
    "word/numbering.xml",
    "word/settings.xml",
}


def written(reply: str, title: str | None = None) -> bytes:
    return docx([Entry("How long is the bridge?", supported(answered(reply)), AT)], title)


def part(data: bytes, name: str) -> Element:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        root: Element = fromstring(archive.read(name))
    return root


def body(reply: str) -> Element:
    return part(written(reply), "word/document.xml")[0]


def value(element: Element | None, name: str = "val") -> str | None:
    return None if element is None else element.get(WORD + name)


def styles(paragraphs: Element) -> list[str | None]:
    return [value(paragraph.find(f"{WORD}pPr/{WORD}pStyle")) for paragraph in paragraphs.findall(WORD + "p")]


def words(element: Element) -> str:
    return "".join(text.text or "" for text in element.iter(WORD + "t"))


# ---------------------------------------------------------------- the archive


def test_every_part_is_there_typed_and_related() -> None:
    data = written("The bridge at Ostvik is 412 metres long [1].")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == "[Content_Types].xml"
        assert set(archive.namelist()) == PARTS
    typed = {entry.get("PartName", "").lstrip("/") for entry in part(data, "[Content_Types].xml")} - {""}
    assert typed == {name for name in PARTS if name.endswith(".xml")} - {"[Content_Types].xml"}
    related = {relation.get("Target") for relation in part(data, "word/_rels/document.xml.rels")}
    assert related == {"footnotes.xml", "styles.xml", "numbering.xml", "settings.xml"}
    assert {relation.get("Target") for relation in part(data, "_rels/.rels")} == {
        "word/document.xml",
        "docProps/core.xml",
    }


def test_every_style_and_list_that_is_used_is_defined() -> None:
    data = written("# Long\n\n- *Long* [1]\n\n1. `x` [1]\n\n> Old\n\n```\nx\n```\n\n| a |\n|---|\n| b |", "Title")
    known = {value(style, "styleId") for style in part(data, "word/styles.xml").iter(WORD + "style")}
    lists = {value(entry, "numId") for entry in part(data, "word/numbering.xml").iter(WORD + "num")}
    for name in ("word/document.xml", "word/footnotes.xml"):
        for element in part(data, name).iter():
            if element.tag in (WORD + "pStyle", WORD + "rStyle"):
                assert value(element) in known
            if element.tag == WORD + "numId":
                assert value(element) in lists


def test_the_same_answers_make_the_same_bytes_and_other_ones_do_not() -> None:
    assert written("The bridge is long [1].") == written("The bridge is long [1].")
    assert written("The bridge is long [1].") != written("The bridge is old [1].")
    with zipfile.ZipFile(io.BytesIO(written("Long."))) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_properties_tell_title_language_and_time_and_no_person() -> None:
    core = part(written("The bridge is long [1].", "Bridges & <bees>"), "docProps/core.xml")
    told = {element.tag.rpartition("}")[2]: element.text for element in core}
    time = "2026-03-04T05:06:07Z"
    assert told == {"title": "Bridges & <bees>", "language": "en", "created": time, "modified": time}


@pytest.mark.parametrize(
    ("at", "time"),
    [
        ("2026-03-04T05:06:07", "2026-03-04T05:06:07Z"),
        ("2026-03-04T05:06:07+02:00", "2026-03-04T03:06:07Z"),
        ("x", None),
    ],
)
def test_the_time_is_told_in_utc_where_there_is_one(at: str, time: str | None) -> None:
    core = part(docx([Entry("How long?", answered("Long [1]."), at)]), "docProps/core.xml")
    told = {element.tag.rpartition("}")[2]: element.text for element in core}
    assert told.get("created") == time


def test_characters_that_xml_cannot_hold_are_left_out() -> None:
    found = evidence("How\x00 long\ufffe?", hit("It is \x01 & <long>.", title="a\x1bb\uffff\ud800c"))
    answer = answered("It is \x02 & <long> [1].", found)
    data = docx([Entry(found.question, answer, "\x03")], "x\x04\udfffy")
    assert words(part(data, "word/footnotes.xml")).startswith(" “It is  & <long>.”, abc")
    assert parse_docx(data).title == "xy"


# ---------------------------------------------------------------- footnotes


def test_footnotes_are_true_and_one_that_is_cited_again_is_referred_to() -> None:
    data = written(
        "The bridge at Ostvik is 412 metres long [1]. They are warm: 30 degrees [2]. It is 412 metres long [1]."
    )
    document = part(data, "word/document.xml")
    assert [value(mark, "id") for mark in document.iter(WORD + "footnoteReference")] == ["1", "2"]
    (again,) = document.iter(WORD + "fldSimple")
    assert (again.get(WORD + "instr"), words(again)) == (" NOTEREF _Note1 \\f \\h ", "1")
    assert "_Note1" in [value(mark, "name") for mark in document.iter(WORD + "bookmarkStart")]
    notes = list(part(data, "word/footnotes.xml"))
    assert [(value(note, "id"), value(note, "type")) for note in notes] == [
        ("-1", "separator"),
        ("0", "continuationSeparator"),
        ("1", None),
        ("2", None),
    ]
    for note, quote in zip(
        notes[2:], ("The bridge at Ostvik is 412 metres long.", "They are 30 degrees warm."), strict=True
    ):
        assert styles(note) == ["FootnoteText"]
        assert len(list(note.iter(WORD + "footnoteRef"))) == 1
        assert words(note).startswith(f" “{quote}”, ")
    settings = part(data, "word/settings.xml").find(WORD + "footnotePr")
    assert settings is not None
    assert [value(note, "id") for note in settings] == ["-1", "0"]


def test_two_notes_side_by_side_do_not_read_as_one_number() -> None:
    paragraph = body("The bridge is 412 metres long [1][2].").findall(WORD + "p")[1]
    runs = [run for run in paragraph.findall(WORD + "r") if value(run.find(f"{WORD}rPr/{WORD}rStyle"))]
    assert [run[-1].tag.removeprefix(WORD) for run in runs][:3] == ["footnoteReference", "t", "footnoteReference"]
    assert words(runs[1]) == " "


def test_addresses_of_articles_are_text() -> None:
    source = replace(BRIDGE.source, url="https://example.org/bridge")
    found = replace(FOUND, hits=(replace(BRIDGE, source=source), BEES))
    data = docx([Entry("How long?", answered("The bridge is 412 metres long [1].", found))])
    assert ", https://example.org/bridge, characters 100–140, " in words(part(data, "word/footnotes.xml"))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert not any(b"example.org" in archive.read(name) for name in PARTS - {"word/footnotes.xml"})
        assert not any(b"External" in archive.read(name) for name in PARTS)


# ---------------------------------------------------------------- structure


def test_headings_have_the_level_they_have_in_the_answer_below_the_question() -> None:
    assert styles(body("# Long\n\nIt is long [1].\n\n###### Old")) == [
        *("Heading1", "Heading2", None, "Heading6", "Notice", "Notice"),
    ]
    assert styles(part(written("Long [1].", "Bridges"), "word/document.xml")[0])[:2] == ["Title", "Heading1"]


def test_lists_are_lists_with_their_levels_and_numbers() -> None:
    data = written("3. Long [1]\n   - Old\n\n     Very old\n4. Wide\n\n- Red\n\nand\n\n1. Blue")
    found = []
    for paragraph in part(data, "word/document.xml")[0]:
        level, number = (value(paragraph.find(f"{WORD}pPr/{WORD}numPr/{WORD}{name}")) for name in ("ilvl", "numId"))
        indent = value(paragraph.find(f"{WORD}pPr/{WORD}ind"), "left")
        found.append((words(paragraph).strip(), level, number, indent))
    assert found[1:8] == [
        ("Long", "0", "2", None),
        ("Old", "1", "1", None),
        ("Very old", None, None, "720"),
        ("Wide", "0", "2", None),
        ("Red", "0", "1", None),
        ("and", None, None, None),
        ("Blue", "0", "3", None),
    ]
    starts = {
        value(entry, "numId"): [value(start) for start in entry.iter(WORD + "startOverride")][:1]
        for entry in part(data, "word/numbering.xml").iter(WORD + "num")
    }
    assert starts == {"1": [], "2": ["3"], "3": ["1"]}


def test_a_table_is_a_table_with_its_notes_and_a_head() -> None:
    (table,) = body("| what | length |\n|---|---|\n| The **bridge** | 412 metres [1] |").iter(WORD + "tbl")
    rows = [[words(cell) for cell in row.iter(WORD + "tc")] for row in table.iter(WORD + "tr")]
    assert rows == [["what", "length"], ["The bridge", "412 metres"]]
    assert len(list(table.iter(WORD + "tblHeader"))) == 1
    assert len(list(table.iter(WORD + "footnoteReference"))) >= 1
    assert len(list(table.iter(WORD + "gridCol"))) == 2
    assert all(cell[-1].tag == WORD + "p" for cell in table.iter(WORD + "tc"))


def test_styles_of_words_are_kept() -> None:
    paragraph = body("The **bridge** is *long* and `a  b` [1].").findall(WORD + "p")[1]
    styled = {}
    for run in paragraph.findall(WORD + "r"):
        styled[words(run)] = [mark.tag.removeprefix(WORD) for mark in run.findall(f"{WORD}rPr/*")]
    assert styled["bridge"] == ["b", "bCs"]
    assert styled["long"] == ["i", "iCs"]
    assert styled["a  b"] == ["rStyle"]
    assert styled["The "] == []


def test_code_keeps_its_lines() -> None:
    code = next(
        paragraph
        for paragraph in body("It is:\n\n```\na = 1\n    b = 2\n```\n").iter(WORD + "p")
        if words(paragraph).startswith("a = 1")
    )
    assert [text.text for text in code.iter(WORD + "t")] == ["a = 1", "    b = 2"]
    assert len(list(code.iter(WORD + "br"))) == 1


def test_text_from_right_to_left_runs_so() -> None:
    data = docx([Entry("كم طول الجسر؟", answered("The bridge is long [1]."))])
    heading, paragraph = part(data, "word/document.xml")[0].findall(WORD + "p")[:2]
    assert heading.find(f"{WORD}pPr/{WORD}bidi") is not None
    assert heading.find(f"{WORD}r/{WORD}rPr/{WORD}rtl") is not None
    assert paragraph.find(f"{WORD}pPr/{WORD}bidi") is None


@pytest.mark.parametrize(("language", "kind"), [("en", "val"), ("zh", "eastAsia"), ("ar", "bidi"), ('x"><', "val")])
def test_the_language_is_that_of_what_is_cited(language: str, kind: str) -> None:
    source = replace(BRIDGE.source, language=language)
    found = replace(FOUND, hits=(replace(BRIDGE, source=source), BEES))
    data = docx([Entry("How long?", answered("The bridge is 412 metres long [1].", found))])
    (marked,) = part(data, "word/styles.xml").iter(WORD + "lang")
    assert marked.attrib == {WORD + kind: language if language.isalpha() else "en"}


def test_our_own_reader_reads_it_back_notes_behind_the_text() -> None:
    answer: Answer = answered("The bridge at Ostvik is **412** metres long [1].\n\n- They are 30 degrees warm [2].")
    read = parse_docx(docx([Entry("How long?", supported(answer), AT)], "On bridges"))
    assert (read.title, read.published, read.author, read.language) == ("On bridges", "2026-03-04", None, "en")
    assert not read.notes
    texts = [block.text for block in read.blocks]
    assert texts[:2] == ["On bridges", "How long?"]
    assert "The bridge at Ostvik is 412 metres long." in texts
    assert "They are 30 degrees warm." in texts
    assert texts[-2].startswith("“The bridge at Ostvik is 412 metres long.”, The bridge, 2025-01-02, a.md")
    assert texts[-1].startswith("“They are 30 degrees warm.”, The bees, 2025-01-02, b.md")
    more = answered("The bridge at Ostvik is 412 metres long [1]. They are 30 degrees warm [2]. It is 412 metres [1].")
    texts = [block.text for block in parse_docx(docx([Entry("q", supported(more))])).blocks]
    assert any(text.endswith("It is 412 metres.") for text in texts)
