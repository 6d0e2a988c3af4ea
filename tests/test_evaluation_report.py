"""What an evaluation leaves behind: a page, JUnit XML, JSON, and text, all of them safe with any text in them."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.errors import InputError
from rag.evaluation import plots
from rag.evaluation.markup import junit, page
from rag.evaluation.reading import KINDS, METRICS, flat, headline
from rag.evaluation.report import report_text, write_report
from tests.reports import HOSTILE, report

HELD = {"metric": "ndcg@10", "least": 0.5, "value": 0.72, "passed": True}
MISSED = {"metric": "gold_in_answer", "least": 0.99, "value": 0.74, "passed": False}
ABSENT = {"metric": "citation_precision", "least": 0.5, "value": None, "passed": False}


def soup(whole: dict[str, Any]) -> BeautifulSoup:
    return BeautifulSoup(page(whole), "html.parser")


def failing(kind: str, count: int, **changes: Any) -> list[dict[str, Any]]:
    """Return results that failed, the sufficiency of the nth being n / count."""
    some = report(count)["results"]
    return [{**item, "sufficiency": n / count, "failure": kind, **changes} for n, item in enumerate(some)]


def with_results(results: list[dict[str, Any]]) -> dict[str, Any]:
    return {**report(10), "results": results}


def hostile(value: Any) -> Any:
    """Return data with every text of it made hostile; numbers and keys stay."""
    if isinstance(value, dict):
        return {key: hostile(item) for key, item in value.items()}
    if isinstance(value, list):
        return [hostile(item) for item in value]
    return f"{value} {HOSTILE}" if isinstance(value, str) else value


def all_hostile() -> dict[str, Any]:
    whole = hostile(report(30))
    whole["by_type"] = {HOSTILE: next(iter(whole["by_type"].values()))}
    whole["metrics"][HOSTILE] = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 3}
    whole["config"][HOSTILE] = HOSTILE
    whole["results"][0] |= {"error": HOSTILE, "failure": "error"}
    whole["thresholds"] = [{**MISSED, "metric": HOSTILE}]
    return whole


# ---------------------------------------------------------------- files


def test_three_files_are_written_and_nothing_else(tmp_path: Path) -> None:
    whole = report(30)
    write_report(whole, tmp_path / "new" / "out", [HELD, MISSED])
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == [
        "junit.xml",
        "report.html",
        "report.json",
    ]
    written = json.loads((tmp_path / "new" / "out" / "report.json").read_text(encoding="utf-8"))
    assert written == {**whole, "thresholds": [HELD, MISSED]}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"file cannot be written.*--out"):
        write_report(report(5), tmp_path / "file", [])


def test_nothing_half_written_is_left_where_a_name_is_taken(tmp_path: Path) -> None:
    (tmp_path / "report.html" / "in the way").mkdir(parents=True)
    with pytest.raises(InputError):
        write_report(report(5), tmp_path, [])
    assert not list(tmp_path.glob(".*"))


def test_numbers_that_json_has_no_word_for_are_null_and_left_out(tmp_path: Path) -> None:
    whole = report(20)
    whole["metrics"]["mrr@10"]["value"] = math.nan
    whole["results"][0]["sufficiency"] = math.inf
    write_report(whole, tmp_path, [])
    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert written["metrics"]["mrr@10"]["value"] is None
    read = BeautifulSoup((tmp_path / "report.html").read_text(encoding="utf-8"), "html.parser")
    assert "MRR@10" not in read.find(id="metrics").text


def test_hostile_text_stays_text_in_all_three(tmp_path: Path) -> None:
    write_report(all_hostile(), tmp_path, [{**MISSED, "metric": HOSTILE}])
    read = BeautifulSoup((tmp_path / "report.html").read_bytes().decode("utf-8"), "html.parser")
    assert not read.find_all(["script", "img", "iframe", "object"])
    assert not [tag for tag in read.find_all(True) for name in tag.attrs if name.startswith("on")]
    assert "<script>alert(1)</script>" in read.get_text()
    assert not re.search("[\x00-\x08\x0b-\x1f\ufffe\u202e]", read.get_text())
    assert ElementTree.parse(tmp_path / "junit.xml").getroot().tag == "testsuites"
    assert json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["questions"] == 30


# ---------------------------------------------------------------- the page


def test_the_page_loads_nothing() -> None:
    read = soup(report(30))
    assert not read.find_all(["script", "link", "img", "iframe"])
    assert all(link["href"].startswith("#") for link in read.find_all("a"))
    assert "default-src 'none'" in read.find("meta", {"http-equiv": "Content-Security-Policy"})["content"]
    assert "url(" not in read.find("style").get_text()


def test_every_link_of_the_page_leads_somewhere() -> None:
    for whole in (report(30), report(30, answering=False), with_results([])):
        read = soup(whole)
        ids = [tag["id"] for tag in read.find_all(id=True)]
        assert len(ids) == len(set(ids))
        assert {link["href"][1:] for link in read.find_all("a")} <= set(ids)
        assert {
            name for tag in read.find_all(attrs={"aria-labelledby": True}) for name in tag["aria-labelledby"].split()
        } <= set(ids)


def test_tables_and_plots_can_be_read_aloud() -> None:
    read = soup(report(60))
    assert read.find("html")["lang"] == "en"
    assert read.find_all("table")
    assert all(table.find("caption").get_text(strip=True) for table in read.find_all("table"))
    assert all(cell.get("scope") in ("col", "row", "rowgroup") for cell in read.find_all("th"))
    drawn = [svg for svg in read.find_all("svg") if svg.get("aria-hidden") != "true"]
    assert len(drawn) == 3
    assert all(svg["role"] == "img" and svg.find("title").text and svg.find("desc").text for svg in drawn)


def test_a_figure_stands_with_its_interval_and_a_missing_one_not_at_all() -> None:
    whole = report(60)
    row = whole["metrics"]["ndcg@10"]
    text = soup(whole).get_text(" ", strip=True)
    assert f"{row['value']:.3f}" in text
    assert f"{row['low']:.3f} – {row['high']:.3f}" in text
    assert "nDCG@10" in text
    assert "All relevant@10" not in text
    assert METRICS["all-relevant@10"][2] not in text


def test_a_metric_without_an_interval_or_a_known_name_is_shown() -> None:
    whole = report(10)
    whole["metrics"]["words_a_second"] = {"value": 0.25, "low": None, "high": None, "n": 10}
    assert "words_a_second 0.250 10" in soup(whole).find(id="metrics").get_text(" ", strip=True)


def test_what_was_not_measured_has_no_section() -> None:
    whole = report(20, answering=False)
    whole |= {"by_type": {}, "by_language": {}, "abstention_curve": [], "latency_ms": {}, "tokens": None, "config": {}}
    whole["results"] = [{**item, "sufficiency": None, "relevant": []} for item in whole["results"]]
    ids = {section["id"] for section in soup(whole).find_all("section")}
    assert ids == {"glance", "metrics", "failures"}


def test_a_report_without_metrics_is_still_a_page() -> None:
    whole = {**with_results([]), "metrics": {}, "abstention_curve": [], "by_type": {}, "by_language": {}}
    assert "None of 0 questions failed" in soup(whole).get_text(" ", strip=True)


def test_ranks_are_counted_where_the_first_relevant_document_stood() -> None:
    ranking = [f"d{n}" for n in range(1, 21)]
    relevant = [["d1"], ["d9", "d2"], ["d4"], ["d10"], ["d11"], ["elsewhere"], []]
    some = report(len(relevant))["results"]
    results = [{**item, "ranking": ranking, "relevant": names} for item, names in zip(some, relevant, strict=True)]
    described = soup(with_results(results)).find(id="ranks-desc").text
    assert described == "Of 6 questions: 1: 1, 2: 1, 3: 0, 4–10: 2, 11–20: 1, not found: 1."


def test_the_operating_point_is_marked_on_the_curve() -> None:
    whole = report(60)
    run = whole["metrics"]["false_abstention"]["value"], whole["metrics"]["abstention_recall"]["value"]
    assert f"As run: {run[0]:.2f} and {run[1]:.2f}" in soup(whole).find(id="curve-desc").text
    del whole["metrics"]["false_abstention"]
    assert "As run" not in soup(whole).find(id="curve-desc").text


def test_thresholds_say_which_was_missed() -> None:
    checks = soup({**report(10), "thresholds": [HELD, MISSED, ABSENT]}).find(class_="checks").get_text(" ", strip=True)
    assert "✓ held nDCG@10 at least 0.5: 0.720" in checks
    assert "✗ missed Gold in the answer at least 0.99: 0.740" in checks
    assert "Citation precision at least 0.5: not measured" in checks


def test_nested_settings_are_shown_flat() -> None:
    assert flat({"a": 1, "b": {"c": 2, "d": {"e": None}}}) == {"a": 1, "b.c": 2, "b.d.e": None}
    assert "retrieval.top_k 8" in soup(report(10)).find(id="configuration").get_text(" ", strip=True)


def test_the_headline_takes_the_figures_that_are_there() -> None:
    def entry(value: float | None) -> dict[str, Any]:
        return {"value": value, "low": None, "high": None, "n": 1}

    assert headline({"recall@10": entry(0.4), "ndcg@10": entry(0.5), "hit@1": entry(None)}) == ["ndcg@10", "recall@10"]


# ---------------------------------------------------------------- failures


def test_kinds_of_failure_come_most_instructive_first_with_their_counts() -> None:
    results = [item for n, kind in enumerate(reversed(KINDS), start=1) for item in failing(kind, n)]
    results += failing("a kind of tomorrow", 1)
    listed = [
        tuple(item.get_text(" ", strip=True).split(" ", 1)) for item in soup(with_results(results)).select(".kinds li")
    ]
    assert listed == [(str(len(KINDS) - n), kind) for n, kind in enumerate(KINDS)] + [("1", "a kind of tomorrow")]


def test_the_surest_mistakes_are_shown_and_the_others_counted() -> None:
    read = soup(with_results(failing("answered an unanswerable question", 45)))
    shown = [re.search(r"sufficiency ([\d.]+)", item.text)[1] for item in read.select(".failure summary")]  # type: ignore[index]
    assert shown == [f"{n / 45:.2f}" for n in range(44, 24, -1)]
    assert "45 questions; the first 20 are shown, 25 are left out" in read.get_text(" ", strip=True)


def test_refusals_come_by_how_high_the_document_stood_and_missing_ones_last() -> None:
    places = [7, None, 0, 3]
    results = failing("refused, though the document was found", len(places), relevant=["gold"])
    for result, place in zip(results, places, strict=True):
        result["ranking"] = ["gold" if n == place else f"d{n}" for n in range(20)]
    read = soup(with_results(results))
    ranks = [(re.findall(r"at rank (\d+)", item.text) or [None])[0] for item in read.select(".failure summary")]
    assert ranks == ["1", "4", "8", None]


def test_a_failure_shows_what_is_needed_to_understand_it() -> None:
    [result] = failing("document found, answer missed", 1)
    result |= {
        "text": "When does the train leave?",
        "answerable": True,
        "gold": [["21:40", "9:40 pm"]],
        "answer": "At noon. [1]",
        "relevant": ["timetable", "annex"],
        "ranking": ["almanac", "timetable"],
        "citations": [{"document": "almanac", "source": "a.md", "quote": "It left at noon.", "start": 3, "end": 19}],
        "nearest": [{"document": "timetable", "text": "The train leaves at 21:40, not 121:40."}],
    }
    card = soup(with_results([result])).select_one(".failure")
    text = re.sub(r"\s+", " ", card.get_text(" ", strip=True))
    for part in ("When does the train leave?", "21:40 / 9:40 pm", "At noon. [1]", "It left at noon. almanac"):
        assert part in text
    assert "timetable at rank 2, annex missed" in text
    assert [mark.text for mark in card.find_all("mark")] == ["21:40"]


def test_long_passages_are_cut() -> None:
    [result] = failing("document not found", 1, nearest=[{"document": "d", "text": "word " * 5000}])
    assert len(soup(with_results([result])).select_one(".failure").text) < 5000


# ---------------------------------------------------------------- JUnit


def test_junit_has_a_suite_a_type_and_one_for_the_thresholds() -> None:
    whole = {**report(60), "thresholds": [HELD, MISSED, ABSENT]}
    whole["results"][1] |= {"error": "no model answered", "failure": "error"}
    root = ElementTree.fromstring(junit(whole))
    suites = {suite.get("name"): suite for suite in root}
    assert sorted(suites) == ["answerable", "thresholds", "unanswerable"]
    for suite in root:
        cases = suite.findall("testcase")
        assert int(suite.get("tests", "")) == len(cases)
        assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
        assert int(suite.get("errors", "")) == len(suite.findall("testcase/error"))
    for count in ("tests", "failures", "errors"):
        assert int(root.get(count, "")) == sum(int(suite.get(count, "")) for suite in root)
    assert root.get("errors") == "1"
    assert len(suites["thresholds"].findall("testcase/failure")) == 2
    kinds = {item.get("message") for item in root.iter("failure")}
    assert kinds >= {result["failure"] for result in whole["results"] if result["failure"] not in (None, "error")}


def test_junit_times_are_seconds() -> None:
    results = report(2)["results"]
    results[0]["latency_ms"] = {"retrieve": 100.0, "total": 1500.0}
    results[1]["latency_ms"] = {"retrieve": 250.0}
    root = ElementTree.fromstring(junit(with_results(results)))
    assert [case.get("time") for case in root.iter("testcase")] == ["1.500", "0.250"]
    assert root.get("time") == "1.750"


@settings(max_examples=20, deadline=None)
@given(text=st.text(st.characters()))
def test_any_text_makes_valid_files(text: str) -> None:
    [result] = failing("document found, answer missed", 1, text=text, answer=text, type=text, gold=[[text]])
    result |= {
        "nearest": [{"document": text, "text": text * 2}],
        "ranking": [text],
        "relevant": [text],
        "error": text or None,
    }
    whole = {**with_results([result]), "dataset": text, "by_type": {text: report(5)["metrics"]}}
    root = ElementTree.fromstring(junit(whole).encode("utf-8"))
    assert len(list(root.iter("testcase"))) == 1
    plain = len(soup({**whole, "dataset": "x", "results": [{**result, "text": "x"}]}).find_all(True))
    assert len(soup(whole).find_all(True)) == plain


# ---------------------------------------------------------------- text


def test_the_text_fits_a_terminal() -> None:
    whole = {**report(60), "thresholds": [HELD, MISSED, ABSENT]}
    asked = [name for name, (group, _, _) in METRICS.items() if group not in ("Claims", "Model judge")]
    whole["metrics"] = {name: {"value": 0.5, "low": 0.4, "high": 0.6, "n": 12345} for name in asked}
    whole["by_type"] = {f"a type with a long name {n}": whole["metrics"] for n in range(9)}
    lines = report_text(whole).split("\n")
    assert max(map(len, lines)) <= 92
    assert len(lines) <= 48
    assert "by type (4 of 9)" in report_text(whole)
    assert "✗ citation_precision at least 0.5: not measured" in lines


def test_the_text_counts_failures_by_kind() -> None:
    whole = with_results(failing("document not found", 3) + failing("error", 2))
    assert report_text(whole).endswith("5 of 5 questions failed\n     2  error\n     3  document not found")


def test_the_text_cannot_steer_the_terminal() -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", report_text(all_hostile()))


# ---------------------------------------------------------------- plots

NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)


@settings(max_examples=60, deadline=None)
@given(
    above=st.lists(NUMBERS, max_size=5),
    below=st.lists(NUMBERS, max_size=5),
    counts=st.lists(st.integers(0, 10**9), max_size=6),
)
def test_any_numbers_make_a_drawing(above: list[float], below: list[float], counts: list[int]) -> None:
    drawn = [
        plots.mirrored("m", "title", ("with", above), ("without", below), "sufficiency"),
        plots.columns("c", "title", [(str(n), count) for n, count in enumerate(counts)]),
        plots.curve("k", "title", [(0.5, 0.5)] * len(above), (1.0, 1.0), ("x", "y")),
    ]
    for svg in drawn:
        heights = [float(bar.get("height", "0")) for bar in ElementTree.fromstring(str(svg)).iter("rect")]
        assert all(0 <= height <= 210 for height in heights)


@pytest.mark.parametrize(
    ("value", "low", "high"), [(0.5, 0.4, 0.6), (-3.0, -4.0, 9.0), (0.0, None, None), (7.0, 7.0, 7.0)]
)
def test_an_interval_never_leaves_its_bar(value: float, low: float | None, high: float | None) -> None:
    for number in re.findall(r'="(-?[\d.]+)%"', plots.interval(value, low, high)):
        assert 0 <= float(number) <= 100
