"""A whole evaluation: the library it builds, the questions it asks, going on after a stop, and the command."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rag.cli
from rag.app import Footnote
from rag.config import Settings
from rag.errors import BusyError, ProviderError, StoreError
from rag.evaluation import runner
from rag.evaluation.datasets import Dataset, load_dataset
from rag.evaluation.library import Subject, opened
from rag.evaluation.summary import summarise, thresholds
from rag.types import Answer
from tests.conftest import held
from tests.datasets import DOCUMENTS, write_dataset, write_lines

pytestmark = pytest.mark.usefixtures("quick")

Run = Callable[..., tuple[int, Any, str]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of what is built, and none of the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache" / "footnote" / "eval"


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return load_dataset(write_dataset(tmp_path / "bridges"))


@pytest.fixture
def subject(data: Dataset) -> Iterator[Subject]:
    with opened(data, None, Settings(), Footnote) as subject:
        subject.library.sync()
        yield subject


@pytest.fixture
def evaluate(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs `footnote eval` and gives exit code, JSON document and stderr."""

    def call(*arguments: object) -> tuple[int, Any, str]:
        code = rag.cli.main(["eval", *map(str, arguments), "--json"])
        captured = capsys.readouterr()
        return code, json.loads(captured.out) if captured.out else None, captured.err

    return call


# ---------------------------------------------------------------- the library


def test_documents_become_articles_of_a_library_in_the_cache_and_are_embedded_once(
    data: Dataset, cache: Path, embedded: list[str], tmp_path: Path
) -> None:
    for _ in range(2):
        with opened(data, None, Settings(library=tmp_path / "mine"), Footnote) as subject:
            subject.library.sync()
            found = [subject.document(source.source) for source in subject.library.sources()]
            assert sorted(found) == ["bees", "ostvik", "tea"]  # the empty one has nothing to find
            assert subject.folder.parent == cache
    assert len(embedded) == 3
    assert not (tmp_path / "mine").exists()


def test_a_language_leaves_out_documents_in_others(data: Dataset) -> None:
    with opened(data, "de", Settings(), Footnote) as subject:
        subject.library.sync()
        assert [subject.document(source.source) for source in subject.library.sources()] == ["tea"]


def test_questions_alone_are_asked_of_the_folder_beside_them_or_of_the_one_named(tmp_path: Path, folder: Path) -> None:
    golden = tmp_path / "golden"
    golden.mkdir()
    write_lines(golden / "questions.jsonl", [{"id": "a", "text": "How long is the bridge?", "type": "answerable"}])
    other = tmp_path / "other"
    other.mkdir()
    (other / "tea.txt").write_text("Tea is picked by hand in spring, leaf by leaf.")
    beside = {"bees.txt", "bridge.md", "茶.md"}
    for settings, sources in ((Settings(), beside), (Settings(articles=other), {"tea.txt"})):
        with opened(load_dataset(golden), None, settings, Footnote) as subject:
            subject.library.sync()
            assert {subject.document(source.source) for source in subject.library.sources()} == sources


