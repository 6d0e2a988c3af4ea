"""Owns the file of conversations: opened for its owner only, set aside where it is damaged, in memory without one."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from rag.errors import StoreError

_VERSION = 1
_CHECKED_BYTES = 100_000_000  # a smaller file is looked through when it is opened: tens of milliseconds
_BUSY_SECONDS = 10  # a copy of the file may be being made
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_DISK = {  # what is the fault of the place of a file, and not of what is in it
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_NOMEM,
}
_SCHEMA = """
CREATE TABLE conversations (
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    session TEXT NOT NULL,
    title TEXT NOT NULL,
    renamed INTEGER NOT NULL DEFAULT 0,
    updated TEXT NOT NULL
);
CREATE INDEX conversations_of_session ON conversations (session, updated);
CREATE TABLE turns (
    conversation INTEGER NOT NULL REFERENCES conversations (key) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    words TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (conversation, number)
);
"""

_log = logging.getLogger(__name__)


class ConversationFile:
    """An SQLite file of mode 0600, shared by the threads of one process; `None`, or one not to be written: memory.

    What is deleted is overwritten with zeros. Not meant for two processes at once.
    """

    def __init__(self, file: Path | None, clock: Callable[[], datetime]) -> None:
        self._file = file
        self._clock = clock
        self._lock = threading.RLock()
        self._database = self._opened()

    @property
    def kept(self) -> bool:
        """Whether what is written outlives this process."""
        return self._file is not None

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the database to one thread: all that it changes is kept, or nothing where the block raises.

        Raises StoreError where SQLite fails, with advice for readers.
        """
        with self._lock:
            try:
                with self._database as database:
                    yield database
            except (sqlite3.Error, UnicodeDecodeError) as error:
                raise self._failure(error) from error

    def forget(self, before: datetime) -> None:
        """Delete the files that were set aside and last written before a time."""
        for path in self._file.parent.glob(f"{self._file.name}.damaged-*") if self._file else ():
            with suppress(OSError):
                if path.stat().st_mtime < before.timestamp():
                    path.unlink()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()

    def _failure(self, error: Exception) -> StoreError:
        if self._file and (_code(error) in _DAMAGED or not self._file.exists()):
            self._database.close()
            self._database = self._opened(error)
            return StoreError("The kept conversations were damaged or lost, and a new file is begun. Ask again.")
        _log.warning("conversations cannot be kept: %s", error)
        if _code(error) == sqlite3.SQLITE_FULL:
            return StoreError("The disk is full, so this is not kept. Free some space, then try again.")
        return StoreError("This is not kept: the file of conversations cannot be used. The log of the server says why.")

    def _opened(self, damage: Exception | None = None) -> sqlite3.Connection:
        """Return the file open, a new one in the place of one that is damaged; in memory where it cannot be used."""
        while self._file:
            try:
                if damage and self._file.exists():
                    _set_aside(self._file, f"{self._clock():%Y%m%d-%H%M%S-%f}", damage)
                return _connected(self._file)
            except (OSError, sqlite3.Error, UnicodeDecodeError) as error:
                if damage is None and not isinstance(error, OSError) and _code(error) not in _DISK:
                    damage = error
                else:
                    _log.warning("%s cannot be used (%s): conversations are not kept.", self._file, error)
                    self._file = None
        return _connected(None)


def _connected(file: Path | None) -> sqlite3.Connection:
    """Open the file, made if it is not there. Raises OSError and sqlite3.Error where it cannot be used as it is."""
    if file:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        file.chmod(0o600)
    database = sqlite3.connect(file or ":memory:", _BUSY_SECONDS, check_same_thread=False)
    try:
        database.text_factory = lambda data: data.decode("utf-8", "replace")
        database.create_function("folded", 1, str.casefold, deterministic=True)
        for setting in ("journal_mode = DELETE", "synchronous = FULL", "secure_delete = ON", "foreign_keys = ON"):
            database.execute(f"PRAGMA {setting}").fetchall()
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version not in (0, _VERSION):
            raise sqlite3.DatabaseError(f"it is of version {version}")
        if file and file.stat().st_size < _CHECKED_BYTES:
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(found)
        schema = "" if version else _SCHEMA  # without it this only tells whether the file can be written
        database.executescript(f"BEGIN IMMEDIATE; {schema} PRAGMA user_version = {_VERSION}; COMMIT;")
        there = [sql for (sql,) in database.execute("SELECT sql FROM sqlite_schema WHERE sql NOTNULL")]
        if len(there) != _SCHEMA.count(";") or not all(sql in _SCHEMA for sql in there):
            raise sqlite3.DatabaseError("its tables are not ours")
    except BaseException:
        database.close()
        raise
    return database


def _code(error: Exception) -> int:
    """Return SQLite's code for an error; 0 for what we found ourselves."""
    if isinstance(error, UnicodeDecodeError):  # a name in the schema is damaged, and so is SQLite's message about it
        return sqlite3.SQLITE_CORRUPT
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _set_aside(file: Path, when: str, why: Exception) -> None:
    """Give a file, and the journal that belongs to it, another name."""
    aside = file.with_name(f"{file.name}.damaged-{when}")
    _log.warning("%s is damaged (%s): it is now %s, and a new one is begun.", file, why, aside.name)
    file.replace(aside)
    with suppress(FileNotFoundError):
        file.with_name(f"{file.name}-journal").replace(f"{aside}-journal")
