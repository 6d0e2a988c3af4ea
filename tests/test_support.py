"""How sure the rules are: a probability that moves the right way with each thing that was measured."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.support import PARTIAL, SUPPORTED, coverage, support

SHARES = st.floats(0, 1)
COUNTS = st.integers(0, 5)
BRIDGE = ("The bridge at Ostvik is 412 metres long.", "It was opened in March.", "Ida Berg drew it for the town.")


@given(SHARES, st.floats(-1, 1), COUNTS, COUNTS, COUNTS)
def test_support_is_a_probability(shared: float, similarity: float, against: int, missing: int, unknown: int) -> None:
    assert 0 < support(shared, similarity, against, missing, unknown) < 1


@given(SHARES, SHARES, SHARES, COUNTS, COUNTS, COUNTS)
def test_more_words_in_common_and_a_nearer_meaning_never_lower_it(
    shared: float, similarity: float, more: float, against: int, missing: int, unknown: int
) -> None:
    counts = against, missing, unknown
    least = support(shared, similarity, *counts)
    assert support(min(1.0, shared + more), similarity, *counts) >= least - 1e-12
    assert support(shared, min(1.0, similarity + more), *counts) >= least - 1e-12


@given(SHARES, SHARES, COUNTS, COUNTS, COUNTS)
def test_each_finding_lowers_it_or_leaves_it(
    shared: float, similarity: float, against: int, missing: int, unknown: int
) -> None:
    most = support(shared, similarity, against, missing, unknown)
    assert support(shared, similarity, against + 1, missing, unknown) <= most
    assert support(shared, similarity, against, missing + 1, unknown) <= most
    assert support(shared, similarity, against, missing, unknown + 1) <= most
    assert support(shared, similarity, 0, 0, 0) >= most


def test_the_same_words_are_surely_supported_and_a_contradiction_is_not() -> None:
    assert support(1.0, 1.0, 0, 0, 0) > 0.8
    assert support(1.0, 1.0, 1, 0, 0) < SUPPORTED
    assert support(0.7, 0.8, 0, 1, 0) < support(0.7, 0.8, 0, 0, 1)


@pytest.mark.parametrize("similarity", [0.0, 0.5, 1.0])
def test_a_sentence_without_a_word_in_common_says_something_else_whatever_its_vector(similarity: float) -> None:
    assert support(0.0, similarity, 0, 0, 0) < PARTIAL < SUPPORTED


def test_no_number_of_findings_overflows() -> None:
    assert math.isfinite(support(0.0, -1.0, 10**9, 10**9, 10**9))


# ---------------------------------------------------------------- words in common


@pytest.mark.parametrize(
    ("sentence", "share"),
    [
        ("The bridge at Ostvik is 412 metres long.", 1.0),
        ("Opened in March, the bridge at Ostvik is 412 metres.", 1.0),  # in two sentences side by side
        ("Ostvik's bridge crosses ice.", 0.5),
        ("Ostvik, Berg", 1.0),  # a sentence with its two neighbours
        ("Bees sleep.", 0.0),
        ("Berg opened it.", 1.0),
    ],
)
def test_the_share_of_its_words_that_stand_together_is_counted(sentence: str, share: float) -> None:
    assert coverage(sentence, [BRIDGE]) == pytest.approx(share)


def test_words_that_stand_far_apart_or_in_two_passages_do_not_add_up() -> None:
    apart = ("The bridge is old.", "Bees sleep.", "Tea grows.", "It cost 412 crowns.")
    assert coverage("bridge crowns", [apart]) == 0.5
    assert coverage("bridge crowns", [apart[:2], apart[2:]]) == 0.5


def test_chinese_counts_by_pairs_of_characters() -> None:
    assert coverage("该桥建成", [("该桥建成时有人参加。",)]) == 1.0
    assert coverage("蜜蜂冬眠", [("该桥建成时有人参加。",)]) == 0.0


@given(st.text(max_size=60), st.lists(st.lists(st.text(max_size=40), max_size=4), max_size=3))
def test_any_text_has_a_share(sentence: str, passages: list[list[str]]) -> None:
    assert 0 <= coverage(sentence, passages) <= 1


@given(st.text(max_size=60), st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_another_passage_never_lowers_it(sentence: str, passage: list[str]) -> None:
    assert coverage(sentence, [passage, [sentence]]) >= coverage(sentence, [passage])
