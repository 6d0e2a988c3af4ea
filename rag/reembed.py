"""Owns changing the embedder: all is embedded anew beside what answers now, then switched in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from rag.ledger import FileRecord, Ledger, Staged
from rag.staging import embed_missing, recipe_key, vector_key
from rag.types import Article, Embedder, Passage, Progress


class SwitchedIndex(Protocol):
    """The vector index, as far as it is needed here."""

    def switch(self, rows: Sequence[int], vector_keys: Sequence[str], publish: Callable[[], None]) -> None:
        """Build a new index of these rows and change to it in one transaction with `publish`."""


def re_embed(
    ledger: Ledger,
    index: SwitchedIndex,
    embedder: Embedder,
    cut: Callable[[Article], tuple[Passage, ...]],
    *,
    recipe: str,
    before: str,
    switched: Callable[[], None],
    progress: Callable[[Progress], None],
) -> None:
    """Cut and embed every article again, from the ledger's own text; `before` is the fingerprint until now.

    Until the last step the library is what it was; cut off, the next run goes on where this one was.
    `switched` notes the new embedder, in the transaction that switches.
    """
    old, new = recipe_key(recipe, before), recipe_key(recipe, embedder.fingerprint)
    records = ledger.files()
    ready: list[tuple[Staged, FileRecord]] = []
    files = ledger.active_files()
    embedded = 0
    for done, file in enumerate(files):
        record = records[file]
        # A file that was read by other rules than today's is read again by the next sync.
        made, _, content = record.digest.partition(":")
        content = f"{new}:{content}" if made == old else f"re-embedded:{record.digest}"
        version = ledger.staged(file, content) or _stage(ledger, embedder, cut, file, content)
        for count in embed_missing(ledger, embedder, ledger.unembedded(version)):
            embedded += count
            progress(Progress(done, len(files), embedded))
        ready.append((version, FileRecord(file, record.state, record.reason, record.signature, content)))
        progress(Progress(done + 1, len(files), embedded))

    def publish() -> None:
        for version, record in ready:
            ledger.publish(version, record)
        switched()

    rows = [row for version, _ in ready for row in version.rows]
    keys = [key for version, _ in ready for key in version.vector_keys]
    index.switch(rows, keys, publish)
    ledger.collect()


def _stage(
    ledger: Ledger, embedder: Embedder, cut: Callable[[Article], tuple[Passage, ...]], file: str, content: str
) -> Staged:
    articles = []
    for article in ledger.articles_of(file):
        passages = cut(article)
        articles.append((article, passages, [vector_key(embedder, passage) for passage in passages]))
    return ledger.stage(file, content, articles)
