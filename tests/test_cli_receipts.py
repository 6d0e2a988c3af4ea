"""Receipts on the command line: saved with an answer, verified later, offline, beside whoever owns the library."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rag.embed import MiniLMEmbedding
from rag.receipt import seal
from tests.conftest import held
from tests.provider import Provider, Scripted, error, serving, words

Run = Callable[..., tuple[int, str, str]]
QUESTION = "How long is the bridge at Ostvik?"


@pytest.fixture(autouse=True)
def _quick(quick: None, monkeypatch: pytest.MonkeyPatch, embedder: MiniLMEmbedding) -> None:
    monkeypatch.setattr("rag.embed.MiniLMEmbedding", lambda _folder: embedder)


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """A model that is set in the environment, with a key; its script is to be filled."""
    with serving() as provider:
        monkeypatch.setenv("OPENAI_BASE_URL", provider.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
        monkeypatch.setenv("FOOTNOTE_MODEL", "local")
        yield provider


def sealed_again(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content | {"sha256": seal(content)}), encoding="utf-8")


def test_a_receipt_of_quotes_verifies_and_nothing_has_changed(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    assert run("ask", QUESTION, "--receipt", str(path))[0] == 0
    code, out, err = run("verify", str(path))
    assert (code, err) == (0, "")
    first, verdicts, *citations = out.splitlines()
    assert first.startswith("sound: as Footnote 0.1.0 wrote it on 20")
    assert verdicts == f"verdicts: {len(citations)} of {len(citations)} sentences fare as they did"
    assert all("unchanged: bridge.md, characters" in line for line in citations)
    result = json.loads(run("verify", str(path), "--json")[1])
    assert result.keys() == {"version", "made", "differences", "citations", "notes"}
    assert (result["differences"], result["notes"]) == ([], [])
    assert result["citations"][0].keys() == {"n", "source", "state", "start", "end", "nearest"}


def test_a_receipt_of_a_model_holds_prompt_and_reply_but_no_key_and_no_path(
    run: Run, model: Provider, tmp_path: Path
) -> None:
    model.script = [Scripted(words("The bridge at Ostvik was opened in 1931 [1]. It has 97 towers [1][9]. Come soon."))]
    path = tmp_path / "r.json"
    run("ask", "When was the bridge at Ostvik opened?", "--receipt", str(path))
    text = path.read_text(encoding="utf-8")
    content = json.loads(text)
    assert content["draft"]["prompt"][-1][1] == model.requests[0].body["messages"][-1]["content"]
    assert content["draft"]["raw"].endswith("towers [1][9]. Come soon.")
    assert content["draft"]["parameters"]
    assert [item["verdict"] for item in content["answer"]["sentences"]] == ["supported", "unsupported", "unsupported"]
    assert not any(secret in text for secret in ("sk-very-secret", str(tmp_path), str(Path.home()), "OPENAI"))
    sent = len(model.requests)
    assert run("verify", str(path))[0] == 0
    assert len(model.requests) == sent


def test_answers_that_found_nothing_or_were_cut_have_receipts_too(run: Run, model: Provider, tmp_path: Path) -> None:
    model.script = [
        Scripted(words("The bridge at Ostvik was opened in 1931 [1]. It"), finish="length"),
        Scripted(words("The articles do not answer this question.")),
        error("no such model", 404),
    ]
    off_subject = "Which team won the ice hockey final in Toronto?"
    for name, question, expected in (
        ("off", off_subject, 1),
        ("cut", QUESTION, 7),
        ("refused", QUESTION, 1),
        ("failed", QUESTION, 4),
    ):
        path = tmp_path / f"{name}.json"
        assert run("ask", question, "--receipt", str(path))[0] == expected
        code, out, err = run("verify", str(path))
        assert (code, err, out.startswith("sound")) == (0, "", True)


def test_quotes_below_the_answer_of_a_model_that_may_not_see_all_are_in_its_receipt(
    run: Run, model: Provider, folder: Path, tmp_path: Path
) -> None:
    (folder / "secret.md").write_text(
        "---\ntitle: The bridge at Ostvik\nvisibility: internal\n---\n\n"
        "The bridge at Ostvik will be closed in May. The bridge at Ostvik is 412 metres long, they measured.\n"
    )
    for number, reply in enumerate(
        ("The bridge at Ostvik is 412 metres long [1][2][3].", "The articles do not answer this question.")
    ):
        model.play(Scripted(words(reply)))
        path = tmp_path / f"{number}.json"
        run("ask", QUESTION, "--receipt", str(path))
        assert "closed in May" not in model.requests[0].prompt
        assert "they measured" in json.loads(path.read_text(encoding="utf-8"))["answer"]["text"]
        assert run("verify", str(path))[0] == 0


def test_the_state_of_each_citation_is_told_when_the_articles_change(run: Run, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    run("ask", QUESTION, "--receipt", str(path))
    article = folder / "bridge.md"
    was = article.read_text()

    article.write_text(was.replace("The bridge at", "News of the north.\n\nThe bridge at", 1))
    run("sync")
    assert run("verify", str(path))[0] == 0

    article.write_text(was.replace("412", "418"))
    run("sync")
    code, out, _ = run("verify", str(path))
    assert code == 1
    assert "changed: bridge.md" in out
    assert "  nearest now: It is 418 metres long." in out

    article.unlink()
    run("sync")
    code, out, _ = run("verify", str(path))
    assert (code, "gone: bridge.md" in out) == (1, True)


def test_a_library_in_use_is_read_and_none_is_made(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    run("ask", QUESTION, "--receipt", str(path))
    with held(tmp_path / "library"):
        assert run("verify", str(path))[0] == 0
    code, out, err = run("verify", str(path), library="another")
    assert (code, "[1]" in out) == (0, False)
    assert "not compared with the articles: there is no library in" in err
    assert not (tmp_path / "another").exists()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "ledger.sqlite3").write_bytes(b"nonsense" * 1000)
    code, _, err = run("verify", str(path), library="damaged")
    assert code == 0
    assert "not compared with the articles" in err


def test_verdicts_that_differ_fail_under_the_same_version_only(run: Run, model: Provider, tmp_path: Path) -> None:
    model.script = [Scripted(words("The bridge at Ostvik has 97 towers [1]."))]
    path = tmp_path / "r.json"
    run("ask", QUESTION, "--receipt", str(path))

    def improve(content: dict[str, Any]) -> None:
        content["answer"]["sentences"][0] |= {"verdict": "supported", "reasons": []}

    sealed_again(path, improve)
    code, out, err = run("verify", str(path))
    assert (code, err) == (1, "")
    assert "sentence 1 was supported, is now unsupported: The bridge at Ostvik has 97 towers" in out
    sealed_again(path, lambda content: content.update(version="0.0.1"))
    code, out, err = run("verify", str(path))
    assert code == 0
    assert "was supported, is now unsupported" in out
    assert "written by Footnote 0.0.1; this is 0.1.0, and may judge otherwise" in err


def test_another_embedder_is_told_and_no_failure(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    run("ask", QUESTION, "--receipt", str(path))
    sealed_again(path, lambda content: content.update(embedder={"name": "other", "fingerprint": "00"}))
    code, out, err = run("verify", str(path))
    assert (code, "verdicts:" in out) == (0, False)
    assert "not checked again: they were made with another embedder, other (00)" in err


def test_a_receipt_that_was_altered_is_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    run("ask", QUESTION, "--receipt", str(path))
    path.write_text(path.read_text(encoding="utf-8").replace("412", "421"), encoding="utf-8")
    code, out, err = run("verify", str(path), "--json")
    assert (code, out) == (3, "")
    assert "was altered, do not rely on it: its seal is not that of its content" in err
    sealed_again(path, lambda content: content["answer"].update(text="The bridge is new."))
    code, _, err = run("verify", str(path))
    assert code == 3
    assert "sentence 1 is not what stands in the answer" in err


def test_a_receipt_is_refused_before_anything_is_asked_where_it_cannot_be_written(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text("mine")
    code, out, err = run("ask", QUESTION, "--receipt", str(path))
    assert (code, out) == (3, "")
    assert "exists. Name a file that does not" in err
    assert run("ask", QUESTION, "--receipt", str(tmp_path / "away" / "r.json"))[0] == 3
    assert not (tmp_path / "library").exists()
    assert path.read_text() == "mine"


def test_no_receipt_can_steer_the_terminal(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    run("ask", QUESTION, "--receipt", str(path))
    sealed_again(path, lambda content: content.update(version="\x1b[31m1\u202e"))
    _, out, err = run("verify", str(path))
    assert not {"\x1b", "\u202e"} & set(out + err)
