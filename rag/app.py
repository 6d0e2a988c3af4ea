"""Owns the wiring: the only module that knows all stages, and the object that programs use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag import cite, verify
from rag.answer import Answerer, CitedQueryEngine, Stopped, checked_question
from rag.asks import PartwiseRetriever
from rag.backup import remove_leftovers
from rag.budget import Budget
from rag.config import DEFAULT_ARTICLES, Settings, load_settings
from rag.conversation import by_rules, exchanges
from rag.errors import BusyError, FootnoteError, InputError, ReadOnlyError, StoreError
from rag.factory import make_answerer, make_check, make_embedder, make_judge, make_reranker, make_standalone
from rag.index import FOLDER_NAME, exact_index
from rag.ledger import FILE_NAME, Ledger, LedgerReader
from rag.limits import Limits
from rag.lock import Lock
from rag.owner import ARTICLES, EMBEDDER, EMBEDDER_NAME, Owner
from rag.receipt import receipt
from rag.retrieve import HybridRetriever
from rag.sufficiency import judge
from rag.types import (
    Answer,
    Article,
    Citation,
    Draft,
    Evidence,
    Mark,
    Progress,
    Source,
    Span,
    Status,
    SyncReport,
)

if TYPE_CHECKING:
    from rag.doctor import StoreCheck
    from rag.quality import QualityReport


_CLAIM = "claim"  # what wrote a sentence that is only checked
_CITED = 3  # passages that a sentence is checked against
Messages = Sequence[Mapping[str, object]]
_CHECKED_BYTES = 100_000_000  # a smaller ledger is looked through at every opening: tens of milliseconds


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
        self._settings = settings
        self.model: str
        """What answers: the names of the models that are set, or `quotes`."""
        self._lock: Lock | None = None
        self._refusal: FootnoteError | None = None
        self._owner: Owner | None = None
        self._ledger: LedgerReader
        folder = settings.library
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # articles may be nobody else's business
            self._lock = Lock(folder)
        except (BusyError, ReadOnlyError) as refusal:
            self._refusal = refusal
        except OSError as error:
            raise StoreError(f"The library {folder} cannot be made: {error.strerror}. Use another --library.") from None
        try:
            self._ledger = self._open_ledger()
            self.articles = _bound_folder(self._ledger, settings)
            self._embedder = make_embedder(settings)
            if not re_embed:
                self._check_embedder()
            if isinstance(self._ledger, Ledger):
                self._owner = Owner(self._ledger, settings, self.articles, self._embedder)
            reranker = make_reranker(settings)
            self._limits = Limits(settings.limits, settings.library)
            self._answerer = make_answerer(settings)
            self.model = self._answerer.name
            self._judge = make_judge(settings, self._limits)
            self._check = make_check(self._embedder)
        except BaseException:
            self.close()
            raise
        search = self._owner.index if self._owner else exact_index(self._ledger)
        self._retriever = HybridRetriever(self._ledger, search, self._embedder, settings.retrieval, judge, reranker)
        self._partwise = PartwiseRetriever(self._retriever, by_rules)
        answering: Answerer = self._answerer.stream
        if self._answerer.requests:
            most = settings.answer.max_tokens
            answering = self._limits.answering(answering, self._answerer.quote, most, self.model)
        self._engine = CitedQueryEngine(
            self._partwise,
            answering,
            self.model,
            self._check,
            self._budget,
            make_standalone(self._answerer, self._limits, self._ledger.has_internal),
            self._judge,
        )

    @property
    def notice(self) -> str | None:
        """What a reader must know who asks a library that this process may not change; None for its owner."""
        if self._refusal is None:
            return None
        return f"{self._reason}: answering from what it holds now, without syncing."

    @property
    def troubled(self) -> list[str]:
        """The models that failed too often of late and are left alone for a while."""
        return self._answerer.troubled

    @property
    def owner_pid(self) -> int | None:
        """The process that owns the library, where it is not this one."""
        return self._refusal.owner_pid if isinstance(self._refusal, BusyError) else None

    @property
    def owner(self) -> Owner:
        """What changes the library. Raises BusyError beside another owner, ReadOnlyError where it cannot be written."""
        if self._owner is None:
            if isinstance(self._refusal, BusyError):
                advice = "Stop that process, or wait for it"
                raise BusyError(f"{self._reason}. {advice}.", self._refusal.owner_pid)
            raise self._refusal or StoreError("The library is closed.")
        return self._owner

    @property
    def _reason(self) -> str:
        if isinstance(self._refusal, BusyError):
            pid = self._refusal.owner_pid
            return f"The library is in use by process {pid}" if pid else "The library is in use by another process"
        return "The library cannot be written"

    def sync(self, progress: Callable[[Progress], None] | None = None, *, prune: bool = False) -> SyncReport:
        """Bring the library in line with its articles folder and return what became of every file.

        Raises BusyError beside another owner; InputError where the folder cannot be listed, or so much of it is
        gone that it may be the wrong one (unless `prune`).
        """
        return self.owner.sync(progress, prune=prune)

    def ask(self, question: str, top_k: int | None = None, history: Messages = ()) -> Answer:
        """Return the checked answer to a question.

        `history` is what was said before, oldest first: messages with a `role`, "user" or "assistant", and a text as
        `content`; a follow-up is answered in its sense. Raises InputError where the question is empty or too long or
        the history holds anything else, ProviderError where no model gave an answer.
        """
        return self._engine.answer(question, top_k, self._warnings, exchanges(history))

    def stream(
        self,
        question: str,
        stopped: Stopped = lambda: False,
        history: Messages = (),
        reader: str | None = None,
    ) -> Iterator[str | Answer]:
        """Yield the draft's text piece by piece and, last, the checked `Answer`; as `ask`.

        Once `stopped` returns true, what came so far is checked and returned as an incomplete answer. The questions
        of a `reader` to models are counted: LimitError is raised for one that asks too many.
        """
        if reader is not None and self._answerer.requests:  # quotes cost nothing
            self._limits.admit(reader)
        return self._engine.stream(question, None, self._warnings, stopped, exchanges(history))

    def search(self, question: str, top_k: int | None = None) -> Evidence:
        """Return the best passages for a question, best first, without answering it."""
        return self._partwise.evidence(checked_question(question), top_k)

    def supports(self, sentence: str, citations: Sequence[Citation], evidence: Evidence) -> bool:
        """Return whether citations of an answer, and no others, support a sentence, by the rules of its verdicts."""
        cited = cite.cite_alone(sentence, citations, evidence, self._embedder.embed_question)
        (checked,) = verify.verify(cited, evidence)[1]
        return checked.verdict == "supported"

    def check(self, sentence: str, articles: Sequence[str]) -> Answer:
        """Return a sentence as an answer whose citations are the nearest passages of these articles, by their ids.

        Where they hold no passage there is no citation, and no support. A model judge that is set gives its verdict.
        """
        evidence = self._retriever.evidence(checked_question(sentence), within=articles)
        marks = tuple(Mark(len(sentence), n) for n, _ in enumerate(evidence.hits[:_CITED], start=1))
        draft = Draft(sentence, (Span(0, len(sentence)),), marks, _CLAIM, sentence)
        text, (checked,), citations = self._check(draft, evidence)
        status: Status = "grounded" if checked.verdict == "supported" else "partial"
        answer = Answer(sentence, status, text, (checked,), citations, evidence, _CLAIM, draft=draft)
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
        if hasattr(self, "_ledger"):
            self._ledger.close()
        if self._lock:
            self._lock.release()
            self._lock = None
        if hasattr(self, "_answerer"):
            self._answerer.close()

    def __enter__(self) -> Footnote:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _warnings(self) -> tuple[str, ...]:
        return (self.notice,) if self.notice else ()

    def _budget(self) -> Budget:
        return Budget(self._answerer.requests, self._settings.answer.timeout)

    def _check_embedder(self) -> None:
        known = self._ledger.get(EMBEDDER)
        if known not in (None, self._embedder.fingerprint):
            raise StoreError(
                f"The library {self._settings.library} was built with another embedder "
                f"({self._ledger.get(EMBEDDER_NAME)}, {known}). Go back to that one, or run `footnote sync --re-embed`."
            )

    def _open_ledger(self) -> LedgerReader:
        folder = self._settings.library
        if self._lock is None:
            return LedgerReader(folder, readonly=True)
        remove_leftovers(folder)
        file = folder / FILE_NAME
        traces = [path for path in (folder / FOLDER_NAME, folder / f"{FILE_NAME}-journal") if path.exists()]
        if traces and not (file.exists() and file.stat().st_size):
            raise StoreError(
                f"{file} is missing, though there is {traces[0].name} of it. Bring back a backup with "
                f"`footnote restore FILE`, or move {folder} away to begin a new library."
            )
        small = not file.exists() or file.stat().st_size < _CHECKED_BYTES
        return Ledger(folder, check=small or self._lock.abandoned)


def _bound_folder(ledger: LedgerReader, settings: Settings) -> Path:
    """Return the articles folder of a library; raises InputError where another one is asked for."""
    known = ledger.get(ARTICLES)
    if known is None:
        return (settings.articles or DEFAULT_ARTICLES).resolve()
    bound = (settings.library.resolve() / known).resolve()
    if settings.articles is not None and settings.articles.resolve() != bound:
        raise InputError(
            f"The library {settings.library} belongs to the articles folder {bound}, not to {settings.articles}. "
            "Name another --library for that folder."
        )
    return bound
