"""Where articles disagree: what counts as saying otherwise, and what is only said of something else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.disagreement import Said, answers_otherwise, disagreements, says_otherwise
from rag.quotes import quote
from rag.types import Citation, Hit, Span
from tests.evidence import evidence, hit

COST = "The pilot of the harbour office cost 1.2 million euros."
MORE = "The pilot of the harbour office cost 1.5 million euros."


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (COST, MORE),
        ("The bridge was opened in 1931.", "The bridge was opened in 1932."),
        ("Samsung banned chatbots in May 2023.", "Samsung banned the use of chatbots by staff in April 2023."),
        ("Revenue rose 12 % in 2024.", "Revenue rose 14 % in 2024."),
        ("Lantern has 7 billion parameters.", "Lantern has 70 billion parameters and 32 layers."),
        ("Holz founded Midjourney in 2021.", "Midjourney was founded by Holz in 2022."),
        ("The court rejected the appeal.", "The court accepted the appeal."),
        ("Meta agreed to license the technology.", "Meta did not agree to license the technology."),
    ],
)
def test_another_figure_date_or_outcome_of_the_same_is_a_disagreement(one: str, other: str) -> None:
    assert says_otherwise(one, other)
    assert says_otherwise(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (COST, COST),
        (COST, "The pilot of the harbour office cost 1,200,000 euros."),
        ("The bridge was opened on 3 May 1931.", "The bridge was opened in 1931."),
        ("Revenue rose 12 % in 2024.", "Revenue rose 14 % in 2023."),
        ("Revenue rose 12 % in 2024.", "Costs rose 14 % in 2024."),
        ("The mill ground 40 sacks of anna flour.", "The mill ground 50 sacks of bert flour."),
        ("The company employs 1,200 people.", "The company employs 1,200 people in Oslo and 300 in Bergen."),
        ("The bridge at Ostvik is 412 metres long.", "The bridge at Lund is 97 metres long."),
        ("It cost 3.5 million.", "It cost 2 million."),
        ("It rained.", "The bridge is 412 metres long."),
    ],
)
def test_what_is_said_of_something_else_or_less_exactly_is_none(one: str, other: str) -> None:
    assert not says_otherwise(one, other)
    assert not says_otherwise(other, one)


BEGAN = Said("The pilot began on 3 March 2025 and ended on 23 May.", "Brackenfjord ends its pilot. Dates.")
TRIAL = Said("Its trial of four models, which began on 10 March 2025 and cost 1.4 million, was long.", "Brackenfjord.")


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        ("When did the Brackenfjord pilot begin?", BEGAN, TRIAL),
        ("What did Brackenfjord's pilot cost?", Said("It cost 1.2 million.", "Brackenfjord."), TRIAL),
        (
            "How many people work at Lindqvist?",
            Said("The firm has 64 people.", "Lindqvist."),
            Said("Its 70 people moved to Oslo.", "At Lindqvist"),
        ),
    ],
)
def test_two_answers_to_one_question_in_other_words_are_at_odds(question: str, one: Said, other: Said) -> None:
    assert answers_otherwise(question, one, other)
    assert answers_otherwise(question, other, one)


@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        ("When did the Aldermere pilot begin?", BEGAN, TRIAL),  # neither speaks of Aldermere
        ("When did the pilot begin?", BEGAN, TRIAL),  # whose?
        ("Who began the Brackenfjord pilot?", BEGAN, TRIAL),
        ("When did the Brackenfjord pilot end?", BEGAN, TRIAL),
        (
            "What did Brackenfjord's pilot cost?",
            Said("In 2024 it cost 1.2 million.", "Brackenfjord."),
            Said("In 2023 it cost 1.4 million.", "Brackenfjord."),
        ),
        (
            "What did Brackenfjord's pilot cost?",
            Said("It cost 1.2 million.", "Brackenfjord."),
            Said("It cost more than 1 million.", "Brackenfjord."),
        ),
        (
            "Which Llama did Meta release?",
            Said("Meta released Llama 2.", "Meta and its Llama."),
            Said("Meta released Llama 4.", "Meta and its Llama."),
        ),
    ],
)
def test_figures_for_something_else_are_not_at_odds(question: str, one: Said, other: Said) -> None:
    assert not answers_otherwise(question, one, other)
    assert not answers_otherwise(question, other, one)


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_order_of_two_sentences_does_not_matter_and_no_text_is_at_odds_with_itself(one: str, other: str) -> None:
    assert says_otherwise(one, other) == says_otherwise(other, one)
    assert not says_otherwise(one, one)


def cited(found: Hit, n: int = 1) -> Citation:
    span = found.passage.sentences[0]
    return Citation(n, n, found.source, span.start, span.end, found.passage.quote(span))


def test_the_statement_of_another_article_is_found_word_for_word_with_its_date() -> None:
    one, two = hit(COST, "a.md", published="2025-01-02"), hit(f"It was dear. {MORE}", "b.md", published="2025-03-04")
    found = evidence("What did the pilot of the harbour office cost?", one, two)
    ((first, other),) = disagreements([cited(one)], found)
    assert (first.n, first.quote) == (1, COST)
    assert (other.n, other.evidence_n, other.quote, other.source.published) == (0, 2, MORE, "2025-03-04")
    assert Span(other.start, other.end) in two.passage.sentences


def test_a_statement_that_is_cited_too_keeps_its_number_and_a_pair_counts_once() -> None:
    one, two = hit(COST, "a.md"), hit(MORE, "b.md")
    found = evidence("What did the pilot of the harbour office cost?", one, two)
    ((_, other),) = disagreements([cited(one), replace(cited(two, 2), evidence_n=2)], found)
    assert other.n == 2


def test_one_article_that_speaks_of_two_figures_does_not_disagree_with_itself() -> None:
    both = hit(f"{COST} {MORE}", "a.md")
    assert disagreements([cited(both)], evidence("What did it cost?", both)) == ()


def test_quotes_give_both_statements_though_one_would_have_been_enough() -> None:
    one, two = hit(COST, "a.md", similarity=0.9), hit(MORE, "b.md", score=0.7, similarity=0.6)
    found = evidence("What did the pilot of the harbour office cost?", one, two)
    assert quote(found, 1).text == f"{COST}\n\n{MORE}"
