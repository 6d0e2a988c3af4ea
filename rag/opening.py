"""Owns opening a library on disk: its lock, its ledger, and what it is bound to."""

from __future__ import annotations

from pathlib import Path

from rag.backup import remove_leftovers
from rag.config import DEFAULT_ARTICLES, Settings
from rag.errors import BusyError, FootnoteError, InputError, ReadOnlyError, StoreError
from rag.index import FOLDER_NAME
from rag.ledger import FILE_NAME, Ledger, LedgerReader
from rag.lock import Lock
from rag.owner import ARTICLES, EMBEDDER, EMBEDDER_NAME
from rag.types import Embedder

_CHECKED_BYTES = 100_000_000  # a smaller ledger is looked through at every opening: tens of milliseconds


class Store:
    """A library as it was opened: with a lock, a `Ledger`; else one for reading only, and what refused the lock."""

    def __init__(self, ledger: LedgerReader, lock: Lock | None = None, refusal: FootnoteError | None = None) -> None:
        self.ledger = ledger
        self._lock = lock
        self._refusal = refusal

    @property
    def notice(self) -> str | None:
        """What a reader must know who asks a library that this process may not change; None for its owner."""
        if self._refusal is None:
            return None
        return f"{self._reason}: answering from what it holds now, without syncing."

    @property
    def owner_pid(self) -> int | None:
        """The process that owns the library, where it is not this one."""
        return self._refusal.owner_pid if isinstance(self._refusal, BusyError) else None

    @property
    def error(self) -> FootnoteError:
        """What to raise where the library cannot be changed."""
        if isinstance(self._refusal, BusyError):
            return BusyError(f"{self._reason}. Stop that process, or wait for it.", self._refusal.owner_pid)
        return self._refusal or StoreError("The library is closed.")

    @property
    def _reason(self) -> str:
        if isinstance(self._refusal, BusyError):
            pid = self._refusal.owner_pid
            return f"The library is in use by process {pid}" if pid else "The library is in use by another process"
        return "The library cannot be written"

    def close(self) -> None:
        """Close the ledger and give the library free."""
        self.ledger.close()
        if self._lock:
            self._lock.release()
            self._lock = None


def open_store(folder: Path) -> Store:
    """Open the library in a folder, which is made where it is not there; raises StoreError where it is damaged."""
    lock, refusal = None, None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # articles may be nobody else's business
        lock = Lock(folder)
    except (BusyError, ReadOnlyError) as error:
        refusal = error
    except OSError as error:
        raise StoreError(f"The library {folder} cannot be made: {error.strerror}. Use another --library.") from None
    if lock is None:
        return Store(LedgerReader(folder, readonly=True), refusal=refusal)
    try:
        return Store(_ledger(folder, lock), lock)
    except BaseException:
        lock.release()
        raise


def _ledger(folder: Path, lock: Lock) -> Ledger:
    remove_leftovers(folder)
    file = folder / FILE_NAME
    traces = [path for path in (folder / FOLDER_NAME, folder / f"{FILE_NAME}-journal") if path.exists()]
    if traces and not (file.exists() and file.stat().st_size):
        raise StoreError(
            f"{file} is missing, though there is {traces[0].name} of it. Bring back a backup with "
            f"`footnote restore FILE`, or move {folder} away to begin a new library."
        )
    small = not file.exists() or file.stat().st_size < _CHECKED_BYTES
    return Ledger(folder, check=small or lock.abandoned)


def bound_folder(ledger: LedgerReader, settings: Settings) -> Path:
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


def check_embedder(ledger: LedgerReader, settings: Settings, embedder: Embedder) -> None:
    """Raise StoreError where a library was built with another embedder."""
    known = ledger.get(EMBEDDER)
    if known not in (None, embedder.fingerprint):
        raise StoreError(
            f"The library {settings.library} was built with another embedder "
            f"({ledger.get(EMBEDDER_NAME)}, {known}). Go back to that one, or run `footnote sync --re-embed`."
        )
