"""Owns which embedder, reranker and answerer the settings mean; what is not used is not loaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rag import cite, verify
from rag.answer import Check, Standalone, Stopped
from rag.budget import Budget, estimated_tokens
from rag.config import Settings
from rag.conversation import standalone
from rag.embed import MiniLMEmbedding, token_counter
from rag.limits import Limits
from rag.prompts import rewrite_messages
from rag.quotes import QuoteAnswerer
from rag.types import AnswerSentence, Citation, Draft, Embedder, Evidence, Exchange

if TYPE_CHECKING:
    from rag.adapters import Reranker
    from rag.generate import ModelAnswerer
    from rag.judge import ModelJudge

_REWRITE = 120  # tokens that a model may take to write a follow-up anew


def make_embedder(settings: Settings) -> Embedder:
    """Return the built-in embedder, or the one that is set."""
    if not settings.embedder.use:
        return MiniLMEmbedding(settings.embedder.path)
    from rag.adapters import OtherEmbedder  # imports that the built-in embedder does not need

    return OtherEmbedder(settings.embedder, token_counter())


def make_reranker(settings: Settings) -> Reranker | None:
    """Return the reranker that is set, if any."""
    if not settings.reranker.use:
        return None
    from rag.adapters import Reranker

    return Reranker(settings.reranker)


def make_judge(settings: Settings, limits: Limits) -> ModelJudge | None:
    """Return the model that judges beside our rules, if one is set."""
    if not settings.judge.strip(" ,"):
        return None
    from rag.generate import ModelAnswerer
    from rag.judge import ModelJudge, verdicts_folder
    from rag.models import ChatModel, model_specs

    specs = model_specs(settings.model_copy(update={"model": settings.judge}), os.environ)
    asked = ModelAnswerer([ChatModel(spec, settings.answer) for spec in specs], QuoteAnswerer(1).quote)
    in_house = all(spec.in_house for spec in specs)

    def ask(messages: Sequence[tuple[str, str]], budget: Budget) -> str | None:
        tokens = sum(estimated_tokens(text) for _, text in messages)
        with limits.paying(tokens, settings.answer.max_tokens, budget) as paying:
            if paying is None:
                return None
            most = settings.answer.max_tokens
            return asked.complete(messages, budget, most, internal=in_house, keep=0, stopped=budget.stopped)

    identity = " ".join(f"{spec.model} {spec.base_url}" for spec in specs)
    return ModelJudge(
        asked.name, ask, in_house=in_house, folder=verdicts_folder(), identity=identity, close=asked.close
    )


def make_check(embedder: Embedder) -> Check:
    """Return what cites and verifies a draft."""

    def check(draft: Draft, evidence: Evidence) -> tuple[str, tuple[AnswerSentence, ...], tuple[Citation, ...]]:
        cited = cite.cite(draft, evidence, embedder.embed_question)
        return *verify.verify(cited, evidence), cited.citations

    return check


def make_answerer(settings: Settings) -> QuoteAnswerer | ModelAnswerer:
    """Return what answers: the models that are set, else quotes."""
    quoting = QuoteAnswerer(settings.quotes.max_sentences)
    if not settings.model.strip(" ,"):
        return quoting
    from rag.generate import ModelAnswerer  # seconds of imports that quotes do not need
    from rag.models import ChatModel, model_specs

    models = [ChatModel(spec, settings.answer) for spec in model_specs(settings, os.environ)]
    return ModelAnswerer(models, quoting.quote)


def make_standalone(
    answerer: QuoteAnswerer | ModelAnswerer, limits: Limits, has_internal: Callable[[], bool]
) -> Standalone:
    """Return what makes a follow-up a question that stands alone: the models that answer, and rules."""

    def rewritten(question: str, history: Sequence[Exchange], budget: Budget, stopped: Stopped) -> str:
        def written(told: Sequence[Exchange], *, answers: bool, internal: bool) -> str | None:
            messages = rewrite_messages(told, question, answers=answers)
            tokens = sum(estimated_tokens(text) for _, text in messages)
            with limits.paying(tokens, _REWRITE, budget) as paying:
                if paying is None:
                    return None
                return answerer.complete(messages, budget, _REWRITE, internal=internal, stopped=stopped)

        def rewrite(told: Sequence[Exchange], _question: str) -> str | None:
            # Earlier answers may quote internal articles: those go to in-house models only.
            internal = has_internal()
            reply = written(told, answers=True, internal=internal)
            return written(told, answers=False, internal=False) if reply is None and internal else reply

        return standalone(question, history, rewrite)

    return rewritten
