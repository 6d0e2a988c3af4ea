"""Owns the wiring: the only module that knows all stages, and the object that programs use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag import claims
from rag.answer import CitedQueryEngine, Stopped, checked_question
from rag.asks import PartwiseRetriever
from rag.budget import Budget
from rag.choices import Choices
from rag.config import Settings, load_settings
from rag.conversation import by_rules, exchanges
from rag.errors import InputError, ProviderError
from rag.factory import make_check, make_embedder, make_judge, make_reranker
from rag.index import exact_index
from rag.ledger import Ledger, LedgerReader
from rag.limits import Limits
from rag.opening import bound_folder, check_embedder, open_store
from rag.origin import Origin, origin
from rag.owner import Owner
from rag.pages import Pages
from rag.receipt import receipt
from rag.retrieve import HybridRetriever
from rag.scope import checked_scope
from rag.sufficiency import judge
from rag.types import (
    ALL_ARTICLES,
    Answer,
    Article,
    Citation,
    Evidence,
    ModelChoice,
    Progress,
    Scope,
    Source,
    SyncReport,
    WhyNot,
)

if TYPE_CHECKING:
    from rag.doctor import StoreCheck
    from rag.quality import QualityReport


Messages = Sequence[Mapping[str, object]]
_NO_ARTICLE = ""  # an id that none has


def open_library(
    settings: Settings | None = None,
    *,
    library: Path | str | None = None,
    articles: Path | str | None = None,
    re_embed: bool = False,
) -> Footnote:
    """Open a library, made if it is not there; the arguments win over environment and `footnote.toml`.

    Where another process owns it, or it cannot be written, it is opened for reading only: `notice` says so.
    With `re_embed` a library of another embedder is opened too, for `sync` to embed all of it again.

    Raises InputError for a library that belongs to another articles folder, StoreError where it is
    damaged or was built with another embedder.
    """
    if settings is None:
        settings = load_settings(os.environ, overrides={"library": library, "articles": articles})
    return Footnote(settings, re_embed=re_embed)


class Footnote:
    """An open library: sync it, ask it, search it. A context manager; safe to share between threads."""

    def __init__(self, settings: Settings, *, re_embed: bool = False) -> None:
        self.settings = settings
        self.model: str
        """What answers: the names of the models that are set, or `quotes`."""
        self._owner: Owner | None = None
        self._store = open_store(settings.library)
        self._ledger = self._store.ledger
        try:
            self.articles = bound_folder(self._ledger, settings)
            self.pages = Pages(self._ledger, self.articles)
            self._embedder = make_embedder(settings)
            if not re_embed:
                check_embedder(self._ledger, settings, self._embedder)
            if isinstance(self._ledger, Ledger):
                self._owner = Owner(self._ledger, settings, self.articles, self._embedder)
            index = self._owner.index if self._owner else exact_index(self._ledger)
            reranker = make_reranker(settings)
            self._retriever = HybridRetriever(self._ledger, index, self._embedder, settings.retrieval, judge, reranker)
            self._partwise = PartwiseRetriever(self._retriever, by_rules)
            self._limits = Limits(settings.limits, settings.library)
            self._judge = make_judge(settings, self._limits)
            self._check = make_check(self._embedder)
            self._choices = Choices(
                settings, self._limits, self._partwise, self._check, self._judge, self._ledger.has_internal
            )
        except BaseException:
            self.close()
            raise
        self._answerer = self._choices.answerer
        self._engine = self._choices.engine
        self.model = self._answerer.name

    @property
    def ledger(self) -> LedgerReader:
        """What is in the library, for lists of it: files and their states, articles, the words in them."""
        return self._ledger

    @property
    def notice(self) -> str | None:
        """What a reader must know who asks a library that this process may not change; None for its owner."""
        return self._store.notice

    @property
    def troubled(self) -> list[str]:
        """The models that failed too often of late and are left alone for a while."""
        return self._answerer.troubled

    @property
    def owner_pid(self) -> int | None:
        """The process that owns the library, where it is not this one."""
        return self._store.owner_pid

    @property
    def owner(self) -> Owner:
        """What changes the library. Raises BusyError beside another owner, ReadOnlyError where it cannot be written."""
        if self._owner is None:
            raise self._store.error
        return self._owner

    def sync(self, progress: Callable[[Progress], None] | None = None, *, prune: bool = False) -> SyncReport:
        """Bring the library in line with its articles folder and return what became of every file.

        Raises BusyError beside another owner; InputError where the folder cannot be listed, or so much of it is
        gone that it may be the wrong one (unless `prune`).
        """
        return self.owner.sync(progress, prune=prune)

    @property
    def models(self) -> list[ModelChoice]:
        """What may be chosen to answer: each model that the settings name in `model`, and quotes."""
        return self._choices.models

    def scope(self, sources: Sequence[str] = (), as_of: str | None = None) -> Scope:
        """Return the scope of these sources, as citations or `status` name them; a file stands for all its articles.

        Raises InputError for one that is not in the library, and for what is no date.
        """
        found = {source: self._ledger.ids_of(source) for source in sources}
        if unknown := next((source for source, ids in found.items() if not ids), None):
            raise InputError(f"No article in the library is called {unknown}. `footnote status --verbose` lists them.")
        return checked_scope(Scope(tuple(chain.from_iterable(found.values())), as_of))

    def ask(
        self,
        question: str,
        top_k: int | None = None,
        history: Messages = (),
        *,
        scope: Scope = ALL_ARTICLES,
        model: str | None = None,
    ) -> Answer:
        """Return the checked answer to a question.

        `history` is what was said before, oldest first: messages with a `role`, "user" or "assistant", and a text as
        `content`; a follow-up is answered in its sense. Only articles of the `scope` are searched; where it names
        some and the library has none of them, none are. `model`, one of `models`, answers alone. Raises InputError
        where the question is empty or too long, the history holds anything else, the scope's date is none, or the
        model is not one of those; ProviderError where no model gave an answer.
        """
        engine = self._choices.engine_of(() if model is None else (model,))
        return engine.answer(question, top_k, self._warnings, exchanges(history), checked_scope(scope))

    def stream(
        self,
        question: str,
        stopped: Stopped = lambda: False,
        history: Messages = (),
        reader: str | None = None,
        *,
        scope: Scope = ALL_ARTICLES,
        models: Sequence[str] = (),
    ) -> Iterator[str | Answer]:
        """Yield the draft's text piece by piece and, last, the checked `Answer`; as `ask`.

        Once `stopped` returns true, what came so far is checked and returned as an incomplete answer. `models` names
        one of `models`, or none for all in their order. The questions of a `reader` to models are counted: LimitError
        is raised for one that asks too many.
        """
        engine = self._choices.engine_of(models)
        told, searched = exchanges(history), checked_scope(scope)
        self._admit(reader, models)
        return engine.stream(question, None, self._warnings, stopped, told, searched)

    def compare(
        self,
        question: str,
        models: Sequence[str],
        stopped: Stopped = lambda: False,
        history: Messages = (),
        reader: str | None = None,
        *,
        scope: Scope = ALL_ARTICLES,
    ) -> Iterator[tuple[int, str | Answer | ProviderError]]:
        """Yield what 2 to 4 of `models` answer at the same time, from the same evidence, each with its place in them.

        Of each, pieces of the draft's text and, last, its checked `Answer`, or the ProviderError that stands for it:
        its `answer` holds the evidence. Closing the iterator ends all requests; `stopped` as in `stream`. Each model
        counts as one question of the `reader`. Raises InputError for other numbers or names of models, and as `ask`.
        """
        self._choices.check_compared(models)
        told, searched = exchanges(history), checked_scope(scope)
        self._admit(reader, models)
        return self._choices.compare(models, question, self._warnings, stopped, told, searched)

    def search(self, question: str, top_k: int | None = None, *, scope: Scope = ALL_ARTICLES) -> Evidence:
        """Return the best passages for a question, best first, without answering it."""
        return self._partwise.evidence(checked_question(question), top_k, checked_scope(scope))

    def why_not(self, evidence: Evidence, article_id: str, offset: int | None = None) -> WhyNot:
        """Return what kept an article's best passage out of the evidence, or the passage at a character of its text.

        All of it is of one state of the library: the present one. Raises InputError where the article is gone.
        """
        if self._ledger.article(article_id) is None:
            raise InputError("This article is no longer in the library. Ask again.")
        state = self._ledger.state()
        found = self._partwise.why_not(evidence, article_id, offset)
        if self._ledger.state() == state:
            return found
        with self._ledger.snapshot():  # others wait for it, so only where something changed meanwhile
            return self._partwise.why_not(evidence, article_id, offset)

    def origin(self, words: str, answer: Answer) -> Origin | None:
        """Return where words of an answer come from in all that was found for it; None where nothing is near enough."""
        return origin(words, answer, self._embedder)

    def supports(self, sentence: str, citations: Sequence[Citation], evidence: Evidence) -> bool:
        """Return whether citations of an answer, and no others, support a sentence, by the rules of its verdicts."""
        return claims.supports(sentence, citations, evidence, self._embedder.embed_question)

    def check(self, sentence: str, articles: Sequence[str]) -> Answer:
        """Return a sentence as an answer whose citations are the nearest passages of these articles, by their ids.

        Where they hold no passage there is no citation, and no support. A model judge that is set gives its verdict.
        """
        scope = Scope(tuple(articles) or (_NO_ARTICLE,))
        evidence = self._retriever.evidence(checked_question(sentence), scope=scope)
        answer = claims.checked_claim(sentence, evidence, self._check)
        return self._judge(answer, Budget()) if self._judge else answer

    def receipt(self, answer: Answer) -> dict[str, Any]:
        """Return all that an answer was made from, as JSON values, for `footnote verify` to check later."""
        return receipt(answer, self._embedder)

    def article(self, article_id: str) -> Article | None:
        """Return an article as it is now: `text[start:end]` is what citations quote."""
        return self._ledger.article(article_id)

    def describe(self) -> dict[str, Any]:
        """Return embedder, and how many articles and passages there are."""
        counts = self._ledger.counts()
        return {"embedder": self._embedder.name, "articles": counts["articles"], "passages": counts["passages"]}

    def sources(self) -> list[Source]:
        """Return what is known of each article, newest first."""
        return self._ledger.sources()

    def examine(self) -> tuple[list[StoreCheck], QualityReport]:
        """Look the library over: whether the store is sound, and which articles came in badly."""
        from rag.doctor import examine_store  # used by one command only, these two
        from rag.quality import report

        index = self._owner.index if self._owner else None
        checks = examine_store(self._ledger, index, self._embedder)
        sound = checks[0].passed
        return checks, report(self._ledger.all_articles() if sound else ())

    def as_query_engine(self) -> CitedQueryEngine:
        """Return the llama-index query engine behind `ask`."""
        return self._engine

    def as_retriever(self) -> HybridRetriever:
        """Return the llama-index retriever that `search` asks: once for a question, and for each thing it asks."""
        return self._retriever

    def close(self) -> None:
        """Close the library and give it free."""
        if self._owner:
            self._owner.close()
        if judging := getattr(self, "_judge", None):
            judging.close()
        if pages := getattr(self, "pages", None):
            pages.close()
        self._store.close()
        if choices := getattr(self, "_choices", None):
            choices.close()

    def __enter__(self) -> Footnote:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _warnings(self) -> tuple[str, ...]:
        return (self.notice,) if self.notice else ()

    def _admit(self, reader: str | None, models: Sequence[str]) -> None:
        if reader is not None:
            self._limits.admit(reader, self._choices.questions(models))
