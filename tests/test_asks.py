"""Questions that ask for several things: which of them the articles do not hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.asks import PartwiseRetriever, asks
from rag.conversation import by_rules
from rag.types import ALL_ARTICLES, Evidence, Exchange, Scope, WhyNot
from tests.evidence import evidence, hit

BRIDGE = hit("The bridge is 412 metres long.", "bridge.md")
MILL = hit("The mill ground 40 sacks.", "mill.md")


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Who built it, and when was it opened?", ["Who built it", "when was it opened"]),
        ("Who built it? When was it opened?", ["Who built it", "When was it opened"]),
        ("How long is the bridge and how many sacks did the mill grind?", 2),
        ("Did Meta buy it and did Google object?", ["Did Meta buy it", "did Google object"]),
        ("三星为什么限制？谷歌呢？", ["三星为什么限制", "谷歌呢"]),
        ("Which outside models does Meta use, and for what?", ["Which outside models does Meta use", "for what"]),
        ("What do Meta and Google say about trade and tariffs?", 1),
        ("How long is the bridge?", ["How long is the bridge"]),
        ("The company, which makes chips, and its rivals", 1),
    ],
)
def test_each_thing_that_is_asked_for_is_found(question: str, expected: list[str] | int) -> None:
    found = asks(question)
    assert (len(found) if isinstance(expected, int) else found) == expected


@given(st.text(max_size=120))
def test_any_text_is_cut_into_words_of_its_own_in_order(text: str) -> None:
    at = 0
    for part in asks(text):
        at = text.index(part, at) + len(part)


class Library:
    """Finds what it is told for a word of the question, and nothing for others."""

    def __init__(self, **found: Evidence) -> None:
        self.found = found
        self.asked: list[str] = []

    def evidence(self, question: str, top_k: int | None = None, scope: Scope = ALL_ARTICLES) -> Evidence:
        self.asked.append(question)
        words = [word for word in self.found if word in question]
        if len(words) == 1:
            return replace(self.found[words[0]], question=question)
        hits = [one for word in words for one in self.found[word].hits]
        enough = any(self.found[word].sufficiency.sufficient for word in words)
        return evidence(question, *hits, sufficient=enough and self.whole)

    def why_not(self, *_: object, **__: object) -> WhyNot:
        raise AssertionError("nobody asked")

    whole = True


def found_for(question: str, *, whole: bool = True, **found: Evidence) -> tuple[Evidence, Sequence[str]]:
    library = Library(**found)
    library.whole = whole
    return PartwiseRetriever(library, by_rules).evidence(question, 8), library.asked


def test_the_half_that_is_not_in_the_articles_is_named() -> None:
    result, asked = found_for(
        "How long is the bridge, and what do eggs cost?",
        bridge=evidence("b", BRIDGE),
        eggs=evidence("e", MILL, sufficient=False),
    )
    assert result.missing == ("what do eggs cost",)
    assert result.sufficiency.sufficient
    assert result.question == "How long is the bridge, and what do eggs cost?"
    assert asked[1:] == ["How long is the bridge?", "what do eggs cost?"]


def test_nothing_is_missing_where_each_half_is_found() -> None:
    result, _ = found_for(
        "How long is the bridge, and what did the mill grind?", bridge=evidence("b", BRIDGE), mill=evidence("m", MILL)
    )
    assert result.missing == ()


def test_a_half_is_answered_where_the_whole_seems_to_have_no_answer() -> None:
    result, _ = found_for(
        "How long is the bridge, and what do eggs cost?",
        whole=False,
        bridge=evidence("b", BRIDGE),
        eggs=evidence("e", MILL, sufficient=False),
    )
    assert result.sufficiency.sufficient
    assert result.hits[0] == BRIDGE
    assert result.missing == ("what do eggs cost",)


def test_where_no_half_has_an_answer_the_whole_has_none_and_no_half_is_named() -> None:
    result, _ = found_for(
        "What is bridge, and what do eggs cost?",
        whole=False,
        bridge=evidence("b", BRIDGE, sufficient=False),
        eggs=evidence("e", MILL, sufficient=False),
    )
    assert not result.sufficiency.sufficient
    assert result.missing == ()


def test_both_halves_share_the_places() -> None:
    hits = [hit(f"The bridge is {n} metres long.", f"b{n}.md") for n in range(4)]
    result, _ = found_for(
        "How long is the bridge, and what did the mill grind?",
        whole=False,
        bridge=evidence("b", *hits),
        mill=evidence("m", MILL),
    )
    assert [found.source.source for found in result.hits] == ["b0.md", "mill.md", "b1.md", "b2.md", "b3.md"]


def test_a_question_for_one_thing_is_searched_once() -> None:
    _, asked = found_for("How long is the bridge?", bridge=evidence("b", BRIDGE))
    assert asked == ["How long is the bridge?"]


def test_the_second_half_is_searched_for_with_the_name_it_leaves_out() -> None:
    _, asked = found_for("Who runs Midjourney, and what is its bridge?", bridge=evidence("b", BRIDGE))
    assert asked[2] == "what is Midjourney's bridge?"
    assert by_rules("what is its bridge?", [Exchange("Who runs Midjourney?", "")]) == asked[2]


def test_versions_of_an_article_that_changed_between_the_searches_do_not_mix() -> None:
    newer = replace(BRIDGE, source=replace(BRIDGE.source, content_hash="sha256:11"))
    found = [
        evidence("whole", BRIDGE, sufficient=False),
        evidence("first", BRIDGE),
        evidence("second", newer, sufficient=False),
    ]

    class Changing:
        def evidence(self, question: str, top_k: int | None = None, scope: Scope = ALL_ARTICLES) -> Evidence:
            return replace(found.pop(0), question=question)

        def why_not(self, *_: object, **__: object) -> WhyNot:
            raise AssertionError("nobody asked")

    result = PartwiseRetriever(Changing(), by_rules).evidence("How long is the bridge, and what does it carry?")
    assert (result.hits, result.missing, result.sufficiency.sufficient) == ((BRIDGE,), (), False)
    assert found == []