def test_another_way_to_cut_or_another_folder_has_a_library_of_its_own(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines(tmp_path / "alone.jsonl", [{"id": "a", "text": "How long is the bridge?"}])
    places = []
    for dataset, settings, here in (
        (data, Settings(), "a"),
        (data, Settings.model_validate({"passages": {"max_tokens": 100}}), "a"),
        (load_dataset(tmp_path / "alone.jsonl"), Settings(articles=tmp_path / "a" / "docs_store"), "a"),
        (load_dataset(tmp_path / "alone.jsonl"), Settings(articles=tmp_path / "b" / "docs_store"), "b"),
    ):
        (tmp_path / here / "docs_store").mkdir(parents=True, exist_ok=True)
        with opened(dataset, None, settings, Footnote) as subject:
            places.append(subject.folder)
    assert len(set(places)) == 4


def test_large_documents_are_parted_into_files_and_all_are_found(
    data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.evaluation.library._PART_CHARACTERS", 50)
    with opened(data, None, Settings(), Footnote) as subject:
        subject.library.sync()
        assert len(list((subject.folder / "articles").iterdir())) == 3
        assert {subject.document(source.source) for source in subject.library.sources()} == {"ostvik", "bees", "tea"}


def test_a_library_that_another_process_builds_is_busy(data: Dataset) -> None:
    with opened(data, None, Settings(), Footnote) as subject:
        place = subject.folder / "library"
    with held(place), pytest.raises(BusyError, match="Wait"), opened(data, None, Settings(), Footnote):
        pass


def test_a_cache_that_cannot_be_written_is_an_error_with_advice(
    data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="XDG_CACHE_HOME"), opened(data, None, Settings(), Footnote):
        pass


# ---------------------------------------------------------------- the questions


def test_each_question_is_scored_against_what_is_known_of_it(data: Dataset, subject: Subject) -> None:
    results = {item["id"]: item for item in runner.run(subject, data.questions, answering=True, key="k")}
    built = results["built"]
    assert built["ranking"][0] == "ostvik"
    assert built["status"] == "grounded"
    assert built["scores"]["ndcg@10"] == built["scores"]["gold_in_quote"] == 1.0
    assert built["scores"]["citation_sentence_recall"] == built["scores"]["citation_precision"] == 1.0
    assert built["failure"] is None
    assert {"document": "ostvik", "quote": "The bridge at Ostvik was built in 1871."}.items() <= built["citations"][
        0
    ].items()
    assert set(built["latency_ms"]) >= {"retrieve", "total"}
    assert "gold_in_answer" not in results["bees"]["scores"]  # nobody knows it
    assert results["null"]["scores"].keys() <= {"citation_recall", "citation_precision"}
    assert results["null"]["status"] == "not_found"
    assert results["null"]["failure"] is None


def test_retrieval_alone_answers_nothing_and_tells_what_would_be_refused(data: Dataset, subject: Subject) -> None:
    results = runner.run(subject, data.questions, answering=False, key="k")
    assert {item["status"] for item in results} == {None}
    assert {item["id"] for item in results if runner.refused(item)} == {"null"}
    summary = summarise(results)
    assert summary["metrics"]["ndcg@10"]["n"] == 4
    assert summary["metrics"]["abstention_auroc"]["value"] == 1.0
    assert "citation_recall" not in summary["metrics"]


def test_a_run_that_was_stopped_goes_on_where_it_was(
    data: Dataset, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = runner.run(subject, data.questions, answering=True, key="whole")

    def stop(done: int, _total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.run(subject, data.questions, answering=True, key="k", progress=stop)
    journal = subject.folder / "run-k.jsonl"
    with journal.open("a") as file:
        file.write('{"id": "bees", "text": "half of a li')
    asked: list[str] = []
    original = Footnote.ask

    def recording(self: Footnote, question: str, top_k: int | None = None) -> Answer:
        asked.append(question)
        return original(self, question, top_k)

    monkeypatch.setattr(Footnote, "ask", recording)
    resumed = runner.run(subject, data.questions, answering=True, key="k")
    assert asked == [question.text for question in data.questions[2:]]
    without_times = [[{k: v for k, v in item.items() if k != "latency_ms"} for item in run] for run in (whole, resumed)]
    assert without_times[0] == without_times[1]
    assert not journal.exists()


def test_a_model_that_fails_on_some_questions_is_an_error_of_these_and_on_the_first_of_the_run(
    data: Dataset, subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Footnote.ask

    def failing(self: Footnote, question: str, top_k: int | None = None) -> Answer:
        if "bees" in question:
            raise ProviderError("the model is away")
        return original(self, question, top_k)

    monkeypatch.setattr(Footnote, "ask", failing)
    results = runner.run(subject, data.questions, answering=True, key="k")
    failed = next(item for item in results if item["id"] == "bees")
    assert (failed["error"], failed["failure"]) == ("the model is away", "error")
    assert failed["scores"]["hit@1"] == 1.0
    assert sum(item["error"] is None for item in results) == 4
    with pytest.raises(ProviderError, match="is away"):
        runner.run(subject, [data.questions[2]], answering=True, key="k")


@pytest.mark.parametrize(
    ("change", "failure"),
    [
        ({}, None),
        ({"error": "away"}, "error"),
        ({"answerable": False}, "answered an unanswerable question"),
        ({"answerable": False, "status": "not_found"}, None),
        ({"status": "not_found"}, "refused, though the document was found"),
        ({"status": "not_found", "ranking": ["b"]}, "refused, and the document was not found"),
        ({"ranking": [*"bcdefghijk", "a"]}, "document not found"),
        ({"scores": {"gold_in_answer": 0.0}}, "document found, answer missed"),
        ({"status": "partial"}, "answer not supported"),
        ({"status": "incomplete"}, "answer not supported"),
        ({"status": None}, None),
    ],
)
def test_what_went_wrong_is_named(change: dict[str, Any], failure: str | None) -> None:
    result = {
        "error": None,
        "answerable": True,
        "status": "grounded",
        "ranking": ["a"],
        "relevant": ["a"],
        "scores": {},
    }
    assert runner._failure(result | change) == failure


def test_a_threshold_that_was_not_measured_has_not_passed() -> None:
    rows = thresholds({"hit@1": {"value": 0.5}}, {"hit@1": 0.5, "mrr@10": 0.1})
    assert [row["passed"] for row in rows] == [True, False]


# ---------------------------------------------------------------- the command


def test_the_command_prints_the_contracts_json_and_writes_three_files(
    data: Dataset, evaluate: Run, tmp_path: Path
) -> None:
    code, report, _ = evaluate(data.path, "--out", tmp_path / "out", "--seed", "3")
    assert code == 0
    assert report.keys() >= {"dataset", "questions", "limit", "seed", "metrics", "by_type", "latency_ms", "config"}
    assert (report["dataset"], report["questions"], report["limit"], report["seed"]) == ("bridges", 5, None, 3)
    assert report["metrics"]["hit@1"] == {"value": 1.0, "low": 1.0, "high": 1.0, "n": 4}
    assert set(report["by_type"]) == {"fact", "other", "null_query"}
    assert report["config"]["model"] == "quotes"
    assert report["config"]["articles"] == 3
    saved = json.loads((tmp_path / "out" / "report.json").read_text())
    assert saved["metrics"] == report["metrics"]
    assert len(saved["results"]) == 5
    assert len(ET.parse(tmp_path / "out" / "junit.xml").findall(".//testcase")) == 5
    assert "bridges" in (tmp_path / "out" / "report.html").read_text()


def test_filters_choose_what_is_asked(data: Dataset, evaluate: Run) -> None:
    assert evaluate(data.path, "--types", "fact,other", "--limit", 3)[1]["questions"] == 3
    assert evaluate(data.path, "--retrieval-only")[1]["questions"] == 4
    assert evaluate(data.path, "--language", "de", "--retrieval-only")[1]["by_language"].keys() == {"de"}
    code, report, error = evaluate(data.path, "--types", "typo")
    assert (code, report) == (3, None)
    assert "null_query" in error


def test_a_figure_under_its_threshold_is_exit_code_1(data: Dataset, evaluate: Run) -> None:
    assert evaluate(data.path, "--fail-under", "hit@1=1.0")[0] == 0
    code, report, error = evaluate(data.path, "--fail-under", "hit@1=1.0", "--fail-under", "answer_f1=0.99")
    assert code == 1
    assert [row["passed"] for row in report["thresholds"]] == [True, False]
    assert "answer_f1 is 0." in error


def test_two_reports_are_compared_question_by_question(data: Dataset, evaluate: Run, tmp_path: Path) -> None:
    evaluate(data.path, "--out", tmp_path / "one")
    changed = tmp_path / "changed"
    write_dataset(changed)
    rows = [row | {"text": "Nothing of it is left."} if row["id"] == "ostvik" else row for row in DOCUMENTS]
    write_lines(changed / "corpus.jsonl", rows)
    evaluate(changed, "--out", tmp_path / "two")
    code, comparison, _ = evaluate("compare", tmp_path / "one" / "report.json", tmp_path / "two" / "report.json")
    assert code == 0
    assert comparison["metrics"]["gold_in_answer"]["difference"] < 0
    assert {item["id"] for item in comparison["changed"]} >= {"built", "long"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere"], 3, "does not exist"),
        (["a", "b"], 2, "One data set at a time"),
        (["compare", "a"], 2, "Name two reports"),
        (["compare", "a", "b"], 3, "a"),
    ],
)
def test_what_cannot_be_measured_is_an_error(evaluate: Run, arguments: list[str], code: int, message: str) -> None:
    found, report, error = evaluate(*arguments)
    assert (found, report) == (code, None)
    assert message in error
