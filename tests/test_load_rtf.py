"""Rich text: its words as the reader sees them, in whatever encoding, and nothing that is hidden or deleted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.errors import Unloadable
from rag.load.document import to_article
from rag.load.docx import parse_docx
from rag.load.rtf import parse_rtf
from tests.articles import assert_canonical, blocks


def rtf(body: str) -> bytes:
    return rb"{\rtf1\ansi " + body.encode("latin-1") + b"}"


def texts(body: str) -> list[str]:
    return [block.text for block in parse_rtf(rtf(body)).blocks]


# ---------------------------------------------------------------- characters


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (r"caf\'e9 \'93na\'efve\'94", "café “naïve”"),
        ("raw caf\xe9", "raw café"),
        (r"\mac caf\'8e", "café"),
        (r"\ansicpg1251 \'cc\'ee\'f1\'f2", "Мост"),
        (r"\ansicpg932\'83e\'83\'58\'83g", "テスト"),
        (r"\ansicpg936\'b2\'e8\'d2\'b6", "茶叶"),
        (r"\ansicpg99999 abc", "abc"),
        (
            r"{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset204 B;}}\f0 caf\'e9 {\f1 \'cc\'ee\'f1\'f2} caf\'e9",
            "café Мост café",
        ),
        (r"\deff1{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset204 B;}}\'cc {\f0\'e9\plain\'cc}", "М éМ"),
        (r"{\fonttbl{\f3\fnil\fcharset2 Symbol;}{\f4\fcharset2 Wingdings;}}{\f3 a\'a3b} {\f4 \'fc}", "α≤β ✓"),
        (r"\u33590?\u21494? \u8364\'80!", "茶叶 €!"),
        (r"\uc2\u8364 EU\u228\'83\'65x", "€äx"),
        (r"\uc0\u8364 \u-4064 x", "€\uf020x"),
        (r"{\uc0\u228 {\uc1 \u228?}\u228 }\u228 ?", "ääää"),
        (r"\u-10179?\u-8704? \u128512?", "😀 😀"),
        (r"\u8220\ldblquote a\u8221\rdblquote", "“a”"),
        (r"one\tab two\emdash three\~four\_five\line six", "one two—three\xa0four‑five\nsix"),
        (r"soft\-ware \{x\} a\\b", "software {x} a\\b"),
        ("one \r\ntwo\r\n three", "one two three"),
        (r"{\upr{\'3f}{\*\ud{\u33590 ?}}}", "茶"),
    ],
)
def test_characters_are_read_in_every_way_they_are_written(body: str, text: str) -> None:
    assert texts(body) == [text]


# ---------------------------------------------------------------- what is text


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (r"seen{\v  hidden}{\plain\v  too}.", "seen."),
        (r"seen\v  hidden\v0  shown\v  x\plain .", "seen shown."),
        (r"it {\deleted was\plain  was }{\revised is}", "it is"),
        (r'see {\field{\*\fldinst{HYPERLINK "http://x.example/"}}{\fldrslt{\ul the report}}}.', "see the report."),
        (r"a{\xe index entry}{\*\bkmkstart x}{\*\unknown{\b no}}{\tc no}b", "ab"),
        (r"a{\pict\wmetafile8 0102ff}{\*\shppict{\pict 00}}{\nonshppict{\pict 00}}b", "ab"),
        (r"{\header no}{\footerf no}{\*\annotation no}{\*\generator no;}one", "one"),
        (r"one{\object{\*\objclass x}{\*\objdata 0105}{\result shown}}", "oneshown"),
        (r"{\colortbl;\red0;}{\*\listtable{\list{\listname no;}}}{\info{\title T}{\doccomm no}}one", "one"),
        (r"{\stylesheet{\s0 Normal;}{\*\cs1 Bold;}}one", "one"),
    ],
)
def test_the_words_of_a_sentence_are_all_read_and_no_others(body: str, text: str) -> None:
    assert texts(body) == [text]


def test_binary_data_is_passed_over_whatever_is_in_it() -> None:
    data = b"{\\rtf1 a{\\pict\\bin6 }}{{\\\\}b}"
    assert [block.text for block in parse_rtf(data).blocks] == ["ab"]


def test_marks_of_notes_leave_the_sentence_and_notes_follow_the_text() -> None:
    note = r"{\super\chftn}{\footnote\pard\plain {\super\chftn} 412 metres.}"
    other = r"{\super\chftn}{\*\footnote\ftnalt\pard See Berg.\par And others.}"
    assert texts(rf"It is long{note} and old{other}.\par So.") == [
        "It is long and old.",
        "So.",
        "412 metres.",
        "See Berg.",
        "And others.",
    ]
    assert texts(r"One{\v{\footnote hidden}}.") == ["One."]


def test_a_text_box_is_read_once_behind_its_paragraph() -> None:
    box = (
        r"{\shp{\*\shpinst\shpleft1{\sp{\sn x}{\sv y}}{\shptxt\pard In the box.\par}}{\shprslt{\*\do{\dptxbxtext no}}}}"
    )
    assert texts(rf"It is {box}long.\par Next.") == ["It is long.", "In the box.", "Next."]


# ---------------------------------------------------------------- structure

STYLES = (
    r"{\stylesheet{\s0 Normal;}{\s1\b heading 1;}{\s2\outlinelevel1 \'dcberschrift;}{\s3 Title;}{\s4\sbasedon0 List;}}"
)


def test_title_headings_and_paragraphs_are_told_apart() -> None:
    body = (
        STYLES + r"\pard\s3 The bridge\par\pard\s1 History\par\pard It is old.\par\pard\s2 Cables\par\pard\s4 Two.\par"
        r"{\pard\outlinelevel0 Costs\par}\pard 3.5 million.\par"
    )
    document = parse_rtf(rtf(body))
    assert document.title == "The bridge"
    assert blocks(document) == [
        ("title", "The bridge"),
        ("heading", "History"),
        ("text", "It is old."),
        ("heading", "Cables"),
        ("text", "Two."),
        ("heading", "Costs"),
        ("text", "3.5 million."),
    ]


def test_list_items_and_table_rows_are_joined_by_lines() -> None:
    body = (
        r"Cables:\par{\listtext\tab 1.\tab}north\par{\pntext 2.}south\par So.\par"
        r"\trowd\cellx1\cellx2\pard\intbl Year\cell Cost\cell\row"
        r"\trowd\pard\intbl 2022\cell 3.5\par million\cell\row\pard End.\par"
    )
    article = to_article(parse_rtf(rtf(body)), "a.rtf")
    assert article.text == "Cables:\n\nnorth\nsouth\n\nSo.\n\nYear | Cost\n2022 | 3.5 million\n\nEnd."


@pytest.mark.parametrize(
    "body",
    [
        r"\pard\intbl a\cell b\cell\pard One.\par",
        r"\pard\intbl a\cell b\row\pard One.",
        r"\pard\intbl a\cell\pard\intbl b{\cell\row}\pard One.",
        r"{{{\pard\intbl a\par}\cell}{{\pard\intbl b\par}\cell}\intbl\row}{\pard One.\par}",
    ],
)
def test_a_table_that_is_not_closed_as_it_should_be_is_read(body: str) -> None:
    assert texts(body) == ["a | b", "One."]


def test_what_the_file_says_of_itself_is_read() -> None:
    info = (
        r"{\info{\title The {\b bridge}}{\author {\upr{Ida}{\*\ud{Ida B\u233 ?rg}}}}{\operator Ole}"
        r"{\creatim\yr2019\mo1\dy2\hr9}{\revtim\yr2024\mo3\dy1\hr10\min30}{\printim\yr2025\mo1\dy1}}"
    )
    document = parse_rtf(rtf(info + "One."))
    assert (document.title, document.author, document.published) == ("The bridge", "Ida Bérg", "2024-03-01")
    document = parse_rtf(rtf(r"{\info{\author user}{\creatim\yr0\mo0\dy0}{\revtim\yr2024}}One."))
    assert (document.title, document.author, document.published) == (None, None, None)


# ---------------------------------------------------------------- broken files


def test_a_cut_file_is_read_to_its_end_with_a_note() -> None:
    document = parse_rtf(rb"{\rtf1 One.\par{\b Two{\footnote Three")
    assert [block.text for block in document.blocks] == ["One.", "Two", "Three"]
    assert document.notes == ["the end of the file is missing"]
    assert not parse_rtf(rtf("One.")).notes


def test_what_follows_the_document_is_not_read() -> None:
    assert [block.text for block in parse_rtf(rtf("One.") + b"}} Two {x}").blocks] == ["One."]


def test_groups_without_end_are_refused() -> None:
    with pytest.raises(Unloadable) as caught:
        parse_rtf(b"{\\rtf1" + b"{" * 1_000_000)
    assert (caught.value.state, caught.value.reason) == ("failed", "damaged: nested too deeply")


@pytest.mark.parametrize(
    "piece",
    [r"{\field{\*\fldinst HYPERLINK ", r"\'8", r"\u1", r"\cell", r"{\footnote ", r"{\pict\bin9 ", "\\", r"\par", "{}"],
)
def test_malformed_files_take_time_in_proportion_to_their_length(piece: str) -> None:
    parse_rtf(rtf(piece * (100_000 if piece.count("{") == piece.count("}") else 1_000)))


_TOKENS = st.sampled_from(
    r"{ } \par \cell \row \intbl \pard \'e9 \u228 ? \uc0 \f1 \fonttbl \stylesheet \footnote \shptxt \info \title \upr "
    r"\ud \* \bin3 \v \v0 \plain \fcharset128 \fcharset2 \ansicpg1251 \s1 \outlinelevel1 \pntext \revtim \yr2024 "
    r"text é \\ ;".split(" ")
)


@settings(deadline=None)
@given(st.lists(_TOKENS, max_size=40).map("".join) | st.text(max_size=50))
@example(r"{\fonttbl{\f1\fcharset2")
@example(r"\u-10179")
def test_any_words_in_any_order_are_read_or_refused(body: str) -> None:
    document = parse_rtf(b"{\\rtf1" + body.encode("utf-8"))
    for block in document.blocks:
        assert block.text.strip()
        block.text.encode()


# ---------------------------------------------------------------- real files


def test_real_files_are_read_like_the_same_document_in_another_format(evaluation_data: Callable[[str], Path]) -> None:
    folder = evaluation_data("datasets/messy_documents/files")
    document = parse_rtf((folder / "eng_spa_mult.rtf").read_bytes())
    assert_canonical(to_article(document, "a.rtf"))
    assert document.blocks == parse_docx((folder / "eng_spa_mult.docx").read_bytes()).blocks


def test_a_real_file_with_a_heading_and_a_table_is_read(evaluation_data: Callable[[str], Path]) -> None:
    data = (evaluation_data("datasets/messy_documents/files") / "fake-doc.rtf").read_bytes()
    assert blocks(parse_rtf(data)) == [
        ("title", "My First Heading"),
        ("text", "My first paragraph."),
        ("text", "Table Example:"),
        ("text", "Column 1 | Column 2"),
        ("text", "Row 1, Cell 1 | Row 1, Cell 2"),
        ("text", "Row 2, Cell 1 | Row 2, Cell 2"),
    ]
