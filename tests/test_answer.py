"""The query engine: answers, refusals, and llama-index's way of asking."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llama_index.core.base.response.schema import Response

from rag import cite, quotes, verify
from rag.answer import MAX_QUESTION, CitedQueryEngine, checked_question
from rag.errors import InputError
from rag.prompts import NOT_FOUND
from rag.types import Answer, AnswerSentence, Citation, Draft, DraftSentence, Evidence, EvidenceSpan
from tests.evidence import evidence, hit


class Given:
    """Retrieves what it was given."""

    def __init__(self, found: Evidence) -> None:
        self.found = found

    def evidence(self, question: str, top_k: int | None = None) -> Evidence:
        return self.found


def check(draft: Draft, found: Evidence) -> tuple[str, tuple[AnswerSentence, ...], tuple[Citation, ...]]:
    cited = cite.cite(draft, found)
    return *verify.verify(cited), cited.citations


def engine(found: Evidence, answerer: object = None) -> CitedQueryEngine:
    return CitedQueryEngine(Given(found), answerer or (lambda item: quotes.quote(item, 3)), "quotes", check)


FOUND = evidence("How long is the bridge?", hit("The bridge is 412 metres long. It was opened in 1931."))


def test_quotes_are_grounded() -> None:
    answer = engine(FOUND).answer("How long is the bridge?")
    assert answer.status == "grounded"
    assert answer.text.startswith("The bridge is 412 metres long. [1]")
    assert answer.timings.keys() >= {"retrieve_ms", "total_ms"}


def test_insufficient_evidence_is_not_found_and_no_answerer_is_asked() -> None:
    found = evidence("Who baked the cake?", *FOUND.hits, sufficient=False)
    answer = engine(found, lambda _: pytest.fail("asked")).answer("Who baked the cake?")
    assert (answer.status, answer.text, answer.citations, answer.sentences) == ("not_found", NOT_FOUND, (), ())
    assert len(answer.evidence.hits) == 1


def test_an_answerer_that_finds_nothing_is_not_found() -> None:
    assert engine(FOUND, lambda _: Draft((), "model")).answer("How long?").status == "not_found"


def test_an_invented_sentence_is_marked_and_the_answer_partial() -> None:
    span = FOUND.hits[0].passage.sentences[0]
    sentences = (
        DraftSentence("The bridge is 412 metres long.", (EvidenceSpan(1, span),)),
        DraftSentence("It is blue.", (EvidenceSpan(1, span),)),
    )
    answer = engine(FOUND, lambda _: Draft(sentences, "model")).answer("How long?")
    assert answer.status == "partial"
    assert [sentence.verdict for sentence in answer.sentences] == ["supported", "unsupported"]


def test_query_and_aquery_give_the_answer_with_its_sources() -> None:
    for response in (engine(FOUND).query("How long?"), asyncio.run(engine(FOUND).aquery("How long?"))):
        assert isinstance(response, Response)
        assert response.metadata is not None
        assert response.metadata["answer"]["text"] == response.response
        assert response.source_nodes[0].node.metadata["source"] == "a.md"


def test_the_stream_is_the_text_and_then_the_answer() -> None:
    for found in (FOUND, evidence("Who?", sufficient=False)):
        *pieces, answer = engine(found).stream("How long is the bridge?")
        assert isinstance(answer, Answer)
        assert "".join(str(piece) for piece in pieces) == answer.text


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
