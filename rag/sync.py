"""Owns bringing the library in line with the articles folder, so that it can be cut off at any point.

Order of every batch: stage the new versions, embed what has no vectors yet, add to the vector index,
publish. Until the last step the old versions answer; a run after a crash finds what was done and goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from rag.errors import FootnoteError, InputError, Unloadable
from rag.folder import FoundFile, read, scan
from rag.ledger import FileRecord, Ledger, Staged
from rag.staging import embed_missing, recipe_key, vector_key
from rag.types import Article, Embedder, Matrix, Passage, Progress, SyncReport

_log = logging.getLogger(__name__)
_BATCH_PASSAGES = 256  # of one switch to new versions
_BATCH_FILES = 64
_NOTES = 1000  # of files without work, kept in one transaction: each one waits for the disk
_ADD_PASSAGES = 5000
_MANY = 10  # more files than these, and a larger share than that, do not vanish without being asked about
_MANY_SHARE = 0.3
_GROWTH = 15  # bytes of library for a byte of plain text: text, terms, vectors of passages and sentences, index
REMOVED = "removed by `footnote remove`; `footnote add` takes it back"
_SAME = "same content as "

Load = Callable[[str, bytes, str | None], tuple[Article, ...]]
Cut = Callable[[Article], tuple[Passage, ...]]


class PassageIndex(Protocol):
    """Where passage vectors go to be searched."""

    def add(self, rows: Sequence[int], vectors: Matrix) -> None:
        """Insert vectors under row numbers; those that are there already stay."""


@dataclass(frozen=True, slots=True)
class _Work:
    """A file to be indexed: its next record, and its version if a run before this one has staged it already.

    `replaced` are the files whose articles leave when this one is published, and their next records.
    """

    record: FileRecord
    articles: tuple[tuple[Article, tuple[Passage, ...]], ...]
    staged: Staged | None
    replaced: dict[str, FileRecord | None] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return len(self.staged.rows) if self.staged else sum(len(passages) for _, passages in self.articles)


class Sync:
    """One run over the folder. `recipe` names the way files are read and cut: when it changes, all are read again."""

    def __init__(
        self,
        ledger: Ledger,
        index: PassageIndex,
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
        self._recipe = recipe_key(recipe, embedder.fingerprint)
        self._max_bytes = max_bytes
        self._progress = progress or (lambda _: None)
        self._passages = 0
        self._done = 0
        self._total = 0
        self._moved: dict[str, str] = {}  # files, and the one that is gone whose content they have
        self._seen: dict[str, str] = {}  # content, and the first file that has it
        self._batch: dict[str, _Work] = {}
        self._notes: list[FileRecord] = []  # of files of which only the state is new

    def run(self, folder: Path, *, prune: bool = False) -> SyncReport:
        """Read what is new or changed, publish it, and take out what is gone.

        Raises InputError where the folder cannot be listed, or where so much of it is gone that it may be the
        wrong one (unless `prune`): nothing is changed then. StoreError where the library cannot be written.
        """
        found = scan(folder)
        known = self._ledger.files()
        pages = self._ledger.web_pages()
        gone = known.keys() - {file.source for file in found} - pages.keys()
        gone = {source for source in gone if known[source].reason != REMOVED}
        self._moved = self._find_moved([*found, *_as_files(pages)], known, gone)
        lost = sorted(gone - set(self._moved.values()))
        if not prune:
            _refuse_mass_deletion(folder, set(lost), set(self._ledger.active_files()) - pages.keys())
        self._warn_of_little_space(found, known)
        with self._ledger.transaction():
            for source in lost:
                self._ledger.retire(source)
        self._seen = {_content(record.digest): source for source, record in known.items() if record.reason == REMOVED}
        report = self._work_through([*found, *_as_files(pages)], known)
        with self._ledger.transaction():
            for source in self._moved.values():  # what is there under the new name could not be indexed
                self._ledger.retire(source)
        self._ledger.collect()
        return replace(report, removed=tuple(sorted(gone)))

    def run_web_page(self, address: str) -> SyncReport:
        """Index one web page that the ledger holds, and nothing else."""
        known = self._ledger.files()
        self._seen = {
            _content(record.digest): source
            for source, record in known.items()
            if source != address and (record.state == "indexed" or record.reason == REMOVED)
        }
        return self._work_through(_as_files({address: self._ledger.web_pages()[address]}), known)

    def _work_through(self, found: Sequence[FoundFile], known: Mapping[str, FileRecord]) -> SyncReport:
        self._total = len(found)
        indexed: list[str] = []
        problems: dict[str, list[tuple[str, str]]] = {"skipped": [], "failed": []}
        unchanged = 0
        for file in found:
            outcome = self._examine(file, known.get(file.source))
            if isinstance(outcome, _Work):
                self._batch[file.source] = outcome
                indexed.append(file.source)
                if len(self._batch) >= _BATCH_FILES or sum(w.size for w in self._batch.values()) >= _BATCH_PASSAGES:
                    self._index_batch()
                continue
            self._done += 1
            if outcome.reason is None:
                unchanged += 1
            else:
                problems[outcome.state].append((file.source, outcome.reason))
            if len(self._notes) >= _NOTES:
                self._index_batch()
            self._report()
        self._index_batch()
        return SyncReport(tuple(indexed), tuple(problems["skipped"]), tuple(problems["failed"]), (), unchanged)

    def _find_moved(
        self, found: Iterable[FoundFile], known: Mapping[str, FileRecord], gone: Iterable[str]
    ) -> dict[str, str]:
        """Return the files that hold now what files that are gone held, and the names of these."""
        wanted = {_content(known[source].digest): source for source in gone if known[source].state == "indexed"}
        moved: dict[str, str] = {}
        for file in found if wanted else ():
            record = known.get(file.source)
            untouched = record is not None and file.signature and file.signature == record.signature
            if file.problem is None and not (record and untouched and record.state == "indexed"):
                with contextlib.suppress(Unloadable):
                    content = (
                        _content(record.digest) if record and untouched else _content(self._digest(*self._read(file)))
                    )
                    if old := wanted.pop(content, None):
                        moved[file.source] = old
        return moved

    def _warn_of_little_space(self, found: Iterable[FoundFile], known: Mapping[str, FileRecord]) -> None:
        new = sum(file.size for file in found if file.source not in known)
        free = shutil.disk_usage(self._ledger.path.parent).free
        if free < 2 * _GROWTH * new:
            _log.warning(
                "%.1f GB are free for the library; the new files may need %.1f GB.", free / 1e9, _GROWTH * new / 1e9
            )

    def _examine(self, file: FoundFile, known: FileRecord | None) -> _Work | FileRecord:
        """Return the work a file makes, or its state where it makes none."""
        if known and known.reason == REMOVED:
            return known
        if file.problem is not None:
            return self._put_aside(file, known, "", Unloadable("skipped", file.problem))
        content = ""
        try:
            untouched = known and file.signature and file.signature == known.signature and self._made_here(known)
            data, charset = (None, None) if untouched else self._read(file)
            content = known.digest if known and data is None else self._digest(data or b"", charset)
            if twin := self._seen.get(_content(content)):
                return self._put_aside(file, known, content, Unloadable("skipped", _SAME + twin), twin)
            was_twin = known is not None and (known.reason or "").startswith(_SAME)
            if known and known.digest == content and not was_twin:
                return self._still(known, file.signature)
            record = FileRecord(file.source, "indexed", None, file.signature, content)
            work = self._prepare(file, record, (data, charset) if data is not None else None)
        except Unloadable as problem:
            return self._put_aside(file, known, "" if problem.passing else content, problem)
        self._seen[_content(content)] = file.source
        if old := self._moved.pop(file.source, None):
            work.replaced[old] = None
        return work

    def _still(self, known: FileRecord, signature: str) -> FileRecord:
        """Note that a file is as it was."""
        record = replace(known, signature=signature)
        if record != known:
            self._notes.append(record)
        if record.state == "indexed":
            self._seen[_content(record.digest)] = record.source
        return record

    def _prepare(self, file: FoundFile, record: FileRecord, read: tuple[bytes, str | None] | None) -> _Work:
        if staged := self._ledger.staged(file.source, record.digest):
            return _Work(record, (), staged)
        data, charset = read or self._read(file)
        try:
            articles = self._load(file.source, data, charset)
            if not articles:
                raise Unloadable("skipped", "empty: no text in it")
            if len({article.id for article in articles}) < len(articles):
                raise Unloadable("failed", "two of its articles have the same name")
            return _Work(record, tuple((article, self._cut(article)) for article in articles), None)
        except (Unloadable, FootnoteError):
            raise
        except Exception as error:
            # A parser that stumbles over one file must not keep the others out.
            raise Unloadable("failed", f"cannot be parsed: {error!r:.200}") from None

    def _read(self, file: FoundFile) -> tuple[bytes, str | None]:
        page = self._ledger.web_page(file.source) if file.path is None else None
        return (page.data, page.charset) if page else (read(file, self._max_bytes), None)

    def _digest(self, data: bytes, charset: str | None) -> str:
        return f"{self._recipe}:{_sha256(data)}" + (f":{charset}" if charset else "")

    def _made_here(self, known: FileRecord) -> bool:
        return known.digest.startswith(self._recipe + ":")

    def _put_aside(
        self, file: FoundFile, known: FileRecord | None, content: str, problem: Unloadable, twin: str | None = None
    ) -> FileRecord:
        """Note a file that is not indexed. Its last good version leaves if there is nothing to read in it any more.

        Where reading failed, the last good version stays: a disk that is away for a moment deletes nothing.
        """
        signature = file.signature if content else ""
        record = FileRecord(file.source, problem.state, problem.reason, signature, content)
        if known == record:
            return record
        if known and twin in self._batch:  # answers until its twin does
            self._batch[twin].replaced[file.source] = record
        elif problem.state == "skipped" and known and known.state != "skipped":
            self._ledger.retire(file.source, record)
        else:
            self._notes.append(record)
        return record

    def _index_batch(self) -> None:
        batch, self._batch = self._batch, {}
        notes, self._notes = self._notes, []
        if not batch and not notes:
            return
        with self._ledger.transaction():
            for record in notes:
                self._ledger.record(record)
            staged = [self._stage(work) for work in batch.values()]
        missing: dict[str, Passage] = {}
        for version in staged:
            missing |= self._ledger.unembedded(version)
        for count in embed_missing(self._ledger, self._embedder, missing):
            self._passages += count
            self._report()
        rows = [row for version in staged for row in version.rows]
        keys = [key for version in staged for key in version.vector_keys]
        for start in range(0, len(rows), _ADD_PASSAGES):
            part = slice(start, start + _ADD_PASSAGES)
            self._index.add(rows[part], self._ledger.passage_vectors(keys[part]))
        with self._ledger.transaction():
            for version, work in zip(staged, batch.values(), strict=True):
                self._ledger.publish(version, work.record, work.replaced)
        self._done += len(batch)
        self._report()

    def _stage(self, work: _Work) -> Staged:
        if work.staged:
            return work.staged
        articles = [
            (article, passages, [vector_key(self._embedder, passage) for passage in passages])
            for article, passages in work.articles
        ]
        return self._ledger.stage(work.record.source, work.record.digest, articles)

    def _report(self) -> None:
        self._progress(Progress(self._done, self._total, self._passages))


def _content(digest: str) -> str:
    """Return the part of a file's digest that depends on its bytes alone."""
    return digest.partition(":")[2]


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _as_files(pages: Mapping[str, str]) -> list[FoundFile]:
    return [FoundFile(address, None, content) for address, content in pages.items()]


def _refuse_mass_deletion(folder: Path, lost: Set[str], answering: Set[str]) -> None:
    missing, before = len(lost & answering), len(answering)
    if missing > _MANY and missing > _MANY_SHARE * before:
        raise InputError(
            f"{missing} of {before} indexed files are gone from {folder}. Nothing was changed. If the folder is not "
            "mounted or is another one, bring it back; if the files are meant to be gone, run `footnote sync --prune`."
        )
