"""Two reports side by side: paired differences, how sure they are, and which questions changed."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import InputError
from rag.evaluation.compare import compare, comparison_text, load_report
from rag.evaluation.report import write_report
from tests.reports import HOSTILE, report


def results(*scores: float | None, **common: Any) -> list[dict[str, Any]]:
    """Return a result a score, None where the question has none."""
    bare = {"type": "t", "status": "grounded", "answerable": None, "sufficiency": None, "error": None, "failure": None}
    return [
        {**bare, "id": f"q{n}", "text": f"question {n}", "scores": {} if score is None else {"mrr@10": score}, **common}
        for n, score in enumerate(scores)
    ]


def whole(of: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    return {"dataset": "d", "metrics": {}, "config": {}, "results": of, **changes}


# ---------------------------------------------------------------- what cannot be compared


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"results": []}', '{"results": [1], "metrics": {}}', "[" * 50_000]
)
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(InputError, match=r"report\.json is not"):
        load_report(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing here"):
        load_report(tmp_path / "nothing here")


def test_what_was_written_can_be_read_by_file_and_by_folder(tmp_path: Path) -> None:
    write_report(report(20), tmp_path, [])
    assert load_report(tmp_path) == load_report(tmp_path / "report.json") == report(20)


def test_reports_that_share_no_question_are_refused() -> None:
    other = results(1.0, 1.0)
    for item in other:
        item["text"] += " of another data set"  # the same ids, as data sets number alike
    with pytest.raises(InputError, match="share no question"):
        compare(whole(results(1.0, 0.0)), whole(other))


def test_data_that_are_no_report_are_refused() -> None:
    with pytest.raises(InputError, match="second is not a report"):
        compare(whole(results(1.0)), {"results": [{"id": "q0"}], "metrics": {}})


# ---------------------------------------------------------------- differences


def test_a_report_compared_with_itself_shows_no_change() -> None:
    same = compare(report(60), report(60), resamples=200)
    assert same["metrics"]
    assert all(
        (row["difference"], row["low"], row["high"], row["differs"]) == (0, 0, 0, False)
        for row in same["metrics"].values()
    )
    assert same["changed"] == []
    assert same["config"] == {}
    assert all(row["ratio"] == 1 for row in same["latency_ms"].values())


def test_differences_are_paired_over_the_questions_both_have() -> None:
    first = whole(results(0.2, 0.4, None, 0.9, 0.5))
    second = whole(results(0.4, 0.6, 1.0, None))
    found = compare(first, second)
    row = found["metrics"]["mrr@10"]
    assert (row["first"], row["second"], row["n"]) == (pytest.approx(0.3), pytest.approx(0.5), 2)
    assert row["low"] == pytest.approx(0.2) == row["high"]  # each question gained the same, so no resample differs
    assert row["differs"]
    assert (found["questions"], found["only_first"], found["only_second"]) == (4, 1, 0)


def test_the_interval_is_that_of_the_paired_bootstrap() -> None:
    random = np.random.default_rng(3)
    before = random.random(400)
    change = random.normal(0.02, 0.1, 400)
    row = compare(whole(results(*before)), whole(results(*(before + change))), resamples=4000)["metrics"]["mrr@10"]
    error = change.std() / 20
    assert row["difference"] == pytest.approx(change.mean())
    assert row["low"] == pytest.approx(change.mean() - 1.96 * error, abs=0.15 * error)
    assert row["high"] == pytest.approx(change.mean() + 1.96 * error, abs=0.15 * error)


def test_equal_seeds_give_equal_intervals() -> None:
    pair = report(60, skill=0.3), report(60)
    assert compare(*pair, resamples=300, seed=4) == compare(*pair, resamples=300, seed=4)


def test_many_questions_are_drawn_in_parts_with_the_same_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = report(60, skill=0.3), report(60)
    at_once = compare(*pair, resamples=300)["metrics"]["ndcg@10"]
    monkeypatch.setattr("rag.evaluation.compare._BLOCK", 90)
    assert compare(*pair, resamples=300)["metrics"]["ndcg@10"] == at_once


def test_refusals_are_counted_anew_over_the_shared_questions() -> None:
    def judged(*refusals: bool) -> list[dict[str, Any]]:
        rows = results(*[None] * len(refusals))
        for n, (row, refused) in enumerate(zip(rows, refusals, strict=True)):
            row |= {"answerable": n >= 2, "status": "not_found" if refused else "grounded", "sufficiency": n / 4}
        return rows

    found = compare(whole(judged(True, False, True, False)), whole(judged(True, True, False, False)), resamples=200)[
        "metrics"
    ]
    assert (found["abstention_precision"]["first"], found["abstention_precision"]["second"]) == (0.5, 1.0)
    assert (found["abstention_recall"]["first"], found["abstention_recall"]["second"]) == (0.5, 1.0)
    assert (found["false_abstention"]["first"], found["false_abstention"]["second"]) == (0.5, 0.0)
    assert found["abstention_auroc"]["first"] == found["abstention_auroc"]["second"] == 1.0
    assert found["abstention_f1"]["n"] == 4


def test_questions_that_failed_to_be_asked_do_not_count_as_refused() -> None:
    known = {"answerable": False, "status": "not_found", "sufficiency": 0.2}
    first, second = results(None, None, **known), results(None, None, **known)
    second[1] |= {"status": "incomplete", "error": "no model answered"}
    assert compare(whole(first), whole(second), resamples=50)["metrics"]["abstention_recall"]["n"] == 1


def test_without_an_answer_a_refusal_is_known_by_its_sufficiency_or_not_at_all() -> None:
    known = results(None, None, status=None, answerable=True, sufficiency=0.1)
    assert compare(whole(known), whole(known), resamples=10)["metrics"] == {}
    told = results(None, None, status=None, answerable=True, sufficiency=0.1, sufficient=False)
    assert compare(whole(told), whole(told), resamples=10)["metrics"]["false_abstention"]["first"] == 1.0


# ---------------------------------------------------------------- latency, settings, questions


def test_latency_is_the_ratio_of_medians() -> None:
    first, second = results(None, None, None), results(None, None, None)
    for one, other, took in zip(first, second, (10.0, 20.0, 900.0), strict=True):
        one["latency_ms"], other["latency_ms"] = {"total": took, "answer": 1.0}, {"total": 1.5 * took}
    assert compare(whole(first), whole(second))["latency_ms"] == {
        "total": {"first": 20.0, "second": 30.0, "ratio": 1.5, "n": 3}
    }


def test_settings_that_differ_are_listed() -> None:
    first = whole(results(1.0), config={"model": "quotes", "retrieval": {"top_k": 8, "candidates": 100}})
    second = whole(
        results(1.0), config={"model": "quotes", "retrieval": {"top_k": 10, "candidates": 100}, "judge": "rules"}
    )
    assert compare(first, second)["config"] == {"retrieval.top_k": [8, 10], "judge": [None, "rules"]}


def test_questions_that_changed_come_with_the_biggest_change_first() -> None:
    first, second = results(0.5, 0.5, 0.5, 0.5, None), results(0.5, 0.6, 0.1, 0.4, None)
    second[3] |= {"failure": "document not found"}
    second[4] |= {"status": "not_found"}
    changed = compare(whole(first), whole(second))["changed"]
    assert [item["id"] for item in changed] == ["q3", "q4", "q2", "q1"]
    assert changed[0]["failure"] == [None, "document not found"]
    assert changed[1]["status"] == ["grounded", "not_found"]
    assert changed[2]["scores"] == {"mrr@10": [0.5, 0.1]}


def test_failures_are_counted_in_both() -> None:
    first, second = results(0.5, 0.5), results(0.5, 0.5)
    first[0]["failure"] = first[1]["failure"] = "document not found"
    second[1]["failure"] = "error"
    assert compare(whole(first), whole(second))["failures"] == {"error": [0, 1], "document not found": [2, 0]}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_swapping_the_reports_turns_every_difference_round(scores: list[tuple[float, float]]) -> None:
    first, second = (whole(results(*(pair[side] for pair in scores))) for side in (0, 1))
    there, back = (compare(*pair, resamples=50)["metrics"]["mrr@10"] for pair in ((first, second), (second, first)))
    assert there["difference"] == pytest.approx(-back["difference"], abs=1e-12)
    assert (there["low"], there["high"]) == (
        pytest.approx(-back["high"], abs=1e-9),
        pytest.approx(-back["low"], abs=1e-9),
    )
    assert there["low"] <= there["high"]


# ---------------------------------------------------------------- text


def test_the_text_says_what_changed_and_fits_a_terminal() -> None:
    first, second = report(120, skill=0.3), report(130, skill=0.9)
    second["config"]["retrieval"]["top_k"] = 10
    text = comparison_text(compare(first, second, resamples=200))
    assert max(map(len, text.split("\n"))) <= 92
    assert "120 questions in both; 0 only in the first, 10 only in the second" in text
    assert re.search(r"^gold_in_answer +0\.\d+ +0\.\d+ +\+0\.\d+ +\+0\.\d+ to \+0\.\d+ \* +80$", text, re.MULTILINE)
    assert "Settings: retrieval.top_k 8 → 10" in text
    assert "questions changed, the most:" in text


def test_the_text_of_equal_reports_is_short() -> None:
    text = comparison_text(compare(whole(results(0.5)), whole(results(0.5))))
    assert "*" not in text
    assert "changed" not in text


def test_the_text_cannot_steer_the_terminal() -> None:
    first = whole(results(0.0, text=HOSTILE), dataset=HOSTILE, config={HOSTILE: HOSTILE})
    second = copy.deepcopy(whole(results(1.0, text=HOSTILE, failure=HOSTILE), dataset=HOSTILE))
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e\ud800]", comparison_text(compare(first, second)))


def test_a_comparison_is_plain_json() -> None:
    found = compare(report(30, skill=0.3), report(30), resamples=20)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
