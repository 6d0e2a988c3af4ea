"""What readers think of answers becomes a data set that the evaluation reads and runs."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

import rag.cli
from rag.app import Footnote
from rag.errors import StoreError
from rag.evaluation.datasets import QUESTIONS, Question, load_dataset
from rag.evaluation.metrics import holds, to_find
from rag.types import Answer, Scope
from tests.conftest import SAMPLES
from tests.evidence import draft, evidence, hit
from tests.test_recall import FOUND, answered, answers, example
from ui.feedback import FeedbackFile
from ui.turns import SEARCH, Feedback

GOOD, BAD = Feedback(True), Feedback(False, "It was opened in 1931.")
REFUSAL = Answer("Why?", "not_found", "The articles do not answer this question.", (), (), FOUND, "quotes")


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / QUESTIONS).read_text(encoding="utf-8").splitlines()]


def read(folder: Path) -> tuple[Question, ...]:
    return load_dataset(folder).questions


def about(question: str, reply: str, quote: str) -> Answer:
    """Return the answer to a question whose reply cites one sentence."""
    found = evidence(question, hit(quote, "a.md"))
    return answered(draft(reply, found), found)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "feedback"


def test_a_liked_answer_tells_what_a_right_one_holds_and_which_articles_it_cites(folder: Path) -> None:
    FeedbackFile(folder).judge(example("The bridge is 412 metres long [1]."), Feedback(True, "Short and right."))
    (question,) = read(folder)
    assert (question.text, question.type, question.answerable) == ("How long is the bridge?", "answerable", True)
    assert question.answers == (("412",),)
    assert question.relevant == {"0.md": 1}
    (line,) = lines(folder)
    assert (line["reason"], line["status"]) == ("Short and right.", "grounded")


@pytest.mark.parametrize(
    ("question", "reply", "quote", "strings"),
    [
        ("When was it?", "On 3 March 1931 [1].", "Ida Berg opened it on 3 March 1931.", ["3 March 1931"]),
        ("Who did it?", "It was opened by Ida Berg in 1931 [1].", "In 1931 it was opened by Ida Berg.", ["Ida"]),
        ("What of Ida Berg?", "Ida Berg opened it in 1931 [1].", "Ida Berg opened it in 1931.", ["1931"]),
        (
            "What is it for?",
            "It is for walking over the river [1].",
            "It is for walking over rivers.",
            ["It is for walking over"],
        ),
        ("茶产于哪里？", "茶叶最早产于中国云南 [1]。", "茶叶最早产于中国云南。", []),
    ],
)
def test_a_short_string_that_sentence_and_quote_share_is_what_to_find(
    folder: Path, question: str, reply: str, quote: str, strings: list[str]
) -> None:
    answer = about(question, reply, quote)
    if answer.sentences[0].verdict != "supported":  # only the choice of strings is looked at here
        answer = replace(answer, sentences=(replace(answer.sentences[0], verdict="supported"),))
    FeedbackFile(folder).judge(answer, GOOD)
    (line,) = lines(folder)
    assert line["must_contain"] == [[string] for string in strings]


@given(answers())
def test_what_a_liked_answer_must_hold_it_holds_and_its_quotes_too(answer: Answer) -> None:
    with tempfile.TemporaryDirectory() as name:
        FeedbackFile(Path(name)).judge(answer, GOOD)
        (question,) = read(Path(name))
    quotes = "\n".join(citation.quote for citation in answer.citations)
    assert to_find(question.answers) == question.answers
    for group in question.answers:
        assert holds(answer.text, group)
        assert holds(quotes, group)
    assert set(question.relevant) <= {citation.source.source for citation in answer.citations}


def test_a_liked_refusal_says_that_nothing_is_to_be_found(folder: Path) -> None:
    FeedbackFile(folder).judge(REFUSAL, GOOD)
    (question,) = read(folder)
    assert (question.type, question.answerable, question.answers, question.relevant) == ("abstain", False, (), {})


def test_what_was_disliked_is_kept_with_its_reason_and_says_nothing_of_what_is_right(folder: Path) -> None:
    FeedbackFile(folder).judge(example(), BAD)
    (question,) = read(folder)
    assert (question.type, question.answerable, question.answers, question.relevant) == ("disliked", None, (), {})
    (line,) = lines(folder)
    assert (line["reason"], line["status"], line["answer"]) == (BAD.reason, "partial", example().text)


@pytest.mark.parametrize(
    "answer",
    [
        replace(example(), evidence=replace(FOUND, scope=Scope(("id-0.md",)))),
        replace(REFUSAL, evidence=replace(FOUND, scope=Scope((), "2020-01-01"))),
        replace(REFUSAL, model=SEARCH, text=""),
        replace(REFUSAL, status="incomplete"),
    ],
)
def test_an_answer_from_some_articles_or_without_citations_is_not_measured_against_all(
    folder: Path, answer: Answer
) -> None:
    FeedbackFile(folder).judge(answer, GOOD)
    (question,) = read(folder)
    assert (question.type, question.answerable, question.answers, question.relevant) == ("liked", None, (), {})
    scope = answer.evidence.scope
    assert lines(folder)[0].get("scope") == (
        {"articles": list(scope.articles), "as_of": scope.as_of} if scope != Scope() else None
    )


def test_there_is_one_line_for_a_question_and_its_answer_which_can_be_changed_and_taken_back(folder: Path) -> None:
    file = FeedbackFile(folder)
    file.judge(example(), GOOD)
    file.judge(REFUSAL, GOOD)
    file.judge(example(), BAD)
    assert [line["type"] for line in lines(folder)] == ["disliked", "abstain"]
    file.judge(example(), None)
    file.judge(example(), None)
    assert [line["type"] for line in lines(folder)] == ["abstain"]
    file.judge(REFUSAL, None)
    assert lines(folder) == []


def test_lines_that_others_wrote_stay_and_the_file_is_for_its_owner_only(folder: Path) -> None:
    folder.mkdir()
    theirs = b'{"id": "mine", "text": "Why?"}\nnot JSON \xff\n[1]\n'
    (folder / QUESTIONS).write_bytes(theirs)
    (folder / f"{QUESTIONS}.part").write_text("left by a process that was killed")
    FeedbackFile(folder).judge(example(), GOOD)
    assert (folder / QUESTIONS).read_bytes().startswith(theirs)
    assert [path.name for path in folder.iterdir()] == [QUESTIONS]
    assert stat.S_IMODE((folder / QUESTIONS).stat().st_mode) == 0o600


def test_a_reason_of_any_characters_stays_one_line(folder: Path) -> None:
    reason = "a\nb\r\u2028c\x00\ud800\u202e" + "d" * 1000
    FeedbackFile(folder).judge(replace(example(), question="What\n\ud800?"), Feedback(False, reason))
    (line,) = lines(folder)
    assert line["reason"].startswith("a\nb")
    assert len(line["reason"]) == 500
    assert (folder / QUESTIONS).read_bytes().count(b"\n") == 1
    assert read(folder)


def test_judgements_of_many_at_once_are_all_kept(folder: Path) -> None:
    file = FeedbackFile(folder)
    found = [replace(REFUSAL, evidence=replace(FOUND, question=f"Why {number}?")) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda answer: file.judge(answer, GOOD), found))
    assert sorted(question.text for question in read(folder)) == sorted(f"Why {n}?" for n in range(40))


def test_a_judgement_that_cannot_be_written_is_an_error_and_leaves_the_others(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FeedbackFile(folder).judge(REFUSAL, GOOD)
    before = (folder / QUESTIONS).read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left on device") as failure:
        FeedbackFile(folder).judge(example(), GOOD)
    assert str(tmp_path) not in str(failure.value)
    assert (folder / QUESTIONS).read_bytes() == before
    (tmp_path / "taken").touch()
    with pytest.raises(StoreError):
        FeedbackFile(tmp_path / "taken").judge(example(), GOOD)


@pytest.mark.usefixtures("quick")
def test_the_evaluation_runs_on_what_readers_thought(
    open_at: Callable[..., Footnote],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    judged = tmp_path / "library" / "feedback"
    file = FeedbackFile(judged)
    with open_at(articles=SAMPLES) as library:
        library.sync()
        file.judge(library.ask("Who founded Midjourney?"), GOOD)
        file.judge(library.ask("When did Meta make its deal with Midjourney public?"), GOOD)
        file.judge(library.ask("What is the boiling point of water at sea level?"), GOOD)
        file.judge(library.ask("How is Midjourney funded?"), BAD)
    assert [line["type"] for line in lines(judged)] == ["answerable", "answerable", "abstain", "disliked"]
    assert all(line["must_contain"] and line["articles"] for line in lines(judged)[:2])
    code = rag.cli.main(["eval", str(judged), "--articles", str(SAMPLES), "--json", "--out", str(tmp_path / "out")])
    report = json.loads(capsys.readouterr().out)
    assert code == 0
    assert report["questions"] == 4
    assert report["metrics"]["gold_in_answer"]["value"] == 1.0
    assert report["metrics"]["hit@1"]["n"] == 2
    assert set(report["by_type"]) == {"answerable", "abstain", "disliked"}
    results = json.loads((tmp_path / "out" / "report.json").read_text())["results"]
    assert [result["failure"] for result in results] == [None] * 4
