"""Owns the work that only the owner of a library may do: filling it, taking out of it, building its index anew."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from rag import chunk, load, text
from rag.config import Settings
from rag.errors import InputError, Unloadable, UsageError
from rag.index import VectorIndex
from rag.ledger import FileRecord, Ledger, WebPage
from rag.load.sandbox import Sandbox
from rag.reembed import re_embed
from rag.sync import REMOVED, Sync
from rag.types import Article, Embedder, Passage, Progress, SyncReport

ARTICLES = "articles_folder"  # keys in the ledger
EMBEDDER = "embedder"
EMBEDDER_NAME = "embedder_name"

_NOT_IN_HOUSE = "internal, and the embedder is not marked in_house: mark it in [embedder], or use the built-in one"
Show = Callable[[Progress], None]


class Owner:
    """The library in the hands of the one process that may change it."""

    def __init__(self, ledger: Ledger, settings: Settings, articles: Path, embedder: Embedder) -> None:
        self.index = VectorIndex(settings.library, ledger)
        self._ledger = ledger
        self._settings = settings
        self._articles = articles
        self._embedder = embedder
        self._sandbox = Sandbox()
        self._work = threading.RLock()  # one change at a time, whichever thread asks for it

    def sync(self, progress: Show | None = None, *, prune: bool = False) -> SyncReport:
        """Bring the library in line with its articles folder; as `Sync.run`, which names the errors.

        With another embedder than before, all that is in the library is embedded by it first.
        """
        with self._work:
            self._bind()
            self._change_embedder(progress or (lambda _: None))
            report = self._sync(progress).run(self._articles, prune=prune)
            self.index.tidy()
            return report

    def add(self, address: str, progress: Show | None = None) -> SyncReport:
        """Fetch a web page and index it, in place of an earlier state of it; or take back a file that was removed.

        Raises InputError where it cannot be fetched or holds no text.
        """
        known = self._ledger.files().get(address)
        if known is not None and known.reason == REMOVED:
            return self.take_back([address], progress)
        from rag.fetch import fetch_page, page_source  # what no other command needs is not loaded for it

        page = fetch_page(address)
        source = page_source(page.url)
        with self._work:
            try:
                self._sandbox.load(source, page.data, page.charset)
            except Unloadable as problem:
                raise InputError(f"{source} was not added: {problem.reason}.") from None
            self._bind()
            if self._ledger.get(EMBEDDER) is None:
                self._note_embedder()
            self._ledger.put_web_page(WebPage(source, page.charset, page.data))
            return self._sync(progress).run_web_page(source)

    def take_back(self, sources: Sequence[str], progress: Show | None = None) -> SyncReport:
        """Sync, with those of the files that were removed counting as new; as `sync`."""
        with self._work:
            known = self._ledger.files()
            for source in sources:
                if source in known and known[source].reason == REMOVED:
                    self._ledger.retire(source)
            return self.sync(progress)

    def remove(self, source: str, *, delete: bool = False) -> None:
        """Take a web page or the articles of a file out of the library, with every trace of them.

        A file stays where it is, and out of the library until it is added again; with `delete` it goes too, also one
        that was skipped. Cut off, it can be run again. Raises InputError for a source that is not there, or where its
        file cannot be deleted.
        """
        with self._work:
            known = self._ledger.files().get(source)
            if known is None or (known.state == "skipped" and known.reason != REMOVED and not delete):
                raise InputError(self._why_not_there(source, known))
            self._ledger.retire(source, FileRecord(source, "skipped", REMOVED, "", known.digest))
            self._ledger.collect()
            self.rebuild()
            self._ledger.compact()
            if source in self._ledger.web_pages():  # last: until then the command can be given again
                with self._ledger.transaction():
                    self._ledger.drop_web_page(source)
                    self._ledger.retire(source)
            elif delete:
                self._delete(source)

    def _delete(self, source: str) -> None:
        """Delete a file that was removed; one of the same name or content counts as new from then on."""
        try:
            (self._articles / source).unlink(missing_ok=True)
        except OSError as error:
            raise InputError(
                f"{source} was removed, and its file could not be deleted: {error.strerror}. Delete it in the folder."
            ) from None
        self._ledger.retire(source)

    def _why_not_there(self, source: str, known: FileRecord | None) -> str:
        if known is not None:
            return f"{source} is not in the library: {known.reason}."
        if any(source == about.source for about in self._ledger.sources()):
            file = source.rpartition("#")[0]
            return f"{source} is one article of several: change {file}, or remove {file} whole."
        return f"{source} is not in the library. `footnote status --verbose` lists what is."

    def rebuild(self, progress: Callable[[int, int], None] = lambda _done, _total: None) -> int:
        """Build the vector index anew from the ledger; returns how many vectors are in it. Nothing is embedded."""
        with self._work:
            self.index.rebuild(progress)
            self.index.tidy()
            return self.index.count()

    def close(self) -> None:
        """End the child process and release the index."""
        self._sandbox.close()
        self.index.close()

    def _sync(self, progress: Show | None) -> Sync:
        return Sync(
            self._ledger,
            self.index,
            self._embedder,
            self._sandbox.load,
            self._cut,
            recipe=self._recipe,
            max_bytes=load.MAX_BYTES,
            progress=progress,
        )

    @property
    def _recipe(self) -> str:
        return f"{load.VERSION}:{text.VERSION}:{chunk.VERSION}:{self._settings.passages.max_tokens}"

    def _cut(self, article: Article) -> tuple[Passage, ...]:
        if article.visibility == "internal" and not self._embedder.in_house:
            raise Unloadable("failed", _NOT_IN_HOUSE, passing=True)
        return chunk.chunk(article, self._embedder.count_tokens, self._settings.passages.max_tokens)

    def _bind(self) -> None:
        # The first act: a first sync that is cut off must not leave articles without a folder.
        if self._ledger.get(ARTICLES) is None and self._articles.is_dir():
            with self._ledger.transaction():
                self._ledger.put(ARTICLES, os.path.relpath(self._articles, self._settings.library.resolve()))
                self._note_embedder()

    def _note_embedder(self) -> None:
        self._ledger.put(EMBEDDER, self._embedder.fingerprint)
        self._ledger.put(EMBEDDER_NAME, self._embedder.name)

    def _change_embedder(self, progress: Show) -> None:
        before = self._ledger.get(EMBEDDER)
        if before is not None and before != self._embedder.fingerprint:
            if not self._embedder.in_house and any(s.visibility == "internal" for s in self._ledger.sources()):
                raise UsageError(f"Articles of the library are {_NOT_IN_HOUSE}.")
            re_embed(
                self._ledger,
                self.index,
                self._embedder,
                self._cut,
                recipe=self._recipe,
                before=before,
                switched=self._note_embedder,
                progress=progress,
            )
