"""What is never evidence is marked, and an article about such things is not."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.load.boilerplate import mark_boilerplate
from rag.types import BlockKind
from tests.articles import evidence, kinds, load_one

BODY: tuple[BlockKind, str] = ("text", "The bridge at Ostvik was opened in 1931. It is 412 metres long.")


def kind_of(text: str, kind: BlockKind = "text") -> BlockKind:
    """Return what becomes of a block that closes an article."""
    return mark_boilerplate([BODY, (kind, text)])[1]


def test_a_real_page_loses_its_byline_disclaimer_and_empty_list_and_nothing_else(
    evaluation_data: Callable[[str], Path],
) -> None:
    path = evaluation_data("articles") / "meta-third-party-partnerships.txt"
    article = load_one(path.name, path.read_bytes())
    left_out = [text for kind, text in kinds(article) if kind == "boilerplate"]
    assert left_out[:2] == ["Deep News", "08/23"]
    assert left_out[2].startswith("免责声明")
    assert left_out[3] == "热议股票"
    assert len(left_out) == 14
    assert "Midjourney" in evidence(article)[-1]
    assert len(evidence(article)) == 13
    assert len([kind for kind, _ in kinds(article) if kind == "heading"]) == 3


@pytest.mark.parametrize(
    "text",
    [
        "免责声明:投资有风险,本文并非投资建议。",
        "免责声明：投资有风险，本文并非投资建议。",
        "风险提示：市场有风险，投资需谨慎。",
        "版权声明：转载请注明出处。",
        "声明：本文观点仅代表作者。",
        "本文内容仅供参考，不构成任何投资建议。",
        "以上内容不应视为要约，也不构成投资建议。",
        "责任编辑：王小明",
        "来源：新华社",
        "热议股票",
        "相关阅读",
        "Disclaimer: the views are those of the author.",
        "Legal disclaimer",
        "© 2024 The Example Times",
        "© Example Media Ltd",
        "Copyright © Example Media. All rights reserved.",
        "Copyright 2024 The Example Times. All rights reserved. This material may not be published or broadcast.",
        "(c) 2023 Example Media",
        "All rights reserved.",
        "All rights reserved",
        "This article is for information only and does not constitute financial, legal or investment advice.",
        "The information in this report isn't meant as investment advice, whatever you may have heard.",
        "Related articles:",
        "More stories",
        "You may also like",
        "Advertisement",
        "Share this article",
        "Subscribe to our newsletter",
        "Sign up for the Morning Brief, delivered to your inbox.",
        "Sign up for our weekly newsletter!",
        "Subscribe now and get all updates.",
        "Follow us on X and Facebook",
        "Read more: Bridges of the north",
        "Read more about bridges",
        "Read more",
        "See also: Bridges of the north",
        "Click here to see the gallery.",
        "This website uses cookies to improve your experience.",
        "1. 1",
        "10.",
        "•",
        "* * *",
        "3 / 7",
    ],
)
def test_a_notice_is_never_evidence(text: str) -> None:
    assert kind_of(text) == "boilerplate"


@pytest.mark.parametrize(
    "text",
    [
        "All rights reserved was once a phrase that a treaty demanded of every book.",
        "Copyright law gives the author of a work the right to copy it for 70 years.",
        "Copyright 1976 act or not, the court said, the song belonged to nobody.",
        "Copyright claims doubled in 2023.",
        "© is the sign for copyright, and no treaty demands it any more.",
        "This article explains where tenants find free legal advice.",
        "The information in the leak led to legal advice worth millions.",
        "The content of financial advice has changed since 2008.",
        "Disclaimers rarely protect a publisher, three judges found.",
        "Legal disclaimers fill half of the page.",
        "Newsletters are back: 40 publishers started one this year.",
        "Sign up for a newsletter and your address may be sold, the study found.",
        "Subscribers to the newsletter pay 5 crowns a month.",
        "Subscribe buttons and newsletter pop-ups annoy readers.",
        "Read more books, the minister told pupils.",
        "Read more slowly and you will remember more.",
        "See also the second table of the report, the auditors wrote.",
        "Follow-up studies on X found the same.",
        "Advertisement spending fell by 3 per cent.",
        "Sponsored content made up a third of revenue.",
        "Related articles of the treaty were never signed.",
        "More stories like hers came to light in 2019.",
        "Cookies were the best-selling product.",
        "来源不明的资金达到三百万元。",
        "版权法保护作者的权利七十年。",
        "声明中说，桥将于明年开放。",
        "本文介绍茶叶的历史。",
        "1931 | 412",
        "12 km",
        "3 万元",
        "Yes.",
    ],
)
def test_a_sentence_about_such_things_is_evidence(text: str) -> None:
    assert kind_of(text) == "text"


def test_a_long_paragraph_that_begins_like_a_small_notice_is_evidence() -> None:
    assert kind_of("Sign up for the newsletter was all they said. " + "The rest of the story is longer. " * 8) == "text"


@pytest.mark.parametrize("subject", ["copyright", "disclaimers", "newsletters"])
def test_an_article_on_the_subject_is_not_swallowed(subject: str) -> None:
    text = (
        f"The long story of {subject}\n\n"
        f"{subject.capitalize()} were not always with us, historians of the press say.\n\n"
        f"**How {subject} came about**\n\n"
        f"The first book on {subject} was printed in 1710. It sold 300 copies.\n\n"
        f"Nobody has counted {subject} since.\n"
    )
    article = load_one("a.txt", text.encode())
    assert len(evidence(article)) == 3
    assert not [text for kind, text in kinds(article) if kind == "boilerplate"]


def test_short_lines_behind_a_closing_notice_are_teasers_until_the_text_goes_on() -> None:
    blocks: list[tuple[BlockKind, str]] = [
        BODY,
        ("text", "Related articles"),
        ("text", "Ten bridges you must see"),
        ("heading", "The ferry that never came"),
        BODY,
        ("text", "Ten bridges you must see"),
    ]
    assert mark_boilerplate(blocks) == ["text", "boilerplate", "boilerplate", "boilerplate", "text", "text"]


def test_a_notice_above_the_article_does_not_close_it() -> None:
    blocks: list[tuple[BlockKind, str]] = [("text", "© 2024 Example Media"), ("text", "Bridge to open late"), BODY]
    assert mark_boilerplate(blocks) == ["boilerplate", "text", "text"]


def test_a_heading_leaves_with_all_that_is_under_it() -> None:
    blocks: list[tuple[BlockKind, str]] = [
        ("heading", "Length"),
        BODY,
        ("heading", "Keep in touch"),
        ("text", "Subscribe to our newsletter"),
        ("heading", "Cost"),
        ("text", "Advertisement"),
        BODY,
        ("heading", "Top 10"),
        ("text", "1."),
        ("text", "2."),
    ]
    assert mark_boilerplate(blocks) == [
        *("heading", "text"),
        *("boilerplate", "boilerplate"),
        *("heading", "boilerplate", "text"),
        *("boilerplate", "boilerplate", "boilerplate"),
    ]


def test_titles_and_what_the_parser_has_marked_stay_as_they_are() -> None:
    blocks: list[tuple[BlockKind, str]] = [("title", "All rights reserved."), ("boilerplate", "By Ida Berg"), BODY]
    assert mark_boilerplate(blocks) == ["title", "boilerplate", "text"]


@given(st.lists(st.tuples(st.sampled_from(["title", "heading", "text", "boilerplate"]), st.text(max_size=40))))
def test_a_kind_either_stays_or_turns_to_boilerplate(blocks: list[tuple[BlockKind, str]]) -> None:
    marked = mark_boilerplate(blocks)
    assert len(marked) == len(blocks)
    assert all(now in (before, "boilerplate") for now, (before, _) in zip(marked, blocks, strict=True))


def test_a_very_long_list_is_marked_in_seconds() -> None:
    blocks: list[tuple[BlockKind, str]] = [("heading", "word"), ("text", "1.")] * 50_000
    began = time.perf_counter()
    assert set(mark_boilerplate(blocks)) == {"boilerplate"}
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("text", ["20-8143439", "2021", "7 | 12", "1,204"])
def test_a_number_that_says_something_is_evidence(text: str) -> None:
    assert mark_boilerplate([("text", "Employer number and revenue by year:"), ("text", text)])[1] == "text"


@pytest.mark.parametrize("text", ["1. 1", "☐", "08/23", "- 4 -", "10."])
def test_a_list_marker_or_page_number_is_no_evidence(text: str) -> None:
    assert mark_boilerplate([("text", "Employer number and revenue by year:"), ("text", text)])[1] == "boilerplate"
