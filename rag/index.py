"""Owns the life of the vector index: which Chroma folder is current, whether it is sound, when it is built anew."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from rag.errors import StoreError
from rag.ledger import Ledger, LedgerReader
from rag.types import Matrix, Vector
from rag.vectors import ChromaIndex, ExactIndex, Probe

_log = logging.getLogger(__name__)
FOLDER_NAME = "chroma"
POINTER = "index"  # the key in the ledger that names the current folder
_ADD = 5000
_GARBAGE = 1 / 3  # of all vectors: above it the index is built anew
_SMALL = 1000  # below it garbage does not matter


def exact_index(ledger: LedgerReader) -> ExactIndex:
    """Return exact search over the ledger's vectors, for a process that does not own the library."""

    def load() -> tuple[list[int], Matrix]:
        with ledger.snapshot():
            rows, keys = ledger.active_rows()
            return rows, ledger.passage_vectors(keys)

    return ExactIndex(load, ledger.state)


class VectorIndex:
    """The owner's index. It is probed in a child process while this one goes on; nobody waits before it is used.

    A folder that is missing, damaged or short of vectors is built anew from the ledger, in another
    folder, to which the ledger then points: no embedding is computed. Cut off at any point, the next
    opening finds an index that is sound, or builds one again.
    """

    def __init__(self, library: Path, ledger: Ledger) -> None:
        self._root = library / FOLDER_NAME
        self._ledger = ledger
        self._name = ledger.get(POINTER)
        self._probe = Probe(self._root / self._name) if self._name else None
        self._chroma: ChromaIndex | None = None
        self._sweep()

    def search(self, vector: Vector, limit: int) -> list[tuple[int, float]]:
        """Return rows and cosine similarities of the nearest passages, best first; old versions are among them."""
        with self._ledger.snapshot():  # under its lock: no other thread opens or switches the index meanwhile
            try:
                return self._open().search(vector, limit)
            except StoreError as error:
                _log.warning("%s Building it anew from the ledger.", error)
                self.rebuild()
                return self._open().search(vector, limit)

    def add(self, rows: Sequence[int], vectors: Matrix) -> None:
        """Insert vectors under row numbers; those that are there already stay."""
        with self._ledger.snapshot():
            self._open().add(rows, vectors)

    def count(self) -> int:
        """Return the number of vectors, those of old versions included."""
        with self._ledger.snapshot():
            return self._open().count()

    def rows(self) -> set[int]:
        """Return the row numbers that have a vector."""
        with self._ledger.snapshot():
            return self._open().rows()

    def tidy(self) -> None:
        """Build the index anew where too much of it belongs to versions that are gone; drop folders not in use."""
        if self._chroma is not None:
            count = self._chroma.count()
            if count > _SMALL and count - self._ledger.passage_count() > _GARBAGE * count:
                self.rebuild()
        self._sweep()

    def rebuild(self, progress: Callable[[int, int], None] = lambda _done, _total: None) -> None:
        """Build a new index from the ledger's vectors and switch to it. `progress` gets vectors done, and all."""
        rows, keys = self._ledger.active_rows()
        self.switch(rows, keys, lambda: None, progress)

    def switch(
        self,
        rows: Sequence[int],
        vector_keys: Sequence[str],
        publish: Callable[[], None],
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        """Build a new index of these rows and, in one transaction with `publish`, let the ledger point to it."""
        name = str(int(self._name or 0) + 1)
        shutil.rmtree(self._root / name, ignore_errors=True)  # of a switch that was cut off
        if self._root.is_file():
            self._root.unlink()
        self._root.mkdir(exist_ok=True)
        built = ChromaIndex(self._root / name)
        try:
            for start in range(0, len(rows), _ADD):
                part = slice(start, start + _ADD)
                built.add(rows[part], self._ledger.passage_vectors(vector_keys[part]))
                progress(min(start + _ADD, len(rows)), len(rows))
            with self._ledger.transaction():
                publish()
                self._ledger.put(POINTER, name)
        except BaseException:
            built.close()
            raise
        old, self._chroma, self._name = self._chroma, built, name
        if old:
            old.close()

    def close(self) -> None:
        """Release the files."""
        if self._probe:
            self._probe.stop()
        if self._chroma:
            self._chroma.close()
            self._sweep()

    def _sweep(self) -> None:
        """Drop the folders that the ledger does not point to: only outside a transaction that could still fail."""
        with suppress(OSError):  # such as too many open files: what stays now is dropped the next time
            for folder in self._root.iterdir():
                if folder.name != self._name:
                    shutil.rmtree(folder, ignore_errors=True)

    def _open(self) -> ChromaIndex:
        if self._chroma is None:
            expected = self._ledger.passage_count()
            if self._name and self._probe and self._probe.sound(expected):
                self._chroma = ChromaIndex(self._root / self._name)
            else:
                if expected:
                    _log.warning("The vector index is missing or damaged; building it from the ledger.")
                self.rebuild()
        assert self._chroma is not None  # noqa: S101 - set by both ways above
        return self._chroma
