"""What word processors have in common: which lines are titles, headings and rows, and what no one wrote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.load.document import RawBlock
from rag.load.lines import Line, arrange, author_name, noted_date, noted_title, symbol, table_row


def test_only_one_line_is_the_title() -> None:
    lines = [Line("One", 1), Line("Title", 0), Line("Title", 0), Line("Text")]
    assert [block.kind for block in arrange(lines)] == ["heading", "title", "heading", "text"]


def test_lines_without_text_are_left_out_and_do_not_part_a_list() -> None:
    lines = [Line("a", group="list"), Line(" \n", group="list"), Line(""), Line("b \n\n  c", group="list")]
    assert arrange(lines) == [RawBlock("text", "a"), RawBlock("text", "b\nc", tight=True)]


def test_a_row_keeps_the_place_of_an_empty_cell_between_others() -> None:
    cells = [[Line("a")], [], [Line("b"), Line("c\nd")], [Line(" ")]]
    assert arrange(table_row(cells, "t")) == [RawBlock("text", "a | | b c d")]


def test_a_row_of_one_heading_stays_a_heading() -> None:
    assert table_row([[], [Line("Repairs", 2)]], "t") == [Line("Repairs", 2)]


@pytest.mark.parametrize(
    ("value", "title"),
    [
        ("The bridge", "The bridge"),
        ("Microsoft Word - bridge.doc", "bridge.doc"),
        ("Document 3", None),
        ("untitled-1", None),
        ("Documents of the war", "Documents of the war"),
        (" ", None),
        (None, None),
    ],
)
def test_a_title_is_what_somebody_wrote(value: str | None, title: str | None) -> None:
    assert noted_title(value) == title


def test_an_author_is_a_person() -> None:
    assert author_name(" Ida  Berg ") == "Ida Berg"
    assert author_name("Microsoft Office User") is None


def test_a_date_is_one_that_a_clock_showed() -> None:
    assert noted_date("1601-01-01T00:00:00Z", None, "", "2024-03-01T10:00:00Z", "2019-01-01") == "2024-03-01"


def test_characters_of_symbol_fonts_are_known_or_shown_as_unknown() -> None:
    assert [symbol("Symbol", code) for code in (0x61, 0xF0A3, 0x20, 0xFE)] == ["α", "≤", " ", "\ufffd"]
    assert [symbol("Wingdings 2", code) for code in (0xFC, 0x21)] == ["✓", "\ufffd"]


@given(
    st.lists(st.builds(Line, st.text(max_size=20), st.none() | st.integers(0, 9), st.sampled_from([None, "a", "b"])))
)
def test_every_word_of_every_line_is_in_its_block(lines: list[Line]) -> None:
    written = [word for line in lines for word in line.text.replace("\xad", "").split()]
    assert [word for block in arrange(lines) for word in block.text.split()] == written
