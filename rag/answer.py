"""Owns the way from a question to a checked answer, as llama-index's query engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Protocol

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.response.schema import RESPONSE_TYPE, Response
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import QueryBundle

from rag.budget import Budget
from rag.disagreement import disagreements
from rag.errors import InputError, ProviderError
from rag.nodes import to_node
from rag.prompts import NOT_FOUND, refuses, searched_text
from rag.text import clean
from rag.types import ALL_ARTICLES, Answer, AnswerSentence, Citation, Draft, Evidence, Exchange, Scope, Status

MAX_QUESTION = 8000

Stopped = Callable[[], bool]
Answerer = Callable[[Evidence, Stopped, Budget], Iterator[str | Draft]]
"""Yields the text of a reply as it comes and, last, the draft; ends soon once it is stopped; keeps to the budget."""
Standalone = Callable[[str, Sequence[Exchange], Budget, Stopped], str]
"""Returns a follow-up with what it leaves unsaid, taken from what was said before."""
Judge = Callable[[Answer, Budget], Answer]
"""Returns an answer with a second opinion on its sentences."""
Check = Callable[[Draft, Evidence], tuple[str, tuple[AnswerSentence, ...], tuple[Citation, ...]]]


class EvidenceRetriever(Protocol):
    """What finds the passages for a question."""

    def evidence(self, question: str, top_k: int | None = None, scope: Scope = ALL_ARTICLES) -> Evidence:
        """Return the best passages of a scope, best first, and whether they can hold an answer."""


@dataclass(frozen=True, slots=True)
class Found:
    """A question, what was found for it, and how long that took; `began` is in seconds of the performance counter."""

    question: str
    evidence: Evidence
    began: float
    timings: dict[str, float]


_AT_ONCE: AbstractContextManager[None] = nullcontext()


class CitedQueryEngine(BaseQueryEngine):
    """Retrieves, lets an answerer draft, cites and verifies; nothing uncited reaches the answer as cited.

    `query` and `aquery` return a llama-index Response whose `metadata["answer"]` is the answer in
    the shape of the JSON contract; `answer` returns the `Answer` itself.
    """

    def __init__(
        self,
        retriever: EvidenceRetriever,
        answerer: Answerer,
        model: str,
        check: Check,
        budget: Callable[[Stopped], Budget] = lambda stopped: Budget(stopped=stopped),
        standalone: Standalone = lambda question, *_: question,
        judge: Judge | None = None,
        turns: AbstractContextManager[object] = _AT_ONCE,
    ) -> None:
        """`turns` is held while passages are searched for and while a draft is checked: the work of this machine."""
        super().__init__(callback_manager=None)
        self._retriever = retriever
        self._answerer = answerer
        self._model = model
        self._check = check
        self.budget = budget
        self._standalone = standalone
        self._judge = judge
        self._turns = turns

    def answer(
        self,
        question: str,
        top_k: int | None = None,
        warnings: tuple[str, ...] = (),
        history: Sequence[Exchange] = (),
        scope: Scope = ALL_ARTICLES,
    ) -> Answer:
        """Return the checked answer to a question; with a `history`, to what it means after that.

        Raises InputError where there is no question in it, ProviderError where no model gave an answer.
        """
        parts = self.stream(question, top_k, warnings, history=history, scope=scope)
        return next(part for part in parts if isinstance(part, Answer))

    def stream(
        self,
        question: str,
        top_k: int | None = None,
        warnings: tuple[str, ...] = (),
        stopped: Stopped = lambda: False,
        history: Sequence[Exchange] = (),
        scope: Scope = ALL_ARTICLES,
    ) -> Iterator[str | Answer]:
        """Yield the text of the draft piece by piece, without marks, and last the checked `Answer`.

        `stopped` is asked again and again; once it is true, what came so far is checked and the answer
        says that it is incomplete. Raises what `answer` raises.
        """
        budget = self.budget(stopped)
        found = self.found(question, budget, top_k, stopped, history, scope)
        yield from self.drafted(found, budget, warnings, stopped)

    def found(
        self,
        question: str,
        budget: Budget,
        top_k: int | None = None,
        stopped: Stopped = lambda: False,
        history: Sequence[Exchange] = (),
        scope: Scope = ALL_ARTICLES,
    ) -> Found:
        """Return the evidence for a question, or for what it means after what was said before."""
        began = time.perf_counter()
        text = checked_question(question)
        asked = self._standalone(text, history, budget, stopped) if history else text
        timings = {"rewrite_ms": _since(began)} if history else {}
        searching = time.perf_counter()
        with self._turns:
            evidence = self._retriever.evidence(asked, top_k, scope)
        return Found(text, evidence, began, timings | {"retrieve_ms": _since(searching)})

    def drafted(
        self, found: Found, budget: Budget, warnings: tuple[str, ...] = (), stopped: Stopped = lambda: False
    ) -> Iterator[str | Answer]:
        """Yield, as `stream` does, the answer to what was found; where that does not suffice, nothing is asked."""
        evidence, timings = found.evidence, dict(found.timings)
        answer = _not_found(evidence, self._model)
        if evidence.sufficiency.sufficient:
            try:
                for part in self._answerer(evidence, stopped, budget):
                    if isinstance(part, Draft):
                        drafted = time.perf_counter()
                        with self._turns:
                            answer = self._checked(part, evidence)
                        timings["verify_ms"] = _since(drafted)
                        if self._judge and not stopped():
                            judging = time.perf_counter()
                            answer = self._judge(answer, budget)
                            timings["judge_ms"] = _since(judging)
                    else:
                        timings.setdefault("first_token_ms", _since(found.began))
                        yield part
            except ProviderError as error:
                error.answer = replace(
                    _incomplete(evidence, self._model, (*warnings, str(error))),
                    question=found.question,
                    timings=timings,
                )
                raise
        if "first_token_ms" not in timings:
            yield answer.text
        timings["total_ms"] = _since(found.began)
        yield replace(answer, question=found.question, warnings=(*warnings, *answer.warnings), timings=timings)

    def _checked(self, draft: Draft, evidence: Evidence) -> Answer:
        if refuses(draft.text) and not draft.marks and not draft.cut:
            answer = _not_found(evidence, draft.model)
        elif not draft.sentences:
            answer = _incomplete(evidence, draft.model) if draft.cut else _not_found(evidence, draft.model)
        else:
            text, sentences, citations = self._check(draft, evidence)
            supported = all(sentence.verdict == "supported" for sentence in sentences)
            status: Status = "incomplete" if draft.cut else "grounded" if supported else "partial"
            answer = Answer(
                evidence.question,
                status,
                text,
                sentences,
                citations,
                evidence,
                draft.model,
                disagreements=disagreements(citations, evidence),
            )
        cut = (f"The answer is not complete: {draft.cut}.",) if draft.cut else ()
        return replace(
            answer,
            dropped_marks=draft.dropped_marks,
            usage=draft.usage,
            warnings=(*draft.warnings, *cut),
            draft=draft,
        )

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        answer = self.answer(query_bundle.query_str)
        nodes = [to_node(hit) for hit in answer.evidence.hits]
        return Response(answer.text, source_nodes=nodes, metadata={"answer": answer.to_dict()})

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        return await asyncio.to_thread(self._query, query_bundle)

    def _get_prompt_modules(self) -> PromptMixinType:
        return {}


def _not_found(evidence: Evidence, model: str) -> Answer:
    searched = searched_text(evidence.scope)
    text = " ".join(filter(None, (NOT_FOUND, evidence.sufficiency.reason, searched)))
    return Answer(evidence.question, "not_found", text, (), (), evidence, model)


def _incomplete(evidence: Evidence, model: str, warnings: tuple[str, ...] = ()) -> Answer:
    return Answer(evidence.question, "incomplete", "", (), (), evidence, model, warnings=warnings)


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def checked_question(question: str) -> str:
    """Return a question as one clean text; raises InputError where it is empty or too long to be one."""
    text = clean(question).strip()
    if not any(char.isalnum() for char in text):
        raise InputError("The question is empty. Ask in words, for example: Who founded Midjourney?")
    if len(text) > MAX_QUESTION:
        raise InputError(f"The question has {len(text)} characters. Shorten it to {MAX_QUESTION} or fewer.")
    return text
