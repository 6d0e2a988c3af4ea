"""Owns which models a reader may choose, and the engines that answer with them: in their order, alone, side by side."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from threading import Semaphore
from typing import TYPE_CHECKING

from rag.answer import Answerer, Check, CitedQueryEngine, EvidenceRetriever, Judge, Stopped
from rag.budget import Budget
from rag.compare import side_by_side
from rag.config import Settings
from rag.errors import InputError, ProviderError
from rag.factory import make_answerer, make_standalone
from rag.limits import Limits
from rag.quotes import QuoteAnswerer
from rag.types import QUOTES, Answer, Exchange, ModelChoice, Scope

if TYPE_CHECKING:
    from rag.generate import ModelAnswerer

_MOST = 4  # models that are compared


class Choices:
    """The models that the settings name in `model`, and quotes; no other is ever asked.

    All engines share one connection to each model, what is known of its failures, and the limits. Raises UsageError
    for a model that is unknown.
    """

    def __init__(
        self,
        settings: Settings,
        limits: Limits,
        retriever: EvidenceRetriever,
        check: Check,
        judge: Judge | None,
        has_internal: Callable[[], bool],
    ) -> None:
        self.answerer = make_answerer(settings)
        self._quotes = QuoteAnswerer(settings.quotes.max_sentences)
        self._settings = settings
        self._limits = limits
        self._retriever = retriever
        self._check = check
        self._judge = judge
        self._has_internal = has_internal
        # Many at a time would only slow each other down, and all that stream; another maker's embedder is waited for.
        self._turns: AbstractContextManager[object] = (
            nullcontext() if settings.embedder.use else Semaphore(os.cpu_count() or 1)
        )
        self.models = [*self.answerer.choices, ModelChoice(QUOTES, in_house=True)]
        self.engine = self._engine(self.answerer)

    def engine_of(self, names: Sequence[str]) -> CitedQueryEngine:
        """Return the engine of one model alone, or of all in their order where none is named."""
        if len(names) > 1:
            raise InputError("One model answers, or several are compared. Choose one.")
        return self._engine(self._answerer_of(names)) if names else self.engine

    def questions(self, names: Sequence[str]) -> int:
        """Return for how many questions to models it counts to ask these: quotes cost nothing."""
        if not names:
            return 1 if self.answerer.requests else 0
        return sum(name != QUOTES for name in names)

    def check_compared(self, names: Sequence[str]) -> None:
        """Raise InputError where these cannot be compared."""
        if not 2 <= len(names) <= _MOST or len(set(names)) < len(names):
            raise InputError(f"From 2 to {_MOST} models can be compared, each once. Choose among {self._listed}.")
        self._answerer_of(names)

    def compare(
        self,
        names: Sequence[str],
        question: str,
        warnings: tuple[str, ...],
        stopped: Stopped,
        history: Sequence[Exchange],
        scope: Scope,
    ) -> Iterator[tuple[int, str | Answer | ProviderError]]:
        """Yield what each model answers on the same evidence, with its place in `names`; as `Footnote.compare`."""
        together = self._engine(self._answerer_of(names))
        rewriting = together.budget(stopped)
        before = rewriting.left
        found = together.found(question, rewriting, None, stopped, history, scope)
        sent = before - rewriting.left

        def answer(name: str, over: Stopped) -> Iterator[str | Answer]:
            engine = self.engine_of((name,))
            budget = engine.budget(over)
            # What it took to understand the question counts for each of them.
            budget.left, budget.deadline = max(0, budget.left - sent), rewriting.deadline
            return engine.drafted(found, budget, warnings, over)

        yield from side_by_side([partial(answer, name) for name in names], stopped)

    def close(self) -> None:
        """Close the connections to all models."""
        self.answerer.close()

    def _answerer_of(self, names: Sequence[str]) -> QuoteAnswerer | ModelAnswerer:
        """Return what answers with these models, in their order; quotes where there is none beside it."""
        known = {model.name for model in self.models}
        if unknown := next((name for name in names if name not in known), None):
            raise InputError(f"No model {unknown!r:.100} may be chosen. Choose among {self._listed}.")
        asked = [name for name in names if name != QUOTES]
        return self.answerer.of(asked) if asked and not isinstance(self.answerer, QuoteAnswerer) else self._quotes

    @property
    def _listed(self) -> str:
        return ", ".join(model.name for model in self.models)

    def _engine(self, answerer: QuoteAnswerer | ModelAnswerer) -> CitedQueryEngine:
        answering: Answerer = answerer.stream
        if answerer.requests:
            most = self._settings.answer.max_tokens
            answering = self._limits.answering(answering, answerer.quote, most, answerer.name)
        return CitedQueryEngine(
            self._retriever,
            answering,
            answerer.name,
            self._check,
            partial(Budget, answerer.requests, self._settings.answer.timeout),
            make_standalone(answerer, self._limits, self._has_internal),
            self._judge,
            self._turns,
        )
