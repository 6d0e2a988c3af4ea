"""How compared replies look: the marks in their columns, what is said below, and no text of others as markup."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.types import Answer, Scope
from tests.evidence import evidence, hit
from tests.test_agreement import FOUND, answered
from ui.comparison import comparison_html
from ui.turn_view import turn_html
from ui.turns import Asked, Reply, Turn

OPENED = "The bridge at Ostvik was opened in 1931. [1]"
OTHERWISE = "The bridge at Ostvik was opened in 1932. [1]"
LONG = "It is 412 metres long. [1]"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def turn(*replies: str | Answer | None, names: tuple[str, ...] = ("one", "two", "three", "four")) -> Turn:
    made = []
    for name, reply in zip(names, replies, strict=False):
        answer = answered(reply) if isinstance(reply, str) else reply
        made.append(Reply(replace(answer, model=name), None) if answer else Reply(None, "The model did not answer."))
    return Turn("What about the bridge?", tuple(made), Asked("compare", names[: len(made)]))


def shown(compared: Turn) -> BeautifulSoup:
    return BeautifulSoup(turn_html(compared, 3, "c"), "html.parser")


def marks(tree: BeautifulSoup) -> list[list[str]]:
    """Return the marks of each column."""
    return [[mark.get_text() for mark in column.select(".fn-said")] for column in tree.select(".fn-column")]


def test_each_sentence_is_marked_in_words_and_groups_lead_to_their_sentences() -> None:
    tree = shown(turn(f"{OPENED} {LONG}", OPENED, f"{OTHERWISE} Nobody asked."))
    assert marks(tree) == [
        ["also in two", "≠ three says otherwise", "only here"],
        ["also in one", "≠ three says otherwise"],
        ["≠ one and two say otherwise", "only here"],
    ]
    places = [link["href"] for link in tree.select(".fn-whose a")]
    assert {"#said-3-1", "#said-3.2-1", "#said-3.3-1", "#said-3-2", "#said-3.3-2"} == set(places)
    for place in places:
        assert len(tree.select(f'[id="{str(place).removeprefix("#")}"]')) == 1
    titles = [" ".join(summary.get_text(" ").split()) for summary in tree.select(".fn-agreement summary")]
    assert titles == ["They contradict each other 1", "They agree 1", "Only one says 1", "Only three says 1"]


def test_what_all_say_is_called_so() -> None:
    assert marks(shown(turn(OPENED, OPENED))) == [["in both"], ["in both"]]
    assert marks(shown(turn(OPENED, OPENED, OPENED))) == [["in all three"]] * 3


def test_marks_leave_the_text_of_a_reply_as_it_is() -> None:
    compared = turn(f"**{OPENED}** {LONG}", f"| a | b |\n|---|---|\n| {LONG} | x |\n\n{OTHERWISE}")
    tree = shown(compared)
    for added in tree.select(".fn-saids, .fn-who"):
        added.extract()
    alone = [
        BeautifulSoup(turn_html(replace(compared, replies=(reply,), asked=Asked()), 3, "c"), "html.parser")
        for reply in compared.replies
    ]
    columns = [column.select_one(".fn-answer") for column in tree.select(".fn-column")]
    assert [re.sub(r"-3\.2-", "-3-", str(column)) for column in columns] == [
        str(one.select_one(".fn-answer")) for one in alone
    ]


def test_the_evidence_is_named_once_and_other_evidence_is_warned_of() -> None:
    tree = shown(turn(OPENED, LONG))
    assert str(tree).count(FOUND.hash) == 2  # as a title, and to be copied
    assert not tree.select(".fn-comparison > .fn-warning")
    scoped = replace(FOUND, scope=Scope(("id-a.md",)))
    other = shown(turn(OPENED, answered(LONG, scoped)))
    warning = other.select_one(".fn-comparison > .fn-warning")
    assert warning is not None
    assert "not made from the same evidence" in warning.get_text()
    assert scoped.hash[:10] in warning.get_text()
    assert "The same evidence" not in other.get_text()


def test_who_cited_what_links_to_the_footnotes_of_each_reply() -> None:
    tree = shown(turn(f"{OPENED} {LONG}", "The unions discussed a joint strike on Friday. [2]"))
    table = tree.select(".fn-compared-table")[0]
    rows = [
        [[str(a["href"]) for a in cell.select("a")] for cell in row.select("td")] for row in table.select("tbody tr")
    ]
    assert rows == [[["#cite-3-1", "#cite-3-2"], []], [[], ["#cite-3.2-1"]]]
    assert "2025-01-02" in table.get_text()


def test_what_it_took_stands_side_by_side() -> None:
    paid = replace(answered(OPENED), timings={"total_ms": 1234.0}, usage={"prompt_tokens": 40, "cost": 0.002})
    tree = shown(turn(paid, f"{LONG} Nobody asked.", None))
    rows = [
        [cell.get_text() for cell in row.select("th, td")]
        for row in tree.select(".fn-compared-table")[1].select("tbody tr")
    ]
    assert rows == [
        ["Sentences supported", "1 of 1", "1 of 2", "no answer"],
        ["Said by another, too", "0", "0", "–"],
        ["Time", "1.2 s", "–", "–"],
        ["Tokens", "40", "–", "–"],
        ["Cost", "0.002", "–", "–"],
    ]


@pytest.mark.parametrize("replies", [(None, None), (OPENED, None), (None,)])
def test_a_reply_that_failed_leaves_its_column_and_no_comparison(replies: tuple[str | None, ...]) -> None:
    tree = shown(turn(*replies))
    assert len(tree.select(".fn-column")) == len(replies)
    assert not tree.select(".fn-agreement, .fn-said")
    assert "The model did not answer." in tree.get_text()


@given(st.lists(st.sampled_from([HOSTILE, OPENED, OTHERWISE, f"{HOSTILE} {OPENED}"]), min_size=2, max_size=4))
@settings(max_examples=20, deadline=None)
def test_no_text_of_others_becomes_markup(replies: list[str]) -> None:
    found = evidence(HOSTILE, hit(f"{HOSTILE} x.", title=HOSTILE, published=HOSTILE), hit("The bridge is long."))
    compared = turn(*(answered(reply, found) for reply in replies), names=(HOSTILE, "b", f"c{HOSTILE}", "d"))
    tree = shown(compared)
    assert not tree.select("script, img, style, iframe")
    assert not [tag for tag in tree.find_all(True) if any(name.startswith("on") for name in tag.attrs)]


def test_columns_that_are_not_what_they_were_are_shown_without_marks() -> None:
    html = comparison_html(turn(OPENED, OPENED), 1, ["<p>one</p>", "<p>two</p>"])
    assert "<p>one</p></section>" in html
    assert "fn-saids" not in html
