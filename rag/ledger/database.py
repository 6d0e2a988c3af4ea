"""Owns the connection to the database: its schema, its transactions, and what its errors mean."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from rag.errors import BusyError, InputError, ReadOnlyError, StoreError
from rag.ledger.schema import SCHEMA_VERSION, script_from

FILE_NAME = "ledger.sqlite3"
_BUSY_SECONDS = 10


def is_library(file: Path) -> bool:
    """Whether a file is a library of some version; it is not changed."""
    try:
        with contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master")}
            return bool(version) and {"meta", "files", "articles", "passages", "vectors"} <= tables
    except sqlite3.Error:
        return False


class Database:
    """One connection, shared by the threads of this process under a lock.

    `readonly` opens it beside its owner; `check` reads all of it first, for one that was not closed well.
    Raises StoreError where the file is damaged, of a newer schema, or absent though `readonly`.
    """

    def __init__(self, folder: Path, *, readonly: bool = False, check: bool = False) -> None:
        self.path = folder / FILE_NAME
        self._lock = threading.RLock()
        try:
            if readonly and not self.path.exists():
                raise self._absent()
        except PermissionError:
            raise ReadOnlyError(f"{folder} is closed to this user. Give it access, or use another --library.") from None
        self._writes = 0
        self._pid = os.getpid()
        with self._errors():
            mode = "ro" if readonly else "rwc"
            self._db = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode={mode}",
                uri=True,
                timeout=_BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                self._open(readonly)
                if check and (problems := self.damage("quick_check")):
                    raise self._unusable(problems[0])
            except BaseException:
                self._db.close()
                raise

    def _open(self, readonly: bool) -> None:
        self._db.execute("PRAGMA foreign_keys = ON")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self.path} was written by a newer Footnote (schema {version}, this one reads {SCHEMA_VERSION}). "
                "Upgrade Footnote, or use another --library."
            )
        if version == 0 and self._db.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
            raise StoreError(f"{self.path} is a database of something else. Move it away, or use another --library.")
        if readonly:
            if version == 0:  # its owner is just about to make it
                raise self._absent()
            if version < SCHEMA_VERSION:
                raise StoreError(f"{self.path} was written by an older Footnote. Run `footnote sync` to upgrade it.")
            return
        self._db.execute("PRAGMA journal_mode = DELETE")
        self._db.execute("PRAGMA synchronous = EXTRA")
        self._db.execute("PRAGMA secure_delete = ON")  # what is removed does not stay in the file
        if version < SCHEMA_VERSION:
            self._db.executescript(script_from(version))

    def close(self) -> None:
        """Close the database; no other method may be called afterwards."""
        with self._lock:
            self._db.close()

    def damage(self, check: str = "integrity_check") -> list[str]:
        """Return what SQLite finds wrong with the file, by `integrity_check` or, faster, `quick_check`."""
        found = [row[0] for row in self._all(f"PRAGMA {check}(10)")]
        return [] if found == ["ok"] else found

    def backup(self, file: Path) -> None:
        """Write a copy of the whole library, as it is at one moment, to a file. Raises InputError where it cannot."""
        try:
            with self._lock, contextlib.closing(sqlite3.connect(file)) as copy:
                self._db.backup(copy)
        except sqlite3.Error as error:
            raise InputError(f"{file} cannot be written: {error}. Free space, or name another file.") from None

    @contextmanager
    def _errors(self) -> Iterator[None]:
        if os.getpid() != self._pid:
            raise StoreError("The library was opened before this process was forked. Open it after the fork.")
        try:
            yield
        except sqlite3.OperationalError as error:
            # The error of a text that is not UTF-8 has no code.
            if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise BusyError(f"Another process is writing to {self.path}. Try again in a moment.") from None
            raise self._unusable(error) from None
        except sqlite3.DatabaseError as error:
            raise self._unusable(error) from None
        except (KeyError, ValueError, TypeError) as error:  # in what was read: a damaged page can hold anything
            raise self._unusable(f"damaged content ({error!r:.100})") from None

    def _absent(self) -> StoreError:
        return StoreError(f"There is no library in {self.path.parent} yet. Run `footnote sync` first.")

    def _unusable(self, error: object) -> StoreError:
        if "disk is full" in str(error):
            return StoreError(f"No space is left for {self.path}. Free some and run `footnote sync` again.")
        if "disk I/O error" in str(error):
            return StoreError(f"{self.path} cannot be read or written: {error}. Check its disk, then try again.")
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_READONLY_ROLLBACK:
            return StoreError(f"{self.path} was left in the middle of a write. Its owner must open it once.")
        if "readonly" in str(error):
            return StoreError(f"{self.path} cannot be written. Give this user write access, or use another --library.")
        return StoreError(
            f"{self.path} cannot be used: {error}. Bring back a backup with `footnote restore FILE`, "
            "or move it away and run `footnote sync`."
        )

    def _all(self, statement: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock, self._errors():
            return self._db.execute(statement, parameters).fetchall()

    def _run(self, statement: str, parameters: Sequence[object] = ()) -> int:
        with self._lock, self._errors():
            return self._db.execute(statement, parameters).lastrowid or 0

    @contextmanager
    def transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        """Run the block in one transaction: kept whole or, when it raises, not at all. Inner ones join the outer."""
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self._run(f"BEGIN {kind}")
            try:
                yield
                self._run("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._writes += kind != "DEFERRED"

    def snapshot(self) -> AbstractContextManager[None]:
        """Run the block so that all reads in it see the same state of the library."""
        return self.transaction("DEFERRED")

    def state(self) -> tuple[int, int]:
        """Return a token that changes whenever the content may have: for what is cached from it."""
        return self._writes, self._all("PRAGMA data_version")[0][0]
