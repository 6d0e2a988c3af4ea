"""Owns the way from a question to a checked answer, as llama-index's query engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import RESPONSE_TYPE, Response
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import QueryBundle

from rag.errors import InputError
from rag.nodes import to_node
from rag.prompts import NOT_FOUND
from rag.text import clean
from rag.types import Answer, AnswerSentence, Citation, Draft, Evidence, Status

MAX_QUESTION = 8000

Answerer = Callable[[Evidence], Draft]
Check = Callable[[Draft, Evidence], tuple[str, tuple[AnswerSentence, ...], tuple[Citation, ...]]]


class EvidenceRetriever(Protocol):
    """What finds the passages for a question."""

    def evidence(self, question: str, top_k: int | None = None) -> Evidence:
        """Return the best passages, best first, and whether they can hold an answer."""


class CitedQueryEngine(BaseQueryEngine):
    """Retrieves, lets an answerer draft, cites and verifies; nothing uncited reaches the answer as cited.

    `query` and `aquery` return a llama-index Response whose `metadata["answer"]` is the answer in
    the shape of the JSON contract; `answer` returns the `Answer` itself.
    """

    def __init__(self, retriever: EvidenceRetriever, answerer: Answerer, model: str, check: Check) -> None:
        super().__init__(callback_manager=None)
        self._retriever = retriever
        self._answerer = answerer
        self._model = model
        self._check = check

    def answer(self, question: str, top_k: int | None = None, warnings: tuple[str, ...] = ()) -> Answer:
        """Return the checked answer to a question; raises InputError where there is no question in it."""
        began = time.perf_counter()
        text = checked_question(question)
        evidence = self._retriever.evidence(text, top_k)
        retrieved = time.perf_counter()
        answer = self._drafted(evidence) if evidence.sufficiency.sufficient else _not_found(evidence, self._model)
        timings = {
            "retrieve_ms": (retrieved - began) * 1000,
            "answer_ms": (time.perf_counter() - retrieved) * 1000,
            "total_ms": (time.perf_counter() - began) * 1000,
        }
        return replace(answer, warnings=warnings, timings=timings)

    def stream(self, question: str) -> Iterator[str | Answer]:
        """Yield the text of the answer piece by piece and, last, the `Answer` itself."""
        answer = self.answer(question)
        end = 0
        for sentence in answer.sentences:
            yield answer.text[end : sentence.end]
            end = sentence.end
        if answer.text[end:]:
            yield answer.text[end:]
        yield answer

    def _drafted(self, evidence: Evidence) -> Answer:
        text, sentences, citations = self._check(self._answerer(evidence), evidence)
        if not sentences:
            return _not_found(evidence, self._model)
        supported = all(sentence.verdict == "supported" for sentence in sentences)
        status: Status = "grounded" if supported else "partial"
        return Answer(evidence.question, status, text, sentences, citations, evidence, self._model)

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        answer = self.answer(query_bundle.query_str)
        nodes = [to_node(hit) for hit in answer.evidence.hits]
        return Response(answer.text, source_nodes=nodes, metadata={"answer": answer.to_dict()})

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        return await asyncio.to_thread(self._query, query_bundle)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}


def _not_found(evidence: Evidence, model: str) -> Answer:
    return Answer(evidence.question, "not_found", NOT_FOUND, (), (), evidence, model)


def checked_question(question: str) -> str:
    """Return a question as one clean text; raises InputError where it is empty or too long to be one."""
    text = clean(question).strip()
    if not any(char.isalnum() for char in text):
        raise InputError('The question is empty. Ask in words, for example: footnote ask "Who founded Midjourney?"')
    if len(text) > MAX_QUESTION:
        raise InputError(f"The question has {len(text)} characters. Shorten it to {MAX_QUESTION} or fewer.")
    return text
