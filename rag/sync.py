"""Owns bringing the library in line with the articles folder, so that it can be cut off at any point.

Order of every batch: stage the new versions, embed what has no vectors yet, add to the vector index,
publish. Until the last step the old versions answer; a run after a crash finds what was done and goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rag.errors import Unloadable
from rag.folder import FoundFile, read, scan
from rag.ledger import FileRecord, Ledger, Staged
from rag.types import Article, Embedder, Matrix, Passage, digest

_BATCH_PASSAGES = 128  # of one switch to new versions
_BATCH_FILES = 64
_EMBED_PASSAGES = 32  # kept at once: about a second's work, so that is all a cut costs, and progress shows

Load = Callable[[str, bytes], Article]
Cut = Callable[[Article], tuple[Passage, ...]]


class VectorIndex(Protocol):
    """Where passage vectors go to be searched."""

    def add(self, rows: Sequence[int], vectors: Matrix) -> None:
        """Insert vectors under row numbers; those that are there already stay."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sync is: files done of all, and passages embedded so far."""

    done: int
    total: int
    passages: int


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What became of every file seen: each is in exactly one of the lists, or counted as unchanged."""

    indexed: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    failed: tuple[tuple[str, str], ...]
    removed: tuple[str, ...]
    unchanged: int

    def to_dict(self) -> dict[str, Any]:
        """Return the report in the shape of the JSON contract."""
        return {
            "indexed": list(self.indexed),
            "skipped": [{"source": source, "reason": reason} for source, reason in self.skipped],
            "failed": [{"source": source, "reason": reason} for source, reason in self.failed],
            "removed": list(self.removed),
            "unchanged": self.unchanged,
        }


@dataclass(frozen=True, slots=True)
class _Work:
    """A file to be indexed: its next record, and its version if a run before this one has staged it already."""

    record: FileRecord
    article: Article | None
    passages: tuple[Passage, ...]
    staged: Staged | None

    @property
    def size(self) -> int:
        return len(self.staged.rows) if self.staged else len(self.passages)


class Sync:
    """One run over the folder. `recipe` names the way files are read and cut: when it changes, all are read again."""

    def __init__(
        self,
        ledger: Ledger,
        index: VectorIndex,
        embedder: Embedder,
        load: Load,
        cut: Cut,
        *,
        recipe: str,
        max_bytes: int,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._ledger = ledger
        self._index = index
        self._embedder = embedder
        self._load = load
        self._cut = cut
        self._recipe = digest("recipe", recipe, embedder.fingerprint)
        self._max_bytes = max_bytes
        self._progress = progress or (lambda _: None)
        self._passages = 0
        self._done = 0
        self._total = 0

    def run(self, folder: Path) -> SyncReport:
        """Read what is new or changed, publish it, and take out what is gone.

        Raises InputError where the folder cannot be listed (nothing is changed then), StoreError where
        the library cannot be written.
        """
        found = scan(folder)
        known = self._ledger.files()
        gone = tuple(sorted(known.keys() - {file.source for file in found}))
        with self._ledger.transaction():
            for source in gone:
                self._ledger.retire(source)
        self._total = len(found)
        indexed: list[str] = []
        problems: dict[str, list[tuple[str, str]]] = {"skipped": [], "failed": []}
        unchanged = 0
        batch: list[_Work] = []
        for file in found:
            outcome = self._examine(file, known.get(file.source))
            if isinstance(outcome, _Work):
                batch.append(outcome)
                indexed.append(file.source)
                if len(batch) >= _BATCH_FILES or sum(work.size for work in batch) >= _BATCH_PASSAGES:
                    self._index_batch(batch)
                    batch = []
                continue
            self._done += 1
            if outcome.reason is None:
                unchanged += 1
            else:
                problems[outcome.state].append((file.source, outcome.reason))
            self._report()
        self._index_batch(batch)
        self._ledger.collect()
        return SyncReport(tuple(indexed), tuple(problems["skipped"]), tuple(problems["failed"]), gone, unchanged)

    def _examine(self, file: FoundFile, known: FileRecord | None) -> _Work | FileRecord:
        """Return the work a file makes, or its state where it makes none."""
        if file.problem is not None:
            return self._put_aside(file, known, "", Unloadable("skipped", file.problem))
        if known and file.signature and file.signature == known.signature and self._made_here(known):
            return known
        try:
            data = read(file, self._max_bytes)
        except Unloadable as problem:
            return self._put_aside(file, known, "", problem)
        content = self._recipe[:16] + ":" + hashlib.sha256(data).hexdigest()
        if known and known.digest == content:
            record = FileRecord(file.source, known.state, known.reason, file.signature, content)
            if record != known:
                self._ledger.record(record)
            return record
        record = FileRecord(file.source, "indexed", None, file.signature, content)
        if staged := self._ledger.staged(file.source, content):
            return _Work(record, None, (), staged)
        try:
            article = self._load(file.source, data)
            passages = self._cut(article)
        except Unloadable as problem:
            return self._put_aside(file, known, content, problem)
        except Exception as error:
            # A parser that stumbles over one file must not keep the others out.
            return self._put_aside(file, known, content, Unloadable("failed", f"cannot be parsed: {error!r:.200}"))
        return _Work(record, article, passages, None)

    def _made_here(self, known: FileRecord) -> bool:
        return known.digest.startswith(self._recipe[:16] + ":")

    def _put_aside(self, file: FoundFile, known: FileRecord | None, content: str, problem: Unloadable) -> FileRecord:
        """Note a file that is not indexed. Its last good version leaves if there is nothing to read in it any more.

        Where reading failed, the last good version stays: a disk that is away for a moment deletes nothing.
        """
        signature = file.signature if content else ""
        record = FileRecord(file.source, problem.state, problem.reason, signature, content)
        if known != record:
            if problem.state == "skipped":
                self._ledger.retire(file.source, record)
            else:
                self._ledger.record(record)
        return record

    def _index_batch(self, batch: Sequence[_Work]) -> None:
        if not batch:
            return
        with self._ledger.transaction():
            staged = [self._stage(work) for work in batch]
        missing: dict[str, Passage] = {}
        for version in staged:
            missing |= self._ledger.unembedded(version)
        keys = list(missing)
        for start in range(0, len(keys), _EMBED_PASSAGES):
            part = keys[start : start + _EMBED_PASSAGES]
            vectors = self._embedder.embed_passages([missing[key] for key in part])
            self._ledger.store_vectors(dict(zip(part, vectors, strict=True)))
            self._passages += len(part)
            self._report()
        rows = [row for version in staged for row in version.rows]
        if rows:
            vector_keys = [key for version in staged for key in version.vector_keys]
            self._index.add(rows, self._ledger.passage_vectors(vector_keys))
        with self._ledger.transaction():
            for version, work in zip(staged, batch, strict=True):
                self._ledger.publish(version, work.record)
        self._done += len(batch)
        self._report()

    def _stage(self, work: _Work) -> Staged:
        if work.staged:
            return work.staged
        assert work.article is not None  # noqa: S101 - one of the two is set
        keys = [self._vector_key(passage) for passage in work.passages]
        return self._ledger.stage(work.article, work.passages, keys, work.record.digest)

    def _vector_key(self, passage: Passage) -> str:
        """Return the digest of all that the vectors of a passage depend on."""
        spans = ",".join(f"{start - passage.start}:{end - passage.start}" for start, end in passage.sentences)
        return digest("vectors", self._embedder.fingerprint, passage.context, passage.text, spans)[:32]

    def _report(self) -> None:
        self._progress(Progress(self._done, self._total, self._passages))
