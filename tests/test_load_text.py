"""Plain text: paragraphs, headings, and the lines above the article."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.load.document import to_article
from rag.load.text import parse_text
from rag.text import clean
from tests.articles import article_or_none, blocks, kinds

_PIECES = st.sampled_from(
    [
        *("\n", "\n\n", "\n \n", "\t", "\u3000", "The bridge is long. ", "A heading", "茶叶产于云南。", "word" * 30),
        *("**Bold**", "__", "**", "- item", "1. ", "08/23", "By Ida Berg", "2024-03-01", "作者：李雷", "Disclaimer:"),
    ]
)
_FILES = st.lists(_PIECES | st.text(max_size=8), max_size=20).map("".join)


@settings(deadline=None, max_examples=200)
@given(_FILES)
@example("**a** and **b**\n\n**\n\n__c__\n\nText.")
def test_every_word_of_the_file_is_in_the_article_in_order(text: str) -> None:
    article = article_or_none(lambda: to_article(parse_text(clean(text)), "a.txt"))
    if article is None:
        return
    # The marks around a bold line are all that may be missing.
    marks = str.maketrans("", "", "*_")
    assert "".join(article.text.split()).translate(marks) == "".join(clean(text).split()).translate(marks)


def test_a_file_is_cut_at_blank_lines_and_its_first_line_is_the_title() -> None:
    text = "What bees do in winter\n\nHoney bees form a cluster.\n\u3000\nThey live on honey.\n"
    assert blocks(parse_text(text)) == [
        ("title", "What bees do in winter"),
        ("text", "Honey bees form a cluster."),
        ("text", "They live on honey."),
    ]


def test_a_file_that_begins_with_a_sentence_has_no_title() -> None:
    document = parse_text("Honey bees form a cluster.\n\nThey live on honey.")
    assert [block.kind for block in document.blocks] == ["text", "text"]
    assert to_article(document, "bees in winter.txt").title == "bees in winter"


def test_lines_wrapped_by_hand_are_one_paragraph() -> None:
    text = (
        "Honey bees form a cluster around their queen when\n"
        "it is cold. The cluster keeps a temperature of\n"
        "about 30 degrees.\n"
    )
    assert blocks(parse_text(text)) == [("text", text.strip())]


def test_long_lines_are_paragraphs_without_blank_lines_between_them() -> None:
    line = "Honey bees form a cluster around their queen when it is cold, and they live on honey that they stored. " * 2
    assert blocks(parse_text(f"{line}\n{line}")) == [("text", line.strip())] * 2
    assert to_article(parse_text(f"{line}\n{line}"), "a.txt").text == f"{line.strip()}\n{line.strip()}"


def test_items_of_a_list_are_blocks_of_text() -> None:
    text = "The bridge has three parts:\n- the deck of steel and wood\n- the cables\n2) the towers\n"
    assert [text for _, text in blocks(parse_text(text))] == text.strip().split("\n")
    assert {kind for kind, _ in blocks(parse_text(text))} == {"text"}


def test_a_short_line_is_a_heading_only_above_a_paragraph() -> None:
    text = "The bridge is old.\n\nRepairs\n\nRust was found in 2022.\n\nstill open\n\nyes and no\n"
    assert blocks(parse_text(text)) == [
        ("text", "The bridge is old."),
        ("heading", "Repairs"),
        ("text", "Rust was found in 2022."),
        ("text", "still open"),
        ("text", "yes and no"),
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("**Massive Investment**", ("heading", "Massive Investment")),
        ("__What comes next?__", ("heading", "What comes next?")),
        ("**The repair cost 3.5 million crowns.**", ("text", "The repair cost 3.5 million crowns.")),
        ("**修复耗资三百万。**", ("text", "修复耗资三百万。")),
        ("**Rust** was found by **two** men.", ("text", "**Rust** was found by **two** men.")),
        (f"**{'word ' * 40}end**", ("text", "word " * 40 + "end")),
        ("** not bold **", ("heading", "** not bold **")),
    ],
)
def test_a_bold_line_is_a_heading_unless_it_is_a_sentence(line: str, expected: tuple[str, str]) -> None:
    text = f"The bridge is old.\n\n{line}\n\nRust was found in 2022."
    assert blocks(parse_text(text))[1] == expected


@pytest.mark.parametrize(
    ("head", "author", "published"),
    [
        ("By Ida Berg\n\nMarch 4, 2025", "Ida Berg", "2025-03-04"),
        ("by Ida Berg\nPublished: 2025-03-04", "Ida Berg", "2025-03-04"),
        ("Deep News\n08/23", "Deep News", None),
        ("Author: Ida Berg", "Ida Berg", None),
        ("作者：李雷\n\n2025年3月4日", "李雷", "2025-03-04"),
        ("文/李雷", "李雷", None),
        ("Updated on 4 March 2025", None, "2025-03-04"),
        ("2025-03-04 10:30", None, "2025-03-04"),
        ("03/04/2025", None, None),
    ],
)
def test_author_and_date_in_the_head_are_read_and_are_no_evidence(
    head: str, author: str | None, published: str | None
) -> None:
    document = parse_text(f"The bridge at Ostvik\n\n{head}\n\nThe bridge was opened in 1931.\n")
    assert (document.author, document.published) == (author, published)
    found = blocks(document)
    assert found[0] == ("title", "The bridge at Ostvik")
    assert found[-1] == ("text", "The bridge was opened in 1931.")
    assert {kind for kind, _ in found[1:-1]} == {"boilerplate"}


@pytest.mark.parametrize("line", ["By the sea", "by and large", "A city in 2025", "May 2025 bring rain", "Chapter 12"])
def test_a_line_of_the_head_that_only_looks_like_one_gives_no_author_and_no_date(line: str) -> None:
    document = parse_text(f"Life on the coast\n\n{line}\n\nThe bridge was opened in 1931.\n")
    assert (document.author, document.published) == (None, None)
    assert blocks(document)[1] == ("heading", line)


def test_bylines_and_dates_below_the_head_are_part_of_the_article() -> None:
    document = parse_text("The bridge\n\nIt was opened in 1931.\n\nBy Ida Berg\n\n2025-03-04\n")
    assert (document.author, document.published) == (None, None)
    assert ("text", "By Ida Berg") in blocks(document)


def test_a_list_of_short_lines_is_text_even_above_a_sentence() -> None:
    items = [f"word {number} of the list" for number in range(1, 31)]
    found = blocks(parse_text("Words\n\n" + "\n\n".join(items) + "\n\nThat was the list.\n"))
    assert found[0] == ("title", "Words")
    assert [text for kind, text in found if kind == "text"] == [*items[:-1], "That was the list."]


def test_lines_without_any_stop_are_all_text() -> None:
    assert blocks(parse_text("tea\nhoney\n\nmilk\n")) == [("text", "tea"), ("text", "honey"), ("text", "milk")]


@pytest.mark.parametrize("text", ["word\n" * 50_000 + "A sentence.\n", "word\n\n" * 50_000, "\n \t" * 50_000 + "x"])
def test_a_very_long_file_of_short_lines_is_read_in_seconds(text: str) -> None:
    began = time.perf_counter()
    assert parse_text(text).blocks
    assert time.perf_counter() - began < 10


def test_a_real_article_keeps_its_headings_and_loses_its_stars(evaluation_data: Callable[[str], Path]) -> None:
    path = evaluation_data("articles") / "meta-third-party-partnerships.txt"
    article = to_article(parse_text(path.read_text(encoding="utf-8")), path.name)
    assert article.title == "Meta Seeks Third-Party AI Partnerships as Llama Model Struggles to Keep Pace"
    assert (article.author, article.published, article.language) == ("Deep News", None, "en")
    assert [text for kind, text in kinds(article) if kind == "heading"] == [
        "Self-Developed Models Lag Behind, Strategic Focus Shifts",
        "Massive Investment Alongside Internal Turbulence",
        'The AI Newcomer\'s "Aesthetic Technology"',
    ]
    assert "**" not in article.text
