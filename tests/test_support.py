"""How sure the rules are: a probability that moves the right way with each thing that was measured."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.support import PARTIAL, SUPPORTED, Measured, coverage, opposed, support

SHARES = st.floats(0, 1)
COUNTS = st.integers(0, 5)
BRIDGE = ("The bridge at Ostvik is 412 metres long.", "It was opened in March.", "Ida Berg drew it for the town.")


MEASURED = st.builds(Measured, SHARES, st.floats(-1, 1), COUNTS, COUNTS, COUNTS, COUNTS)


@given(MEASURED)
def test_support_is_a_probability(measured: Measured) -> None:
    assert 0 < support(measured) < 1


@given(MEASURED, SHARES)
def test_more_words_in_common_and_a_nearer_meaning_never_lower_it(measured: Measured, more: float) -> None:
    least = support(measured) - 1e-12
    assert support(measured._replace(coverage=min(1.0, measured.coverage + more))) >= least
    assert support(measured._replace(similarity=min(1.0, measured.similarity + more))) >= least


@given(MEASURED, st.sampled_from(["contradicted", "missing", "unknown", "opposed"]))
def test_each_finding_lowers_it_or_leaves_it(measured: Measured, kind: str) -> None:
    none, one = measured._replace(**{kind: 0}), measured._replace(**{kind: 1})
    assert support(one) < support(none)
    assert support(measured._replace(**{kind: 10**9})) <= support(measured) <= support(none)


def test_the_same_words_are_surely_supported_and_a_contradiction_is_not() -> None:
    assert support(Measured(1.0, 1.0)) > 0.8
    assert support(Measured(1.0, 1.0, contradicted=1)) < SUPPORTED
    assert support(Measured(0.7, 0.8, missing=1)) < support(Measured(0.7, 0.8, unknown=1))


@pytest.mark.parametrize("similarity", [0.0, 0.5, 1.0])
def test_a_sentence_without_a_word_in_common_says_something_else_whatever_its_vector(similarity: float) -> None:
    assert support(Measured(0.0, similarity)) < PARTIAL < SUPPORTED


# ---------------------------------------------------------------- opposites


@pytest.mark.parametrize(
    ("sentence", "text", "count"),
    [
        ("They saw an old image.", "A new image was seen.", 1),
        ("They saw an old image.", "A new image stood beside an old one.", 0),
        ("The small boat won.", "The large boat lost.", 2),
        ("The boat sailed.", "A new image was seen.", 0),
        ("", "new", 0),
    ],
)
def test_a_word_counts_where_the_source_has_its_opposite_only(sentence: str, text: str, count: int) -> None:
    assert opposed(sentence, text) == count


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
