"""The evaluations of the page: what is listed, run, opened; names are never paths, and what is read is hostile."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup

from rag.app import Footnote, open_library
from rag.config import Settings
from rag.errors import InputError
from rag.evaluation.report import write_report
from tests.conftest import SAMPLES
from tests.provider import Scripted, serving, words
from tests.reports import HOSTILE, report
from ui.evaluation_runs import Run
from ui.evaluation_store import FEEDBACK, EvaluationStore
from ui.evaluation_view import run_html
from ui.evaluations import Evaluations

SECONDS = 90  # for what takes two, on a busy machine
QUESTIONS: list[dict[str, Any]] = [
    {"id": "q1", "text": "Who founded Midjourney?", "type": "answerable", "must_contain": [["Holz"]], "articles": []},
    {"id": "q2", "text": "How long should I boil an egg?", "type": "abstain"},
]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is built for measuring goes to a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def library_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    with open_library(Settings(library=folder, articles=SAMPLES)) as library:
        library.sync()
    return folder


@pytest.fixture
def opened(tmp_path: Path, library_folder: Path) -> Iterator[Callable[..., tuple[Evaluations, Path]]]:
    """Return a function that gives the evaluations of a page, whose server owns the library, and their folder."""
    made: list[tuple[Footnote, Evaluations]] = []

    def open_(**values: Any) -> tuple[Evaluations, Path]:
        folder = tmp_path / "evaluations"
        settings = Settings.model_validate(
            {"library": library_folder, "articles": SAMPLES, "page": {"evaluations": folder}} | values
        )
        library = Footnote(settings)
        made.append((library, Evaluations(library, library_folder / "feedback")))
        return made[-1][1], folder

    yield open_
    for library, evaluations in made:
        evaluations.close()
        library.close()


def put(folder: Path, name: str, made: dict[str, Any]) -> None:
    write_report(made, folder / name, ())


def put_questions(folder: Path, rows: list[dict[str, Any]] = QUESTIONS) -> None:
    folder.mkdir(parents=True)
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def ended(evaluations: Evaluations, session: str = "me") -> BeautifulSoup:
    """Wait for the end of the evaluation that runs, and return what is said of it."""
    until = time.monotonic() + SECONDS
    while (found := evaluations.act({"do": "progress"}, session))["running"]:
        assert time.monotonic() < until, found
        time.sleep(0.05)
    return BeautifulSoup(found["status"], "html.parser")


def tree(found: dict[str, Any]) -> BeautifulSoup:
    return BeautifulSoup(found["html"], "html.parser")


# ---------------------------------------------------------------- the folder


def test_the_folder_holds_data_sets_and_reports_and_nothing_else_can_be_named(tmp_path: Path) -> None:
    folder, outside = tmp_path / "evaluations", tmp_path / "outside"
    put_questions(folder / "mine")
    put_questions(folder / ".hidden")
    put_questions(folder / "turned\u202eround")
    put_questions(tmp_path / "feedback", QUESTIONS[:1])
    (folder / "beir").mkdir()
    (folder / "beir" / "queries.jsonl").write_text('{"id": "1", "text": "x"}\n\n{"id": "2", "text": "y"}\n')
    (folder / "claims").mkdir()
    (folder / "claims" / "items.jsonl").write_text("{}\n")
    put(folder, "one", report(12))
    put(tmp_path, "outside", report(12))
    store = EvaluationStore(folder, tmp_path / "feedback")
    assert [(data.name, data.kind, data.count) for data in store.datasets()] == [
        (FEEDBACK, "questions", 1),
        ("beir", "documents", 2),
        ("claims", "claims", 1),
        ("mine", "questions", 2),
    ]
    summaries, broken = store.reports()
    assert [(item.name, item.questions) for item in summaries] == [("one", 12)]
    assert broken == []
    for name in ("../outside", str(outside), "outside", "", ".", "one/report.json", "mine"):
        with pytest.raises(InputError, match="not there any more"):
            store.report(name)
    for name in ("../feedback", ".hidden", "one", ""):
        with pytest.raises(InputError, match="not there any more"):
            store.dataset(name)


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    store = EvaluationStore(tmp_path / "none", tmp_path / "feedback")
    assert store.datasets() == []
    assert store.reports() == ([], [])


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made.pop("results"),
        lambda made: made.update(results=[{"id": "a"}]),
        lambda made: made.update(metrics=[1, 2]),
        lambda made: made["results"][0].update(text="x" * 60_000),
        lambda made: made["results"][0].update(gold=[{"a": "b"}]),
        lambda made: made["results"][0].update(citations="abc"),
        lambda made: made.update(latency_ms={"total": 3}),
        lambda made: made.update(unit="<b>"),
        lambda made: made.update(config={str(i): i for i in range(300)}),
    ],
)
def test_a_report_that_is_none_is_named_and_not_opened(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    made = report(12)
    change(made)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "report.json").write_text(json.dumps(made, default=str), encoding="utf-8")
    store = EvaluationStore(tmp_path, tmp_path / "feedback")
    assert store.reports() == ([], ["bad"])
    with pytest.raises(InputError, match="cannot be read"):
        store.report("bad")


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"[" * 100_000, b'{"a": ' * 5000, b"null"])
def test_a_file_that_is_no_json_is_no_report(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "report.json").write_bytes(data)
    assert EvaluationStore(tmp_path, tmp_path / "feedback").reports() == ([], ["bad"])


# ---------------------------------------------------------------- what is shown


def test_without_data_sets_and_reports_it_is_told_how_to_make_one(opened: Any) -> None:
    evaluations, _ = opened()
    shown = tree(evaluations.act({"do": "list"}, "me"))
    assert "Nothing measured yet" in shown.get_text()
    assert "questions.jsonl" in shown.get_text()
    assert not shown.select("form, .fn-report-cards")


def test_reports_are_listed_opened_and_compared(opened: Any) -> None:
    evaluations, folder = opened()
    put(folder, "before", report(60, skill=0.5))
    put(folder, "after", report(60, skill=0.9))
    home = tree(evaluations.act({"do": "list"}, "me"))
    assert {button["data-name"] for button in home.select(".fn-report-card")} == {"before", "after"}
    shown = tree(evaluations.act({"do": "open", "name": "after"}, "me"))
    assert shown.select_one(".fn-report")["data-unit"] == "questions"  # type: ignore[index]
    assert len(shown.select("svg.plot")) == 3
    assert [link["href"] for link in shown.select(".fn-report-parts a")][-1] == "#failures"
    assert len(shown.select("details.failure")) > 3
    assert "184,213 prompt" in shown.get_text()
    assert not shown.select("style, script, link, meta, iframe, [style], [onclick]")
    compared = tree(evaluations.act({"do": "compare", "name": "before", "other": "after"}, "me"))
    rows = {row.select("th")[0].get_text(): row for row in compared.select("tbody tr")}
    assert "better" in rows["nDCG@10"].select("td")[2]["class"]
    assert rows["nDCG@10"].select(".interval")
    assert all(str(link["href"]).startswith("/?q=") for link in compared.select(".fn-changes a"))
    with pytest.raises(InputError, match="not there any more"):
        evaluations.act({"do": "open", "name": "../after"}, "me")


def test_hostile_words_of_a_report_stay_words(opened: Any) -> None:
    evaluations, folder = opened()
    made = report(30)
    made["dataset"] = made["config"]["model"] = made["config"]["date"] = HOSTILE
    made["config"][HOSTILE[:40]] = {HOSTILE: [HOSTILE]}
    made["config"]["settings"] = {"retrieval": {"top_k": HOSTILE}}
    made["latency_ms"][HOSTILE] = {"p50": 1.0, "p95": 2.0, "n": 1}
    made["metrics"][HOSTILE[:30]] = {"value": 0.5, "low": None, "high": None, "n": 3}
    made["by_type"][HOSTILE[:40]] = made["metrics"]
    for result in made["results"]:
        result.update(
            text=HOSTILE + result["id"], type=HOSTILE[:40], answer=HOSTILE, failure=HOSTILE[:50], error=HOSTILE
        )
        result["nearest"] = [{"document": HOSTILE, "text": HOSTILE}]
        result["scores"][HOSTILE[:30]] = 0.5
    other = json.loads(json.dumps(made))
    for result in other["results"]:
        result["scores"] = dict.fromkeys(result["scores"], 1.0)
        result["status"] = HOSTILE[:50]
    name = "<img src=x onerror=alert(1)>"
    put(folder, name, made)
    put(folder, "other", other)
    views = [
        evaluations.act({"do": "list"}, "me"),
        evaluations.act({"do": "open", "name": name}, "me"),
        evaluations.act({"do": "compare", "name": name, "other": "other"}, "me"),
    ]
    for view in views:
        shown = tree(view)
        assert not shown.select("script, img, style, iframe, object")
        assert not [tag for tag in shown.find_all(True) if any(attribute.startswith("on") for attribute in tag.attrs)]
        assert "\u202e" not in shown.get_text()
        assert "alert(1)" in shown.get_text()


def test_only_who_began_an_evaluation_is_offered_to_cancel_it() -> None:
    running = Run("mine", "me", "mine-1", stage="question", done=3, total=8)
    assert "Cancel" in run_html(running, "me")
    assert "Cancel" not in run_html(running, "you")
    assert "Asking 3 of 8" in run_html(running, "you")
    assert run_html(None, "me") == ""


# ---------------------------------------------------------------- running


def test_questions_are_asked_of_the_library_itself_beside_its_owner(opened: Any) -> None:
    evaluations, folder = opened()
    put_questions(folder / "mine")
    begun = evaluations.act({"do": "run", "name": "mine", "answers": True, "model": "quotes"}, "me")
    assert begun["running"]
    with pytest.raises(InputError, match="running already"):
        evaluations.act({"do": "run", "name": "mine"}, "you")
    with pytest.raises(InputError, match="Only they can cancel"):
        evaluations.act({"do": "cancel"}, "you")
    said = ended(evaluations)
    assert "measured" in said.get_text()
    made = said.select_one("button")
    assert made is not None
    shown = tree(evaluations.act({"do": "open", "name": made["data-name"]}, "me"))
    assert "None of 2 questions failed." in shown.get_text()
    found = json.loads((folder / str(made["data-name"]) / "report.json").read_text(encoding="utf-8"))
    assert found["metrics"]["gold_in_answer"]["value"] == 1.0
    assert found["config"]["articles"] == 8
    assert str(folder.parent) not in json.dumps(found)


def test_documents_of_a_data_set_get_a_library_of_their_own(opened: Any) -> None:
    evaluations, folder = opened()
    (folder / "beir").mkdir(parents=True)
    rows = {
        "corpus.jsonl": [
            {"id": "d1", "title": "Ferry", "text": "The ferry to Tyrsø leaves at noon from the east quay."}
        ],
        "queries.jsonl": [{"id": "q1", "text": "When does the ferry to Tyrsø leave?", "answer": "noon"}],
    }
    for name, lines in rows.items():
        (folder / "beir" / name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (folder / "beir" / "qrels.tsv").write_text("q1\td1\t1\n")
    evaluations.act({"do": "run", "name": "beir"}, "me")
    assert "measured" in ended(evaluations).get_text()
    summaries, _ = EvaluationStore(folder, folder).reports()
    assert [(item.dataset, item.main[0]["value"]) for item in summaries] == [("beir", 1.0)]


def test_what_cannot_be_measured_says_why_without_a_path_and_leaves_nothing(opened: Any) -> None:
    evaluations, folder = opened()
    put_questions(folder / "mine", [{"id": "q1"}])
    evaluations.act({"do": "run", "name": "mine"}, "me")
    said = ended(evaluations)
    assert "mine/questions.jsonl, line 1: 'text' must be a text." in said.get_text()
    assert str(folder) not in said.get_text()
    assert [path.name for path in folder.iterdir()] == ["mine"]


def test_a_cancelled_evaluation_ends_at_once_and_another_can_begin(opened: Any) -> None:
    evaluations, folder = opened()
    put_questions(folder / "mine")
    evaluations.act({"do": "run", "name": "mine"}, "me")
    assert not evaluations.act({"do": "cancel"}, "me")["running"]
    assert "Cancelled" in ended(evaluations).get_text()
    evaluations.close()
    assert [path.name for path in folder.iterdir()] == ["mine"]


def test_models_are_asked_only_once_that_is_confirmed(opened: Any) -> None:
    with serving(Scripted(words("David Holz founded Midjourney [1]."))) as provider:
        models = {"scripted": {"base_url": provider.base_url}}
        evaluations, folder = opened(model="scripted", models=models)
        put_questions(folder / "mine", QUESTIONS[:1])
        order = {"do": "run", "name": "mine", "answers": True, "model": "scripted"}
        assert "data-costs" in evaluations.act({"do": "list"}, "me")["html"]
        with pytest.raises(InputError, match="may cost money"):
            evaluations.act(order, "me")
        with pytest.raises(InputError, match="not one of those"):
            evaluations.act({**order, "model": "openai/gpt-4o", "confirmed": True}, "me")
        assert provider.requests == []
        evaluations.act({**order, "confirmed": True}, "me")
        said = ended(evaluations)
        assert "measured" in said.get_text()
        assert len(provider.requests) == 1
        made = said.select_one("button")
        assert made is not None
        shown = tree(evaluations.act({"do": "open", "name": made["data-name"]}, "me")).get_text()
        assert "settings.retrieval.top_k" in shown
        assert provider.base_url not in shown  # whom the server asks, and with which key, is not for readers
        assert "api_key" not in shown


def test_where_tokens_are_limited_models_answer_only_what_is_counted(opened: Any) -> None:
    evaluations, folder = opened(
        model="scripted", models={"scripted": {"base_url": "http://127.0.0.1:9"}}, limits={"tokens_per_day": 1000}
    )
    (folder / "beir").mkdir(parents=True)
    (folder / "beir" / "queries.jsonl").write_text('{"id": "q1", "text": "x"}\n')
    order = {"do": "run", "name": "beir", "answers": True, "model": "scripted", "confirmed": True}
    with pytest.raises(InputError, match="would not be counted"):
        evaluations.act(order, "me")


def test_a_folder_that_cannot_be_made_says_so_at_once(opened: Any, library_folder: Path) -> None:
    evaluations, folder = opened()
    put_questions(library_folder / "feedback")
    try:
        folder.write_text("a file")
        with pytest.raises(InputError, match="could not be written"):
            evaluations.act({"do": "run", "name": FEEDBACK}, "me")
    finally:
        shutil.rmtree(library_folder / "feedback")


def test_where_readers_log_in_their_feedback_is_the_operator_s_alone(
    opened: Callable[..., tuple[Evaluations, Path]], library_folder: Path, tmp_path: Path
) -> None:
    put_questions(library_folder / "feedback")
    try:
        evaluations, folder = opened(page={"evaluations": tmp_path / "evaluations", "password": "correct horse"})
        assert "Feedback" not in evaluations.act({}, "s")["html"]
        open_to_all, _ = opened(page={"evaluations": folder})
        assert "Feedback" in open_to_all.act({}, "s")["html"]
    finally:
        shutil.rmtree(library_folder / "feedback")
