"""The command line as others call it: stdout, stderr, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag.cli import main
from tests.conftest import held
from tests.provider import Provider, Scripted, error, serving, words

Run = Callable[..., tuple[int, str, str]]


def test_ask_syncs_first_and_prints_the_contract(run: Run) -> None:
    code, out, err = run("ask", "How long is the bridge at Ostvik?", "--json")
    answer = json.loads(out)
    assert (code, err) == (0, "")
    assert answer.keys() == {
        *("question", "standalone_question", "status", "text", "sentences", "citations", "evidence"),
        *("dropped_marks", "warnings", "model", "usage", "timings"),
    }
    assert (answer["status"], answer["model"]) == ("grounded", "quotes")
    first = answer["citations"][0]
    assert (first["source"], first["published"], first["page"]) == ("bridge.md", "2024-03-01", None)
    assert first["content_hash"].startswith("sha256:")
    for sentence in answer["sentences"]:
        assert answer["text"][sentence["start"] : sentence["end"]] == sentence["text"]
    cited = {item["evidence_n"] for item in answer["citations"]}
    assert {item["n"] for item in answer["evidence"] if item["cited"]} == cited


def test_ask_sees_a_change_of_the_folder(run: Run, folder: Path) -> None:
    run("ask", "How long is the bridge at Ostvik?")
    (folder / "bridge.md").write_text("The bridge at Ostvik is 418 metres long.\n")
    assert "418 metres" in run("ask", "How long is the bridge at Ostvik?")[1]


def test_text_output_shows_the_quote_and_its_place(run: Run) -> None:
    code, out, _ = run("ask", "How long is the bridge at Ostvik?")
    assert code == 0
    assert "412 metres long. [1]" in out or "412 metres long. [2]" in out
    assert "bridge.md, 2024-03-01, characters" in out


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """A model that is set in the environment; its script is to be filled."""
    with serving() as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url)
        monkeypatch.setenv("FOOTNOTE_MODEL", "local")
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        yield provider


def test_each_sentence_of_a_model_is_printed_with_its_verdict_and_reasons(run: Run, model: Provider) -> None:
    model.script = [Scripted(words("The bridge at Ostvik was opened in 1931 [1]. It has 97 towers [1]. Come soon."))]
    code, out, err = run("ask", "When was the bridge at Ostvik opened?")
    assert (code, err) == (0, "")
    assert "✓ The bridge at Ostvik was opened in 1931 [1]." in out
    assert "? It has 97 towers [2].\n  (unsupported: The number 97 is not in the cited passage.)" in out
    assert "? Come soon.\n  (unsupported: The sentence has no citation.)" in out


def test_a_cut_answer_exits_7_and_says_so(run: Run, model: Provider) -> None:
    model.script = [Scripted(words("The bridge at Ostvik was opened in 1931 [1]. It"), finish="length")]
    code, out, err = run("ask", "When was the bridge at Ostvik opened?", "--json")
    answer = json.loads(out)
    assert (code, answer["status"]) == (7, "incomplete")
    assert "not complete" in answer["warnings"][0]
    assert "not complete" in err


def test_a_model_that_fails_exits_4_and_shows_what_was_found(run: Run, model: Provider) -> None:
    model.script = [error("no such model", 404)]
    code, out, err = run("ask", "When was the bridge at Ostvik opened?")
    assert code == 4
    assert out.startswith("Nearest passages:")
    assert "1931" in out
    assert "local" in err
    answer = json.loads(run("ask", "When was the bridge at Ostvik opened?", "--json")[1])
    assert (answer["status"], answer["text"], answer["sentences"]) == ("incomplete", "", [])
    assert answer["evidence"]


def test_a_question_off_the_subject_never_reaches_the_model(run: Run, model: Provider) -> None:
    assert run("ask", "Which team won the ice hockey final in Toronto?")[0] == 1
    assert not model.requests


def test_no_model_can_steer_the_terminal(run: Run, model: Provider) -> None:
    model.script = [Scripted(["The bridge \x1b[31mat\x1b[0m Ostvik \u202eis\x9b2J long [1]."])]
    _, out, err = run("ask", "How long is the bridge at Ostvik?")
    assert not {"\x1b", "\x9b", "\u202e"} & set(out + err)


def test_not_found_exits_1_and_shows_the_nearest_passages(run: Run) -> None:
    code, out, _ = run("ask", "Which team won the ice hockey final in Toronto?")
    assert code == 1
    assert "The articles do not answer this question." in out
    assert "Nearest passages" in out


def test_search_prints_passages_and_no_answer(run: Run) -> None:
    code, out, _ = run("search", "《茶经》", "--json", "--top-k", "2")
    result = json.loads(out)
    assert code == 0
    assert [item["n"] for item in result["evidence"]] == [1, 2]
    assert result["evidence"][0]["source"] == "茶.md"
    assert "陆羽" in run("search", "陆羽")[1]


def test_sync_and_status_print_the_contract(run: Run) -> None:
    code, out, _ = run("sync", "--json")
    report = json.loads(out)
    assert code == 0
    assert report == {
        "indexed": ["bees.txt", "bridge.md", "茶.md"],
        "skipped": [],
        "failed": [],
        "removed": [],
        "unchanged": 0,
    }
    status = json.loads(run("status", "--json")[1])
    assert status["files"] == {"indexed": 3, "skipped": 0, "failed": 0}
    assert (status["articles"], status["owner_pid"]) == (3, None)


def test_options_count_before_and_after_the_command(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--library", str(tmp_path / "l"), "--articles", str(folder), "--json"]
    assert main([*places, "sync"]) == 0
    assert json.loads(capsys.readouterr().out)["indexed"]
    assert main(["status", *places]) == 0
    assert json.loads(capsys.readouterr().out)["articles"] == 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["ask", ""], 3, "question is empty"),
        (["ask", " \u200b?"], 3, "question is empty"),
        (["ask", "why " * 3000], 3, "Shorten it"),
        (["ask"], 2, "question"),
        (["dance"], 2, "dance"),
        (["ask", "Who?", "--top-k", "0"], 2, "1 to 50"),
        (["serve", "--port", "0"], 2, "1 to 65535"),
        (["serve", "--port", "65536"], 2, "1 to 65535"),
        (["serve", "--port", "８"], 2, "1 to 65535"),
        ([], 2, "COMMAND"),
    ],
)
def test_bad_input_has_its_exit_code_and_says_what_to_do(
    run: Run, arguments: list[str], code: int, message: str
) -> None:
    found, out, err = run(*arguments)
    assert (found, out) == (code, "")
    assert message in err


def test_a_missing_folder_is_bad_input(run: Run, tmp_path: Path) -> None:
    code, out, err = run("sync", articles=tmp_path / "none")
    assert (code, out) == (3, "")
    assert "does not exist" in err


def test_another_folder_for_the_library_is_bad_input(run: Run, tmp_path: Path) -> None:
    run("sync")
    (tmp_path / "other").mkdir()
    code, _, err = run("ask", "Who?", articles=tmp_path / "other")
    assert code == 3
    assert "belongs to the articles folder" in err


def test_a_failed_file_is_named_and_sync_exits_3_with_the_others_indexed(run: Run, folder: Path) -> None:
    (folder / "broken.md").write_text("---\ntitle: [\n---\nText.\n")
    code, out, _ = run("sync", "--json")
    assert code == 3
    assert len(json.loads(out)["indexed"]) == 3
    code, _, err = run("ask", "How long is the bridge at Ostvik?")
    assert code == 0
    assert "broken.md" in err


def test_an_unknown_setting_is_a_usage_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_LIBARY", "x")
    code, _, err = run("status")
    assert code == 2
    assert "FOOTNOTE_LIBARY" in err


def test_a_damaged_library_is_a_store_error(run: Run, tmp_path: Path) -> None:
    run("sync")
    (tmp_path / "library" / "ledger.sqlite3").write_bytes(b"x" * 5000)
    code, out, err = run("ask", "Who?")
    assert (code, out) == (5, "")
    assert "backup" in err


def test_a_busy_library_answers_and_refuses_to_sync(run: Run, tmp_path: Path) -> None:
    run("sync")
    with held(tmp_path / "library") as process:
        code, out, err = run("ask", "How long is the bridge at Ostvik?")
        assert (code, str(process.pid) in err) == (0, True)
        assert "412 metres" in out
        for command in ("sync", "serve"):
            code, out, err = run(command)
            assert (code, out, str(process.pid) in err) == (6, "", True)


def test_no_document_can_steer_the_terminal(run: Run, folder: Path) -> None:
    (folder / "evil.md").write_text(
        "---\ntitle: Evil \u202egnp\n---\nThe dragon of Ostvik \x1b[31msleeps\x1b[0m \x9b2J.\n"
    )
    for command in ("ask", "search", "sync"):
        _, out, err = run(command, *(["Where does the dragon of Ostvik sleep?"] if command != "sync" else []))
        assert not {"\x1b", "\x9b", "\u202e"} & set(out + err)


def test_the_installed_command_runs() -> None:
    command = Path(sys.executable).parent / "footnote"
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert "sync" in done.stdout
