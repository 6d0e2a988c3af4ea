"""The query engine: answers, refusals, and llama-index's way of asking."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.base.response.schema import Response

from rag import cite, quotes, verify
from rag.answer import MAX_QUESTION, Answerer, CitedQueryEngine, Stopped, checked_question
from rag.budget import Budget
from rag.errors import InputError, ProviderError
from rag.prompts import NOT_FOUND
from rag.types import ALL_ARTICLES, Answer, AnswerSentence, Citation, Draft, Evidence, Scope, Sufficiency
from tests.evidence import draft, evidence, hit, same


class Given:
    """Retrieves what it was given."""

    def __init__(self, found: Evidence) -> None:
        self.found = found

    def evidence(self, question: str, top_k: int | None = None, scope: Scope = ALL_ARTICLES) -> Evidence:
        return self.found


def check(draft: Draft, found: Evidence) -> tuple[str, tuple[AnswerSentence, ...], tuple[Citation, ...]]:
    cited = cite.cite(draft, found, same)
    return *verify.verify(cited, found), cited.citations


def replying(drafted: Draft) -> Answerer:
    """Return an answerer that gives one draft, word by word."""

    def answerer(found: Evidence, stopped: Stopped, budget: Budget) -> Iterator[str | Draft]:
        yield from drafted.text.splitlines(keepends=True)
        yield drafted

    return answerer


def quoting(found: Evidence, stopped: Stopped, budget: Budget) -> Iterator[str | Draft]:
    yield from replying(quotes.quote(found, 3))(found, stopped, budget)


def engine(found: Evidence, answerer: Answerer = quoting) -> CitedQueryEngine:
    return CitedQueryEngine(Given(found), answerer, "quotes", check)


def answered(reply: str, **details: Any) -> Answer:
    return engine(FOUND, replying(replace(draft(reply, FOUND), **details))).answer("How long is the bridge?")


FOUND = evidence("How long is the bridge?", hit("The bridge is 412 metres long. It was opened in 1931."))


def test_quotes_are_grounded() -> None:
    answer = engine(FOUND).answer("How long is the bridge?")
    assert answer.status == "grounded"
    assert answer.text.startswith("The bridge is 412 metres long. [1]")
    assert answer.timings.keys() >= {"retrieve_ms", "total_ms"}


def test_insufficient_evidence_is_not_found_and_no_answerer_is_asked() -> None:
    found = evidence("Who baked the cake?", *FOUND.hits, sufficient=False)
    answer = engine(found, lambda *_: pytest.fail("asked")).answer("Who baked the cake?")
    assert (answer.status, answer.text, answer.citations, answer.sentences) == ("not_found", NOT_FOUND, (), ())
    assert len(answer.evidence.hits) == 1


def test_what_is_missing_is_said_where_it_is_known() -> None:
    found = evidence("Who baked the cake?", *FOUND.hits)
    found = replace(found, sufficiency=Sufficiency(False, 'The passages do not mention "cake".', 0.1, 0.0, 0.2))
    answer = engine(found, lambda *_: pytest.fail("asked")).answer("Who baked the cake?")
    assert answer.text == f'{NOT_FOUND} The passages do not mention "cake".'
    assert (answer.sentences, answer.citations) == ((), ())


def test_an_answerer_that_finds_nothing_is_not_found() -> None:
    for nothing in ("", "---\n", "[1]"):
        answer = answered(nothing)
        assert (answer.status, answer.text, answer.citations) == ("not_found", NOT_FOUND, ())


def test_an_invented_sentence_is_marked_and_the_answer_partial() -> None:
    answer = answered("The bridge is 412 metres long [1]. It has 9 towers [1]. Come and see it.")
    assert answer.status == "partial"
    assert [sentence.verdict for sentence in answer.sentences] == ["supported", "unsupported", "unsupported"]


def test_a_reply_that_refuses_is_not_found_and_names_the_model() -> None:
    answer = answered(f"**{NOT_FOUND}**", usage={"total_tokens": 9}, warnings=("one model was busy",))
    assert (answer.status, answer.text, answer.sentences, answer.model) == ("not_found", NOT_FOUND, (), "model")
    assert (answer.usage, answer.warnings) == ({"total_tokens": 9}, ("one model was busy",))


def test_a_reply_that_refuses_and_cites_is_checked_like_any_other() -> None:
    answer = answered(f"{NOT_FOUND} The bridge is 412 metres long [1].")
    assert answer.status == "partial"
    assert [sentence.verdict for sentence in answer.sentences] == ["unsupported", "supported"]


def test_an_answer_says_what_its_draft_says_of_itself() -> None:
    answer = answered("The bridge is 412 metres long [1][7].", usage={"total_tokens": 9}, warnings=("slow",))
    assert (answer.status, answer.model, answer.dropped_marks) == ("grounded", "model", 1)
    assert (answer.usage, answer.warnings) == ({"total_tokens": 9}, ("slow",))


def test_a_cut_reply_is_checked_and_incomplete() -> None:
    answer = answered("The bridge is 412 metres long [1]. It was", cut="the connection ended")
    assert answer.status == "incomplete"
    assert answer.sentences[0].verdict == "supported"
    assert answer.warnings == ("The answer is not complete: the connection ended.",)


@pytest.mark.parametrize("reply", ["", "\n", "[1]"])
def test_a_reply_cut_before_its_first_word_is_incomplete_and_empty(reply: str) -> None:
    answer = answered(reply, cut="stopped by the reader")
    assert (answer.status, answer.text, answer.sentences, answer.citations) == ("incomplete", "", (), ())
    assert answer.evidence.hits


def test_a_cut_refusal_is_not_taken_for_one() -> None:
    assert answered(NOT_FOUND, cut="stopped by the reader").status == "incomplete"


def test_where_no_model_answers_the_error_carries_what_was_found() -> None:
    def failing(found: Evidence, stopped: Stopped, budget: Budget) -> Iterator[str | Draft]:
        raise ProviderError("The model is not there.", retryable=True)
        yield

    with pytest.raises(ProviderError) as raised:
        engine(FOUND, failing).answer("How long is the bridge?", warnings=("in use",))
    answer = raised.value.answer
    assert answer is not None
    assert (answer.status, answer.text, answer.evidence) == ("incomplete", "", FOUND)
    assert answer.warnings == ("in use", "The model is not there.")


def test_the_answerer_can_ask_whether_the_reader_has_stopped() -> None:
    asked: list[bool] = []

    def patient(found: Evidence, stopped: Stopped, budget: Budget) -> Iterator[str | Draft]:
        for word in ("The", " bridge", " is", " long"):
            asked.append(stopped())
            if asked[-1]:
                break
            yield word
        yield draft("The bridge", found, cut="stopped by the reader")

    answers = iter([False, False, True])
    *pieces, answer = engine(FOUND, patient).stream("How long is the bridge?", stopped=lambda: next(answers))
    assert (pieces, asked) == (["The", " bridge"], [False, False, True])
    assert isinstance(answer, Answer)
    assert answer.status == "incomplete"


def test_query_and_aquery_give_the_answer_with_its_sources() -> None:
    for response in (engine(FOUND).query("How long?"), asyncio.run(engine(FOUND).aquery("How long?"))):
        assert isinstance(response, Response)
        assert response.metadata is not None
        assert response.metadata["answer"]["text"] == response.response
        assert response.source_nodes[0].node.metadata["source"] == "a.md"


def test_the_stream_is_the_text_without_marks_and_then_the_answer() -> None:
    *pieces, answer = engine(FOUND).stream("How long is the bridge?")
    assert isinstance(answer, Answer)
    assert "[1]" in answer.text
    assert "".join(str(piece) for piece in pieces) == quotes.quote(FOUND, 3).text
    assert answer.timings.keys() == {"retrieve_ms", "first_token_ms", "verify_ms", "total_ms"}


def test_the_stream_of_a_refusal_is_its_text_and_then_the_answer() -> None:
    *pieces, answer = engine(evidence("Who?", sufficient=False)).stream("How long is the bridge?")
    assert isinstance(answer, Answer)
    assert pieces == [answer.text] == [NOT_FOUND]
    assert answer.timings.keys() == {"retrieve_ms", "total_ms"}


@pytest.mark.parametrize("question", ["", "  ", "\u200b", "?!…", "\x00", "\ud800"])
def test_an_empty_question_is_refused(question: str) -> None:
    with pytest.raises(InputError, match="empty"):
        checked_question(question)


def test_a_question_too_long_is_refused_with_the_limit() -> None:
    with pytest.raises(InputError, match=str(MAX_QUESTION)):
        checked_question("why " * MAX_QUESTION)


@given(st.text(max_size=300))
def test_any_question_is_either_refused_or_clean(question: str) -> None:
    try:
        text = checked_question(question)
    except InputError:
        return
    assert text.encode("utf-8").decode("utf-8") == text
    assert "\x00" not in text
