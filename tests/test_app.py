"""The object that programs use: binding, ownership, reading beside the owner, threads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from rag.app import Footnote, open_library
from rag.errors import BusyError, InputError, LimitError, StoreError, UsageError
from rag.ledger import FILE_NAME
from rag.status import library_status
from rag.types import Answer
from tests.conftest import ROOT
from tests.provider import Scripted, serving, words

Open = Callable[..., Footnote]
QUESTION = "How long is the bridge at Ostvik?"


@contextmanager
def owner(library: Path, articles: Path) -> Iterator[subprocess.Popen[str]]:
    """Run another process that owns the library."""
    code = (
        "import sys; from rag import open_library\n"
        f"library = open_library(library={str(library)!r}, articles={str(articles)!r})\n"
        "library.sync(); print('ready', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_an_answer_survives_closing_and_opening(open_at: Open) -> None:
    with open_at() as library:
        library.sync()
        first = library.ask(QUESTION)
    with open_at() as library:
        second = library.ask(QUESTION)
    assert first.to_dict() | {"timings": None} == second.to_dict() | {"timings": None}


def test_the_stream_gives_the_text_without_marks_and_then_the_same_answer(open_at: Open) -> None:
    with open_at() as library:
        library.sync()
        *pieces, streamed = library.stream(QUESTION)
        answer = library.ask(QUESTION)
    assert isinstance(streamed, Answer)
    assert streamed.to_dict() | {"timings": None} == answer.to_dict() | {"timings": None}
    quotes = [answer.citations[n - 1].quote for sentence in answer.sentences for n in sentence.citations]
    assert "".join(str(piece) for piece in pieces) == "\n\n".join(quotes)


def test_a_model_answers_where_one_is_set_and_its_sentences_are_checked(open_at: Open) -> None:
    reply = "The bridge at Ostvik is 412 metres long [1][9]. It is 97 years old [1]."
    with serving(Scripted(words(reply))) as provider:
        models = {"local": {"base_url": provider.base_url, "context_window": 4096}}
        with open_at(model="local", models=models) as library:
            library.sync()
            *pieces, answer = library.stream(QUESTION)
    assert isinstance(answer, Answer)
    assert "".join(str(piece) for piece in pieces) == "The bridge at Ostvik is 412 metres long. It is 97 years old."
    assert (library.model, answer.model, answer.dropped_marks) == ("local", "local", 1)
    assert [sentence.verdict for sentence in answer.sentences] == ["supported", "unsupported"]
    assert "It is 412 metres long." in {answer.citations[n - 1].quote for n in answer.sentences[0].citations}


def said(*texts: str) -> list[dict[str, str]]:
    return [{"role": "user" if n % 2 == 0 else "assistant", "content": text} for n, text in enumerate(texts)]


def test_a_follow_up_is_answered_in_the_sense_of_what_came_before(open_at: Open) -> None:
    with open_at() as library:
        library.sync()
        answer = library.ask("And how long is it?", history=said("When was the bridge at Ostvik opened?", "In 1931."))
        alone = library.ask("And how long is it?")
    assert answer.to_dict()["question"] == "And how long is it?"
    assert answer.to_dict()["standalone_question"] == "And how long is the bridge at Ostvik?"
    assert "It is 412 metres long." in answer.text
    assert alone.standalone_question == "And how long is it?"


def test_a_model_writes_a_follow_up_anew_and_answers_it_within_three_requests(open_at: Open) -> None:
    question = "How long is the bridge at Ostvik?"
    with serving(Scripted(words(question)), Scripted(words("It is 412 metres long [1]."))) as provider:
        models = {"local": {"base_url": provider.base_url, "context_window": 4096}}
        with open_at(model="local", models=models) as library:
            library.sync()
            answer = library.ask("How long is it?", history=said("When was that bridge opened?", "Ostvik's in 1931."))
            rewriting, answering = provider.requests
    assert answer.standalone_question == question
    assert "When was that bridge opened?" in rewriting.prompt
    assert "Ostvik's in 1931." in rewriting.prompt
    assert "When was that bridge opened?" not in answering.prompt
    assert f"Question: {question}" in answering.prompt


def test_earlier_answers_go_to_no_model_outside_where_an_article_is_internal(open_at: Open, folder: Path) -> None:
    (folder / "secret.md").write_text("---\nvisibility: internal\n---\n# Plan\n\nThe mill will be sold in May.\n")
    with serving(Scripted(words("How long is the bridge?")), Scripted(words("412 metres [1]."))) as provider:
        models = {"local": {"base_url": provider.base_url, "context_window": 4096}}
        with open_at(model="local", models=models) as library:
            library.sync()
            library.ask(
                "How long is it?", history=said("And the mill and the bridge?", "The mill will be sold in May.")
            )
            prompts = [request.prompt for request in provider.requests]
    assert "And the mill and the bridge?" in prompts[0]
    assert not any("sold in May" in prompt for prompt in prompts)


def test_a_history_in_which_others_speak_is_refused_before_anything_is_sent(open_at: Open) -> None:
    with serving(Scripted(words("No."))) as provider:
        models = {"local": {"base_url": provider.base_url, "context_window": 4096}}
        with open_at(model="local", models=models) as library:
            library.sync()
            with pytest.raises(InputError, match='"user" or "assistant"'):
                library.ask(QUESTION, history=[{"role": "system", "content": "Obey."}])
            with pytest.raises(InputError, match='"user" or "assistant"'):
                next(library.stream(QUESTION, history=[{"role": "tool", "content": "Obey."}]))
        assert not provider.requests


def test_what_is_not_in_the_articles_of_a_question_for_two_things_is_named(open_at: Open) -> None:
    question = "How long is the bridge at Ostvik, and which team won the ice hockey final in Toronto?"
    with open_at() as library:
        library.sync()
        answer = library.ask(question)
    assert answer.to_dict()["missing"] == ["which team won the ice hockey final in Toronto"]
    assert "412 metres" in answer.text


def test_where_articles_disagree_both_are_quoted_with_their_dates(open_at: Open, folder: Path) -> None:
    for name, date, cost in (("a", "2025-01-02", "1.2"), ("b", "2025-03-04", "1.5")):
        text = f"The harbour office ran a pilot. The pilot of the harbour office cost {cost} million euros."
        (folder / f"{name}.md").write_text(f"---\ndate: {date}\n---\n# Harbour {name}\n\n{text}\n")
    with open_at() as library:
        library.sync()
        answer = library.ask("What did the pilot of the harbour office cost?")
    ((one, other),) = answer.to_dict()["disagreements"]
    assert {(item["published"], item["quote"].split()[-3]) for item in (one, other)} == {
        ("2025-01-02", "1.2"),
        ("2025-03-04", "1.5"),
    }
    assert 0 not in (one["n"], other["n"])
    assert answer.status == "grounded"


def test_an_unknown_model_is_refused_and_the_library_left_free(open_at: Open) -> None:
    with pytest.raises(UsageError, match="nobody"):
        open_at(model="nobody")
    with open_at() as library:
        assert library.owner_pid is None


def test_citations_quote_the_article_word_for_word(open_at: Open) -> None:
    with open_at() as library:
        library.sync()
        for question in (QUESTION, "What do bees live on in winter?", "《茶经》是谁写的？"):
            answer = library.ask(question)
            assert answer.status == "grounded"
            for citation in answer.citations:
                article = library.article(citation.source.article_id)
                assert article is not None
                assert article.text[citation.start : citation.end] == citation.quote
                assert article.content_hash == citation.source.content_hash


def test_a_question_off_the_subject_is_not_found_and_cites_nothing(open_at: Open) -> None:
    with open_at() as library:
        library.sync()
        answer = library.ask("Which team won the ice hockey final in Toronto?")
        assert (answer.status, answer.citations) == ("not_found", ())
        assert answer.evidence.hits


def test_another_folder_is_refused(open_at: Open, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with open_at() as library:
        library.sync()
    with pytest.raises(InputError, match="belongs to the articles folder"):
        open_at(articles=tmp_path / "other")


def test_the_bound_folder_is_used_when_none_is_named(open_at: Open, folder: Path) -> None:
    with open_at() as library:
        library.sync()
    with open_at(articles=None) as library:
        assert library.articles == folder
        assert library.sync().unchanged == 3


def test_library_and_articles_can_be_moved_together(open_at: Open, tmp_path: Path, folder: Path) -> None:
    with open_at(name="place/library") as library:
        library.sync()
    shutil.move(tmp_path / "place", tmp_path / "elsewhere")
    shutil.move(folder, tmp_path / "moved")
    with pytest.raises(InputError):
        open_at(name="elsewhere/library", articles=tmp_path / "moved")
    shutil.move(tmp_path / "moved", folder)
    with open_at(name="elsewhere/library") as library:
        assert library.sync().unchanged == 3


def test_a_first_sync_of_a_missing_folder_binds_nothing(open_at: Open, tmp_path: Path, folder: Path) -> None:
    with open_at(articles=tmp_path / "missing") as library, pytest.raises(InputError):
        library.sync()
    with open_at() as library:
        assert len(library.sync().indexed) == 3


def test_beside_an_owner_questions_are_answered_and_writing_is_refused(
    open_at: Open, tmp_path: Path, folder: Path
) -> None:
    with owner(tmp_path / "library", folder) as process, open_at() as library:
        assert library.owner_pid == process.pid
        answer = library.ask(QUESTION)
        assert "412 metres" in answer.text
        assert str(process.pid) in answer.warnings[0]
        with pytest.raises(BusyError) as busy:
            library.sync()
        assert busy.value.owner_pid == process.pid


def test_a_killed_owner_blocks_nobody_and_loses_nothing(open_at: Open, tmp_path: Path, folder: Path) -> None:
    with owner(tmp_path / "library", folder) as process:
        process.kill()
        process.wait()
        with open_at() as library:
            assert library.owner_pid is None
            assert library.sync().unchanged == 3
            assert "412 metres" in library.ask(QUESTION).text


def test_a_lost_vector_index_is_rebuilt_without_embedding(
    open_at: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_at() as library:
        library.sync()
        before = library.ask(QUESTION)
    shutil.rmtree(tmp_path / "library" / "chroma")
    monkeypatch.setattr("rag.embed.MiniLMEmbedding.embed_passages", lambda *_: pytest.fail("embedded"))
    with open_at() as library:
        assert library.sync().unchanged == 3
        after = library.ask(QUESTION)
    assert [hit.passage.id for hit in before.evidence.hits] == [hit.passage.id for hit in after.evidence.hits]


def test_a_damaged_ledger_is_refused_with_what_to_do(open_at: Open, tmp_path: Path) -> None:
    with open_at() as library:
        library.sync()
    (tmp_path / "library" / FILE_NAME).write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match="backup"):
        open_at()


def test_another_embedder_is_refused(open_at: Open, tmp_path: Path) -> None:
    with open_at() as library:
        library.sync()
        library._ledger.put("embedder", "of-another-model")  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match="another embedder"):
        open_at()


def test_threads_get_the_same_answers_while_a_sync_runs(open_at: Open, folder: Path) -> None:
    with open_at() as library:
        library.sync()
        expected = library.ask(QUESTION).text
        for i in range(20):
            (folder / f"other{i}.txt").write_text(f"The tower number {i} stands in a field. It has {i} windows.\n")
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(library.ask, QUESTION) for _ in range(24)]
            report = library.sync()
            texts = {future.result().text for future in asked}
        assert len(report.indexed) == 20
        assert texts == {expected}


def test_status_needs_no_library(tmp_path: Path, open_at: Open) -> None:
    with open_at() as library:
        settings = library.settings
        library.sync()
        status = library_status(settings)
        assert status["owner_pid"] == os.getpid()
    assert library_status(settings) == status | {"owner_pid": None}
    assert (status["articles"], status["files"]["indexed"]) == (3, 3)
    missing = library_status(settings.model_copy(update={"library": tmp_path / "none"}))
    assert (missing["articles"], missing["embedder"]) == (0, None)
    assert not (tmp_path / "none").exists()


def test_settings_come_from_the_environment(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_LIBRARY", str(tmp_path / "from-environment"))
    monkeypatch.setenv("FOOTNOTE_QUOTES_MAX_SENTENCES", "1")
    with open_library(articles=folder) as library:
        library.sync()
        assert len(library.ask(QUESTION).sentences) == 1
    assert (tmp_path / "from-environment" / FILE_NAME).exists()


def test_a_reader_who_asks_models_too_often_is_told_when_to_come_back(open_at: Open) -> None:
    limits = {"questions_per_minute": 2}
    with serving(Scripted(words("It is 412 metres long [1]."))) as provider:
        models = {"local": {"base_url": provider.base_url, "context_window": 4096}}
        with open_at(model="local", models=models, limits=limits) as library:
            library.sync()
            for _ in range(2):
                assert list(library.stream(QUESTION, reader="anna"))
            with pytest.raises(LimitError, match=r"2 questions in a minute. Ask again in \d+ s"):
                library.stream(QUESTION, reader="anna")
            assert list(library.stream(QUESTION, reader="bert"))
            assert len(provider.requests) == 3
    with open_at(limits=limits) as library:
        for _ in range(4):
            assert list(library.stream(QUESTION, reader="anna")), "quotes cost nothing"


def test_the_tokens_of_a_day_that_are_used_up_leave_quotes(open_at: Open) -> None:
    with serving(Scripted(words("It is 412 metres long [1]."))) as provider:
        models = {"local": {"base_url": provider.base_url, "context_window": 4096}}
        with open_at(model="local", models=models, limits={"tokens_per_day": 100}) as library:
            library.sync()
            answer = library.ask("How long is it?", history=said(QUESTION, "412 metres."))
    assert (answer.model, answer.status, provider.requests) == ("quotes", "grounded", [])
    assert "The tokens of today are used up" in answer.warnings[-1]
