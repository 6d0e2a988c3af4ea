"""When the articles do not hold the answer, and what is said to be missing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.sufficiency import judge
from rag.text import question_terms
from rag.types import Hit, Sufficiency
from tests.evidence import hit

_BRIDGE = "The bridge at Ostvik is 412 metres long. It was opened by Anna Lund in 1931. Ferries run on Sundays."
_SPRING = "An object hung on a vertical spring scale feels the force of gravity. The force is balanced."
_TEXT = st.text(alphabet="abcdeABC 年月什么不 not'’.?\n0123", max_size=80)


def judged(question: str, *hits: Hit) -> Sufficiency:
    """Judge with terms that all weigh the same."""
    return judge(question, hits, dict.fromkeys(question_terms(question), 1.0))


def test_a_question_in_the_words_of_a_near_passage_can_be_answered() -> None:
    verdict = judged("How long is the bridge at Ostvik?", hit(_BRIDGE, similarity=0.7))
    assert verdict.sufficient
    assert verdict.reason == ""
    assert verdict.score > 0.6
    assert (verdict.coverage, verdict.similarity) == (1.0, 0.7)


def test_without_passages_there_is_no_answer() -> None:
    assert judged("How long is the bridge?") == Sufficiency(False, "The library holds no passage.", 0.0, 0.0, 0.0)


def test_a_question_about_something_else_names_the_words_that_are_missing_the_rarest_first() -> None:
    question = "How long should I boil an egg for a soft yolk?"
    weights = dict.fromkeys(question_terms(question), 1.0) | {"yolk": 3.0, "egg": 2.0}
    verdict = judge(question, [hit(_BRIDGE, similarity=0.1)], weights)
    assert not verdict.sufficient
    assert verdict.reason == 'The passages do not mention "yolk" or "egg".'


def test_a_name_that_stands_nowhere_is_said_to_be_missing_as_it_was_asked() -> None:
    verdict = judged("When did Nikola Tesla open it?", hit(_BRIDGE, similarity=0.3))
    assert verdict.reason == 'The passages do not mention "Nikola Tesla".'


def test_a_name_missing_from_all_passages_weighs_more_than_one_missing_from_the_nearest() -> None:
    question = "Who opened the Ostvik bridge for Norrland?"
    nearest, elsewhere = hit(_BRIDGE, similarity=0.5), hit("Norrland has ports.", "b.md", similarity=0.1)
    both, one = judged(question, nearest, elsewhere), judged(question, nearest)
    alone = judged("Who opened the Ostvik bridge for us?", nearest)
    assert one.score < both.score < alone.score


def test_the_newspaper_that_the_address_names_is_not_missing() -> None:
    question = "What did Sporting News say about the bridge at Ostvik?"
    plain = hit(_BRIDGE, similarity=0.3)
    known = replace(plain, source=replace(plain.source, url="https://www.sportingnews.com/bridge"))
    assert judged(question, known).score > judged(question, plain).score
    assert "Sporting" not in judged(question, known).reason


def test_another_spelling_of_a_word_is_not_called_missing() -> None:
    verdict = judged("What does the licence cost at noon?", hit("The license is old.", similarity=0.0))
    assert "licence" not in verdict.reason
    assert '"cost"' in verdict.reason


def test_the_opposite_of_what_is_asked_counts_where_it_stands_in_its_place() -> None:
    found = hit(_SPRING, similarity=0.55)
    same = judged("What force acts on an object on a vertical spring scale?", found)
    opposite = judged("What force acts on an object on a horizontal spring scale?", found)
    assert opposite.score < same.score - 0.3
    assert not opposite.sufficient


@pytest.mark.parametrize(
    ("text", "same", "opposite"),
    [
        ("It is possible to cross the bridge.", "Why is it possible to cross?", "Why is it impossible to cross?"),
        ("The builder was unknown to the town.", "Who was unknown to the town?", "Who was known to the town?"),
        ("The town refused to sign the contract.", "Who refused to sign it?", "Who agreed to sign it?"),
    ],
)
def test_a_word_and_the_same_with_a_denying_prefix_are_opposites(text: str, same: str, opposite: str) -> None:
    found = hit(text, similarity=0.5)
    assert judged(same, found).score > 0.4
    assert judged(opposite, found).score < judged(same, found).score - 0.25


def test_a_word_that_only_begins_like_a_denial_is_none() -> None:
    question = "What tax does the company of Ostvik pay?"
    stated = judged(question, hit("The income tax of Ostvik is low.", similarity=0.5))
    other = judged(question, hit("The harbour tax of Ostvik is low.", similarity=0.5))
    assert stated.score == pytest.approx(other.score, abs=0.05)


def test_the_opposite_is_named_where_no_word_is_missing() -> None:
    elsewhere = hit("A horizontal beam. Cats.", "b.md", similarity=0.0)
    verdict = judged("An object hung on a horizontal spring scale feels what?", hit(_SPRING, similarity=0.2), elsewhere)
    assert verdict.reason == 'The nearest passage speaks of "vertical", not of "horizontal".'


def test_an_opposite_that_stands_with_another_word_does_not_count() -> None:
    question = "How long is the old bridge at Ostvik?"
    beside = hit("The bridge at Ostvik is 412 metres long, with new lamps.", similarity=0.5)
    neither = hit("The bridge at Ostvik is 412 metres long, with tall lamps.", similarity=0.5)
    assert judged(question, beside).score == judged(question, neither).score


def test_what_is_not_so_must_be_denied_near_the_best_sentence() -> None:
    question = "Which ships do not pass the bridge?"
    states = judged(question, hit("Ships pass the bridge. It is long.", similarity=0.3))
    denies = judged(question, hit("Some ships cannot pass the bridge. It is long.", similarity=0.3))
    beside = judged(question, hit("Ships pass the bridge. Some cannot.", similarity=0.3))
    assert states.score < beside.score < denies.score
    assert not states.sufficient
    assert states.reason == "The question asks what is not so, and the nearest passage does not say that."


def test_one_denial_decides_less_of_a_long_question() -> None:
    found = hit(_BRIDGE, similarity=0.5)
    long = "bridge Ostvik metres opened Anna Lund 1931 ferries run Sundays " * 2 + "lamps ships ports roads trees cats"
    short = judged("bridge of Ostvik", found).score - judged("bridge not of Ostvik", found).score
    longer = judged(f"the {long}", found).score - judged(f"the not {long}", found).score
    assert 0 < longer < short


def test_a_contracted_not_is_no_word_to_look_for() -> None:
    verdict = judged("Why didn't ferries run?", hit("The bridge is long.", similarity=0.0))
    assert verdict.reason == 'The passages do not mention "ferries" or "run".'


@pytest.mark.parametrize(
    ("question", "with_it", "without"),
    [
        ("How many bolts are in it?", "It has 412 bolts.", "It has many bolts."),
        ("When was it painted?", "It was painted in 1931.", "It was painted twice."),
        ("Who painted it?", "It was painted by Anna.", "It was painted well."),
    ],
)
def test_the_kind_of_answer_asked_for_counts(question: str, with_it: str, without: str) -> None:
    assert judged(question, hit(with_it)).score > judged(question, hit(without)).score


def test_a_year_that_the_passage_does_not_give_counts_against_it() -> None:
    found = hit(_BRIDGE, similarity=0.5)
    assert judged("What opened in 1998?", found).score < judged("What opened in 1931?", found).score


def test_for_chinese_only_words_count() -> None:
    question = "这座桥有多长？"
    text = "这座桥全长412米。"
    near, far = hit(text, similarity=0.9), hit(text, similarity=0.1)
    assert judged(question, near).score == judged(question, far).score
    assert judged(question, far).sufficient
    assert not judged("红烧肉要炖多久才软烂？", hit(text, similarity=0.9)).sufficient


def test_german_nouns_are_not_taken_for_names() -> None:
    found = hit("Die Brücke in Ostvik ist 412 Meter lang und hat eine Fahrbahn.", similarity=0.5)
    assert judged("Welche Gesamtlänge hat die Brücke in Ostvik laut Bauakte?", found).sufficient


@given(_TEXT.filter(str.strip), st.lists(_TEXT.filter(str.strip), max_size=3), st.floats(-1, 1))
def test_there_is_a_reason_exactly_where_there_is_no_answer(question: str, texts: list[str], similarity: float) -> None:
    verdict = judged(question, *(hit(text, similarity=similarity) for text in texts))
    assert 0 <= verdict.score <= 1
    assert verdict.sufficient == (verdict.reason == "")


@given(_TEXT.filter(str.strip), _TEXT.filter(str.strip), st.floats(-1, 1), st.floats(-1, 1))
def test_nearer_passages_never_speak_against_an_answer(question: str, text: str, one: float, two: float) -> None:
    far, near = sorted((one, two))
    scores = [judged(question, hit(text, similarity=similarity)).score for similarity in (far, near)]
    assert scores[0] <= scores[1] + 1e-12
