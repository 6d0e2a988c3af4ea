"""The measures: rankings as trec_eval has them, answers by SQuAD's rules, ALCE's citations, abstaining, intervals."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.evaluation.metrics import (
    abstention_curve,
    abstention_scores,
    auroc,
    citation_scores,
    figure,
    holds,
    interval,
    ranking_scores,
    sentence_scores,
    to_find,
    token_f1,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ir_measures
    from ir_measures import AP, RR, R, Success, nDCG

DOCUMENTS = [f"d{number}" for number in range(40)]
TREC = {
    "ndcg@10": nDCG @ 10,
    "mrr@10": RR @ 10,
    "map@10": AP @ 10,
    "recall@5": R @ 5,
    "recall@10": R @ 10,
    "recall@20": R @ 20,
    "hit@1": Success @ 1,
    "hit@4": Success @ 4,
    "hit@10": Success @ 10,
}

# ---------------------------------------------------------------- rankings


@given(st.permutations(DOCUMENTS), st.integers(0, 40), st.sets(st.sampled_from([*DOCUMENTS, "lost"]), min_size=1))
def test_measures_of_rankings_are_those_of_trec_eval(order: list[str], count: int, relevant: set[str]) -> None:
    ranking = order[:count]
    scores = ranking_scores(ranking, dict.fromkeys(relevant, 1))
    qrels = [ir_measures.Qrel("q", document, 1) for document in relevant]
    run = [ir_measures.ScoredDoc("q", document, float(-rank)) for rank, document in enumerate(ranking)]
    run = run or [ir_measures.ScoredDoc("q", "nothing", 0.0)]
    expected = ir_measures.calc_aggregate(TREC.values(), qrels, run)
    for name, measure in TREC.items():
        assert scores[name] == pytest.approx(expected[measure]), name
    assert scores["all-relevant@10"] == float(scores["recall@10"] == 1.0)


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("text", "gold", "found"),
    [
        ("It was signed in the Treaty of Ostvik, 1871.", "treaty of ostvik", True),
        ("The price was $1,200.", "$1200", True),
        ("Normandy", "Norman", False),
        ("They have access to Anthropic’s models.", "Anthropic", True),
        ("a river", "The River", True),
        ("anything", "", False),
        ("本作由光荣和ω-force开发", "光荣 和 ω-force", True),
        ("本作由光荣开发", "光荣和ω-force", False),
    ],
)
def test_a_gold_string_is_found_as_whole_words_without_case_and_punctuation(text: str, gold: str, found: bool) -> None:
    assert holds(text, [gold]) is found


def test_only_short_strings_that_say_something_are_looked_for() -> None:
    groups = [["Yes"], ["the"], ["1871", "in 1871"], [" ".join(["word"] * 13), "short"]]
    assert to_find(groups) == (("1871", "in 1871"), ("short",))


def test_token_f1_is_that_of_squad() -> None:
    assert token_f1("The cat sat on a mat.", ["cat on mat"]) == pytest.approx(2 * (3 / 4) * 1 / (3 / 4 + 1))
    assert token_f1("dogs", ["cats", "dogs!"]) == 1.0
    assert token_f1("", ["cats"]) == 0.0
    assert token_f1("光荣公司", ["光荣"]) == pytest.approx(2 * 0.5 * 1 / 1.5)


def test_quotes_are_compared_with_the_sentences_that_carry_the_answer() -> None:
    evidence = [("a", "The bridge fell in 1871."), ("b", "It was rebuilt by Lund.")]
    quotes = [("a", "The bridge fell in 1871. Nobody was hurt."), ("b", "Tea is grown here."), ("c", evidence[1][1])]
    scores = sentence_scores(quotes, evidence, cited=True)
    assert scores == {"citation_sentence_recall": 0.5, "citation_sentence_precision": pytest.approx(1 / 3)}
    assert sentence_scores([], evidence, cited=False) == {"citation_sentence_recall": 0.0}


def test_citation_recall_and_precision_are_alces() -> None:
    def supported(sentence: int, citations: tuple[int, ...]) -> bool:
        needed = ({1, 2}, {3}, {9})[sentence]
        return needed <= set(citations)

    # The first needs both of its citations, the second one of two, the third has the wrong one, the last none.
    scores = citation_scores([[1, 2], [3, 4], [5], []], supported)
    assert scores == {"citation_recall": 0.5, "citation_precision": pytest.approx(3 / 5)}
    assert citation_scores([], supported) == {}
    assert citation_scores([[]], supported) == {"citation_recall": 0.0}


# ---------------------------------------------------------------- abstaining

SCORED = st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.booleans()), min_size=1, max_size=30)


@given(SCORED)
def test_auroc_is_the_chance_that_a_positive_scores_higher(rows: list[tuple[float, bool]]) -> None:
    scores, positive = np.array([score for score, _ in rows]), np.array([kind for _, kind in rows])
    pairs = [(one > other) + (one == other) / 2 for one in scores[positive] for other in scores[~positive]]
    value = auroc(scores, positive)
    assert value == pytest.approx(np.mean(pairs)) if pairs else math.isnan(value)


def test_refusals_are_scored_as_a_classifier() -> None:
    refused = np.array([True, True, True, False, False, False])
    unanswerable = np.array([True, True, False, True, False, False])
    scores = abstention_scores(refused, unanswerable)
    assert scores["abstention_precision"] == pytest.approx(2 / 3)
    assert scores["abstention_recall"] == pytest.approx(2 / 3)
    assert scores["abstention_f1"] == pytest.approx(2 / 3)
    assert scores["false_abstention"] == pytest.approx(1 / 3)
    nobody = abstention_scores(refused, np.zeros(6, dtype=bool))
    assert math.isnan(nobody["abstention_recall"])
    assert nobody["false_abstention"] == 0.5


@given(SCORED)
def test_a_higher_threshold_refuses_no_less(rows: list[tuple[float, bool]]) -> None:
    curve = abstention_curve(np.array([score for score, _ in rows]), np.array([kind for _, kind in rows]))
    kinds = {kind for _, kind in rows}
    assert bool(curve) == (kinds == {True, False})
    for lower, higher in itertools.pairwise(curve):
        assert lower["threshold"] < higher["threshold"]
        assert lower["recall"] <= higher["recall"]
        assert lower["false_abstention"] <= higher["false_abstention"]


# ---------------------------------------------------------------- intervals


def test_an_interval_narrows_with_more_questions_and_comes_out_the_same_again() -> None:
    random = np.random.default_rng(1)
    few, many = random.random(50), random.random(5000)
    narrow, wide = figure(list(many)), figure(list(few))
    assert narrow["low"] <= narrow["value"] <= narrow["high"]
    assert 3 < (wide["high"] - wide["low"]) / (narrow["high"] - narrow["low"]) < 30
    assert figure(list(few)) == wide
    assert wide["n"] == 50


def test_a_statistic_that_some_resamples_do_not_have_is_taken_from_the_others() -> None:
    rows = np.array([[0.1, 1.0], [0.9, 0.0]])
    measured = interval(rows, lambda picked: auroc(-picked[:, 0], picked[:, 1].astype(bool)))
    assert (measured["value"], measured["low"], measured["high"]) == (1.0, 1.0, 1.0)
