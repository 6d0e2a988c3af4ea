"""Owns the wiring: the only module that knows all stages, and the object that programs use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rag import chunk, cite, load, text, verify
from rag.answer import CitedQueryEngine, Stopped, checked_question
from rag.config import DEFAULT_ARTICLES, Settings, load_settings
from rag.embed import MiniLMEmbedding
from rag.errors import BusyError, InputError, StoreError
from rag.index import VectorIndex, exact_index
from rag.ledger import Ledger, LedgerReader
from rag.lock import Lock
from rag.quotes import QuoteAnswerer
from rag.retrieve import HybridRetriever
from rag.sync import Progress, Sync, SyncReport
from rag.types import Answer, AnswerSentence, Article, Citation, Draft, Evidence, Source

if TYPE_CHECKING:
    from rag.generate import ModelAnswerer

_ARTICLES = "articles_folder"  # keys in the ledger
_EMBEDDER = "embedder"
_EMBEDDER_NAME = "embedder_name"


def open_library(
    settings: Settings | None = None, *, library: Path | str | None = None, articles: Path | str | None = None
) -> Footnote:
    """Open a library, made if it is not there; the arguments win over environment and `footnote.toml`.

    Where another process owns it, it is opened for reading only: `owner_pid` then names that process.

    Raises InputError for a library that belongs to another articles folder, StoreError where it is
    damaged or was built with another embedder.
    """
    if settings is None:
        settings = load_settings(os.environ, overrides={"library": library, "articles": articles})
    return Footnote(settings)


class Footnote:
    """An open library: sync it, ask it, search it. A context manager; safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.owner_pid: int | None = None
        """The process that owns the library, where it is not this one."""
        self.model: str
        """What answers: the names of the models that are set, or `quotes`."""
        self._lock: Lock | None = None
        self._ledger: LedgerReader
        self._owned: tuple[Ledger, VectorIndex] | None = None
        folder = settings.library
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = Lock(folder)
        except BusyError as busy:
            self.owner_pid = busy.owner_pid
        except OSError as error:
            raise StoreError(f"The library {folder} cannot be made: {error.strerror}. Use another --library.") from None
        try:
            if self._lock:
                ledger = Ledger(folder)
                self._ledger = ledger
                index = VectorIndex(folder, ledger)
                self._owned = ledger, index
            else:
                self._ledger = LedgerReader(folder, readonly=True)
            self.articles = _bound_folder(self._ledger, settings)
            self._embedder = MiniLMEmbedding(settings.embedder.path)
            self._check_embedder()
            self._answerer = _answerer(settings)
            self.model = self._answerer.name
        except BaseException:
            self.close()
            raise
        search = self._owned[1] if self._owned else exact_index(self._ledger)
        self._retriever = HybridRetriever(self._ledger, search, self._embedder, settings.retrieval)
        self._engine = CitedQueryEngine(self._retriever, self._answerer.stream, self.model, self._check)

    @property
    def notice(self) -> str | None:
        """What a reader must know who asks beside the owner of the library; None for the owner."""
        if self._owned:
            return None
        by = f"process {self.owner_pid}" if self.owner_pid else "another process"
        return f"The library is in use by {by}: answering from what it holds now, without syncing."

    def sync(self, progress: Callable[[Progress], None] | None = None) -> SyncReport:
        """Bring the library in line with its articles folder and return what became of every file.

        Raises BusyError beside another owner, InputError where the folder cannot be listed.
        """
        if not self._owned:
            raise BusyError(f"{self.notice} Stop that process, or wait for it, to sync.", self.owner_pid)
        ledger, index = self._owned
        cut = partial(
            chunk.chunk,
            count_tokens=self._embedder.count_tokens,
            max_tokens=self._settings.passages.max_tokens,
        )
        run = Sync(
            ledger,
            index,
            self._embedder,
            load.load,
            cut,
            recipe=f"{load.VERSION}:{text.VERSION}:{chunk.VERSION}:{self._settings.passages.max_tokens}",
            max_bytes=load.MAX_BYTES,
            progress=progress,
        )
        # Bound as the first act: a first sync that is cut off must not leave articles without a folder.
        if ledger.get(_ARTICLES) is None and self.articles.is_dir():
            ledger.put(_ARTICLES, os.path.relpath(self.articles, self._settings.library.resolve()))
            ledger.put(_EMBEDDER, self._embedder.fingerprint)
            ledger.put(_EMBEDDER_NAME, self._embedder.name)
        report = run.run(self.articles)
        index.tidy()
        return report

    def ask(self, question: str, top_k: int | None = None) -> Answer:
        """Return the checked answer to a question.

        Raises InputError where it is empty or too long, ProviderError where no model gave an answer.
        """
        return self._engine.answer(question, top_k, (self.notice,) if self.notice else ())

    def stream(self, question: str, stopped: Stopped = lambda: False) -> Iterator[str | Answer]:
        """Yield the draft's text piece by piece and, last, the checked `Answer`.

        Once `stopped` returns true, what came so far is checked and returned as an incomplete answer.
        """
        return self._engine.stream(question, None, (self.notice,) if self.notice else (), stopped)

    def search(self, question: str, top_k: int | None = None) -> Evidence:
        """Return the best passages for a question, best first, without answering it."""
        return self._retriever.evidence(checked_question(question), top_k)

    def article(self, article_id: str) -> Article | None:
        """Return an article as it is now: `text[start:end]` is what citations quote."""
        return self._ledger.article(article_id)

    def sources(self) -> list[Source]:
        """Return what is known of each article, newest first."""
        return self._ledger.sources()

    def as_query_engine(self) -> CitedQueryEngine:
        """Return the llama-index query engine behind `ask`."""
        return self._engine

    def as_retriever(self) -> HybridRetriever:
        """Return the llama-index retriever behind `search`."""
        return self._retriever

    def close(self) -> None:
        """Close the library and give it free."""
        if self._owned:
            self._owned[1].close()
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

    def _check(self, draft: Draft, evidence: Evidence) -> tuple[str, tuple[AnswerSentence, ...], tuple[Citation, ...]]:
        cited = cite.cite(draft, evidence, self._embedder.embed_question)
        return *verify.verify(cited, evidence), cited.citations

    def _check_embedder(self) -> None:
        known = self._ledger.get(_EMBEDDER)
        if known not in (None, self._embedder.fingerprint):
            raise StoreError(
                f"The library {self._settings.library} was built with another embedder "
                f"({self._ledger.get(_EMBEDDER_NAME)}, {known}). Go back to that one, or use another --library."
            )


def _bound_folder(ledger: LedgerReader, settings: Settings) -> Path:
    """Return the articles folder of a library; raises InputError where another one is asked for."""
    known = ledger.get(_ARTICLES)
    if known is None:
        return (settings.articles or DEFAULT_ARTICLES).resolve()
    bound = (settings.library.resolve() / known).resolve()
    if settings.articles is not None and settings.articles.resolve() != bound:
        raise InputError(
            f"The library {settings.library} belongs to the articles folder {bound}, not to {settings.articles}. "
            "Name another --library for that folder."
        )
    return bound


def _answerer(settings: Settings) -> QuoteAnswerer | ModelAnswerer:
    """Return what answers: the models that are set, else quotes."""
    quoting = QuoteAnswerer(settings.quotes.max_sentences)
    if not settings.model.strip(" ,"):
        return quoting
    from rag.generate import ModelAnswerer  # seconds of imports that quotes do not need
    from rag.models import ChatModel, model_specs

    models = [ChatModel(spec, settings.answer) for spec in model_specs(settings, os.environ)]
    return ModelAnswerer(models, quoting.draft)
