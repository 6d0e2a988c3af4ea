"""Sets of claims: three forms of data, the check of each claim, and how the verdicts compare with people's."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rag.cli
from rag.app import Footnote
from rag.config import Settings
from rag.errors import InputError
from rag.evaluation.checking import check_claims, summarise_claims
from rag.evaluation.claims import has_claims, load_claims
from rag.evaluation.compare import compare
from rag.evaluation.library import opened
from rag.evaluation.reading import CALLED_SUPPORTED, FLAGGED
from tests.datasets import write_lines
from tests.provider import Scripted, serving, words

pytestmark = pytest.mark.usefixtures("quick")

BRIDGE = "The bridge at Ostvik was built in 1871. It is 120 metres long. Nobody remembers its architect."
BEES = "Bees gather in a ball in winter. The queen stays warm inside of it, and all of them eat honey."
WICE: list[dict[str, Any]] = [
    {"id": "w1", "split": "dev", "claim": "The bridge at Ostvik was built in 1871.", "label": "supported"},
    {"id": "w2", "split": "dev", "claim": "The bridge at Ostvik was built in 1931.", "label": "not_supported"},
    {
        "id": "w3",
        "claim": "The bridge at Ostvik, 120 metres long, cost Karlsen a fortune.",
        "label": "partially_supported",
    },
]
SUMMARIES: list[dict[str, Any]] = [
    {
        "id": "s1",
        "domain": "news",
        "summary": "The Ostvik bridge is 120 metres long. It was built in 1871.",
        "label": "consistent",
    },
    {
        "id": "s2",
        "domain": "news",
        "summary": "The Ostvik bridge is 120 metres long. It was built in 1872.",
        "label": "inconsistent",
        "edit_types": ["entity_modification"],
    },
    {
        "id": "s3",
        "domain": "bees",
        "document": BEES,
        "summary": "In winter bees gather in a ball.",
        "label": "consistent",
    },
]
JUDGED: list[dict[str, Any]] = [
    {"id": "e1", "system": "a", "claim": "In winter bees gather in a ball[1].", "support": "Complete"},
    {"id": "e2", "system": "b", "claim": "Whales sing in the deep sea at night [1].", "support": "Incomplete"},
    {"id": "e3", "system": "b", "claim": "Bees sleep.", "support": "Missing", "evidence": []},
    {"id": "e4", "system": "b", "claim": "Bees sleep.", "support": "N/A"},
    {"id": "e5", "system": "b", "claim": "Bees sleep.", "support": "Complete", "evidence": ["[2] https://bees.example/1"]},
    {"id": "e6", "system": "b", "claim": "Bees sleep.", "support": None},
]  # fmt: skip
Evaluate = Callable[..., tuple[int, Any, str]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def written(folder: Path, rows: list[dict[str, Any]], **missing: Any) -> Path:
    """Write a set of claims; what a row lacks is filled in."""
    folder.mkdir(exist_ok=True)
    write_lines(folder / "items.jsonl", [missing | row for row in rows])
    return folder


@pytest.fixture
def wice(tmp_path: Path) -> Path:
    return written(tmp_path / "wice", WICE, evidence=BRIDGE.split(". "))


@pytest.fixture
def summaries(tmp_path: Path) -> Path:
    return written(tmp_path / "summaries", SUMMARIES, document=BRIDGE)


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    return written(tmp_path / "judged", JUDGED, evidence=[f"[1] https://bees.example/winter\n\n{BEES}", BRIDGE])


@pytest.fixture
def evaluate(capsys: pytest.CaptureFixture[str]) -> Evaluate:
    """Return a function that runs `footnote eval` and gives exit code, JSON document and stderr."""

    def call(*arguments: object) -> tuple[int, Any, str]:
        code = rag.cli.main(["eval", *map(str, arguments), "--json"])
        captured = capsys.readouterr()
        return code, json.loads(captured.out) if captured.out else None, captured.err

    return call


# ---------------------------------------------------------------- reading


def test_each_form_is_told_by_its_fields(wice: Path, summaries: Path, judged: Path) -> None:
    found = [load_claims(folder) for folder in (wice, summaries, judged)]
    assert [[claim.gold for claim in data.claims] for data in found] == [
        ["supported", "unsupported", "partial"],
        ["supported", "unsupported", "supported"],
        ["supported", "unsupported"],
    ]
    assert [[claim.type for claim in data.claims] for data in found] == [
        ["dev", "dev", "claim"],
        ["news", "news", "bees"],
        ["a", "b"],
    ]
    assert [data.left_out for data in found] == [0, 0, 4]


def test_lines_of_one_text_are_one_document_and_cited_texts_are_several(
    wice: Path, summaries: Path, judged: Path
) -> None:
    counts = [len(load_claims(folder).dataset.documents or ()) for folder in (wice, summaries, judged)]
    assert counts == [1, 2, 2]
    documents = {document.text: document.about for document in load_claims(judged).dataset.documents or ()}
    assert documents[BEES] == {"url": "https://bees.example/winter"}


def test_a_summary_is_checked_sentence_by_sentence_and_marks_of_others_are_no_words(
    summaries: Path, judged: Path
) -> None:
    assert load_claims(summaries).claims[0].sentences == (
        "The Ostvik bridge is 120 metres long.",
        "It was built in 1871.",
    )
    assert load_claims(judged).claims[0].text == "In winter bees gather in a ball."


def test_the_other_fields_may_be_missing(tmp_path: Path) -> None:
    rows = [{"claim": "Bees sleep.", "label": "Not supported"}, {"claim": "Bees eat honey.", "label": "SUPPORTED"}]
    data = load_claims(written(tmp_path / "bare", rows, evidence=[BEES]))
    assert [(claim.id, claim.type, claim.gold) for claim in data.claims] == [
        ("1", "claim", "unsupported"),
        ("2", "claim", "supported"),
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"text": "What is this?"}], "line 1: an item needs claim, evidence"),
        ([{"claim": "Bees sleep.", "evidence": []}], "line 1: an item needs claim, evidence"),
        ([{"claim": 3.5, "evidence": [BEES], "label": "supported"}], "line 1: 'claim' must be a text"),
        ([{"claim": "Bees sleep.", "evidence": [], "support": "Complete"}], "no claim with a label and evidence"),
        ([{"id": "a", "claim": "Bees.", "evidence": [BEES], "label": "supported"}] * 2, "'a' is given twice"),
    ],
)
def test_what_is_of_no_form_is_an_error_with_its_line(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    folder = written(tmp_path / "bad", rows)
    assert has_claims(folder)
    with pytest.raises(InputError, match=message):
        load_claims(folder)


# ---------------------------------------------------------------- checking


def results_of(folder: Path) -> dict[str, dict[str, Any]]:
    data = load_claims(folder)
    with opened(data.dataset, None, Settings(), Footnote) as subject:
        subject.library.sync()
        return {item["id"]: item for item in check_claims(subject, data.claims, "k")}


def test_a_claim_is_held_against_its_own_evidence_only(tmp_path: Path) -> None:
    rows = [
        {"id": "own", "evidence": [BRIDGE], "label": "supported"},
        {"id": "other", "evidence": [BEES], "label": "not_supported"},
    ]
    found = results_of(written(tmp_path / "two", rows, claim="The bridge at Ostvik was built in 1871."))
    assert [item["status"] for item in found.values()] == ["supported", "unsupported"]
    assert {citation["quote"] for citation in found["own"]["citations"]} <= {
        f"{text}." for text in BRIDGE.removesuffix(".").split(". ")
    }
    assert found["own"]["support"] > 0.9 > 0.3 > found["other"]["support"]
    assert [item["failure"] for item in found.values()] == [None, None]


def test_a_summary_is_as_good_as_its_worst_sentence(summaries: Path) -> None:
    found = results_of(summaries)
    assert found["s1"]["status"] == found["s3"]["status"] == "supported"
    assert found["s2"]["status"] == "unsupported"
    assert found["s2"]["support"] < found["s1"]["support"]
    assert "1872" in found["s2"]["answer"]


def test_what_was_judged_wrongly_is_named(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "claim": "The bridge at Ostvik was built in 1871.", "label": "not_supported"},
        {"id": "b", "claim": "Whales sing in the deep sea.", "label": "supported"},
    ]
    found = results_of(written(tmp_path / "wrong", rows, evidence=[BRIDGE]))
    assert [found["a"]["failure"], found["b"]["failure"]] == [CALLED_SUPPORTED, FLAGGED]


def test_a_run_that_was_stopped_goes_on_where_it_was(wice: Path) -> None:
    data = load_claims(wice)
    with opened(data.dataset, None, Settings(), Footnote) as subject:
        subject.library.sync()

        def stop(done: int, _total: int) -> None:
            if done == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            check_claims(subject, data.claims, "k", stop)
        journal = subject.folder / "run-k.jsonl"
        assert len(journal.read_text().splitlines()) == 2
        assert len(check_claims(subject, data.claims, "k")) == 3
        assert not journal.exists()


# ---------------------------------------------------------------- summing up


def result(gold: str, found: str, support: float, kind: str = "a", edits: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "label": gold,
        "status": found,
        "support": support,
        "type": kind,
        "edits": list(edits),
        "latency_ms": {"check": 1.0},
    }


def test_each_class_has_its_precision_and_recall() -> None:
    results = [
        *[result("supported", "supported", 0.9)] * 3,
        result("supported", "partial", 0.4),
        result("partial", "supported", 0.6),
        result("partial", "partial", 0.4, "b"),
        *[result("unsupported", "unsupported", 0.1, "b")] * 2,
    ]
    summary = summarise_claims(results)
    values = {name: round(entry["value"], 3) for name, entry in summary["metrics"].items()}
    assert values == {
        "balanced_accuracy": 0.75,
        "auroc": 0.906,
        "precision_supported": 0.75,
        "recall_supported": 0.75,
        "precision_not_supported": 0.75,
        "recall_not_supported": 0.75,
        "accuracy_of_three": 0.75,
        "precision_partial": 0.5,
        "recall_partial": 0.5,
        "precision_unsupported": 1.0,
        "recall_unsupported": 1.0,
    }
    assert all(entry["low"] <= entry["value"] <= entry["high"] for entry in summary["metrics"].values())
    assert summary["by_type"]["b"].keys() == {"recall_not_supported", "precision_not_supported"}


def test_two_kinds_of_labels_have_no_measures_of_three_and_edits_stand_against_what_is_right() -> None:
    results = [
        result("supported", "supported", 0.9),
        result("unsupported", "unsupported", 0.2, edits=("negation",)),
        result("unsupported", "supported", 0.8, edits=("swap", "negation")),
    ]
    summary = summarise_claims(results)
    assert "accuracy_of_three" not in summary["metrics"]
    assert {name: part["recall_not_supported"]["value"] for name, part in summary["by_edit"].items()} == {
        "negation": 0.5,
        "swap": 0.0,
    }


# ---------------------------------------------------------------- the command


def test_the_command_measures_claims_and_writes_three_files(judged: Path, evaluate: Evaluate, tmp_path: Path) -> None:
    code, report, error = evaluate(judged, "--out", tmp_path / "out", "--fail-under", "auroc=0.7")
    assert code == 0
    assert report.keys() >= {"dataset", "questions", "limit", "seed", "metrics", "by_type", "latency_ms", "config"}
    assert (report["dataset"], report["questions"], report["left_out"], report["unit"]) == ("judged", 2, 4, "claims")
    assert report["metrics"]["balanced_accuracy"]["value"] == 1.0
    assert report["config"]["judge"] == "rules"
    assert "4 items are left out" in error
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Balanced accuracy" in page
    assert "2 claims" in page
    assert len(ET.parse(tmp_path / "out" / "junit.xml").findall(".//testcase")) == 3
    saved = json.loads((tmp_path / "out" / "report.json").read_text())
    assert compare(saved, saved)["metrics"]["right"]["difference"] == 0


def test_filters_choose_the_claims_and_a_figure_under_its_threshold_is_exit_code_1(
    summaries: Path, evaluate: Evaluate
) -> None:
    assert evaluate(summaries, "--types", "news")[1]["questions"] == 2
    assert evaluate(summaries, "--limit", 1)[1]["questions"] == 1
    assert evaluate(summaries, "--sample", 2, "--seed", 1)[1]["questions"] == 2
    assert evaluate(summaries, "--types", "sports")[0] == 3
    code, report, error = evaluate(summaries, "--fail-under", "ndcg@10=0.5")
    assert (code, [row["passed"] for row in report["thresholds"]]) == (1, [False])
    assert "ndcg@10 is None" in error
    code, _, error = evaluate(summaries, "--retrieval-only")
    assert (code, "without --retrieval-only" in error) == (2, True)


def test_the_text_says_claims(summaries: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rag.cli.main(["eval", str(summaries)])
    out = capsys.readouterr().out
    assert out.startswith("summaries: 3 claims")
    assert "of 3 claims failed" in out


# ---------------------------------------------------------------- a model judge


def test_a_model_judge_is_measured_apart_and_changes_no_verdict(
    wice: Path, evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, without, _ = evaluate(wice)
    replies = [Scripted(words(f"1: {verdict}")) for verdict in ("supported", "supported", "partial")]
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with serving(*replies) as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url)
        monkeypatch.setenv("FOOTNOTE_JUDGE", "strict")
        _, beside, _ = evaluate(wice)
        assert len(provider.requests) == 3
        _, again, _ = evaluate(wice)
        assert len(provider.requests) == 3, "the same words are paid once"
    theirs = {name: beside["metrics"][name]["value"] for name in beside["metrics"] if name.startswith("judge_")}
    assert theirs == {
        "judge_balanced_accuracy": 0.75,
        "judge_precision_supported": 0.5,
        "judge_recall_supported": 1.0,
        "judge_precision_not_supported": 1.0,
        "judge_recall_not_supported": 0.5,
    }
    assert {name: value for name, value in beside["metrics"].items() if name not in theirs} == without["metrics"]
    assert again["metrics"] == beside["metrics"]
