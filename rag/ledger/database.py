"""Owns the connection to the database: its schema, its transactions, and what its errors mean."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from rag.errors import BusyError, StoreError

SCHEMA_VERSION = 1
FILE_NAME = "ledger.sqlite3"
_BUSY_SECONDS = 10

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

-- The state of every file in the articles folder.
CREATE TABLE files (
    source TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('indexed', 'skipped', 'failed')),
    reason TEXT,
    signature TEXT NOT NULL,   -- of the file's status: equal means untouched
    digest TEXT NOT NULL,      -- of its bytes and of the way they were read and cut
    CHECK ((state = 'indexed') = (reason IS NULL))
) STRICT;

CREATE TABLE articles (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    article_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    active INTEGER NOT NULL DEFAULT 0 CHECK (active IN (0, 1)),
    digest TEXT NOT NULL,   -- as in files
    source TEXT NOT NULL, title TEXT NOT NULL, published TEXT, author TEXT, language TEXT, url TEXT,
    visibility TEXT NOT NULL, content_hash TEXT NOT NULL, text TEXT NOT NULL, blocks TEXT NOT NULL,
    UNIQUE (article_id, version)
) STRICT;
CREATE UNIQUE INDEX one_active_version ON articles (article_id) WHERE active = 1;
CREATE INDEX not_active ON articles (key) WHERE active = 0;

-- AUTOINCREMENT: row numbers name the passages in Chroma and must never be used twice.
CREATE TABLE passages (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    article_key INTEGER NOT NULL REFERENCES articles (key) ON DELETE CASCADE,
    start INTEGER NOT NULL, "end" INTEGER NOT NULL,
    text TEXT NOT NULL, context TEXT NOT NULL, sentences TEXT NOT NULL, vector_key TEXT NOT NULL
) STRICT;
CREATE INDEX passages_of_article ON passages (article_key);
CREATE INDEX passages_of_vector ON passages (vector_key);

CREATE TABLE vectors (
    key TEXT PRIMARY KEY, passage BLOB NOT NULL, sentences BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Terms come cut and stemmed from rag.text; the tokenizer here only splits them at spaces.
CREATE VIRTUAL TABLE lexical USING fts5 (context, body, tokenize = "unicode61 remove_diacritics 0 tokenchars '.'");
CREATE VIRTUAL TABLE lexical_terms USING fts5vocab (lexical, row);
"""


class Database:
    """One connection, shared by the threads of this process under a lock.

    `readonly` opens it beside its owner. Raises StoreError where the file is damaged, of a newer
    schema, or absent though `readonly`.
    """

    def __init__(self, folder: Path, *, readonly: bool = False) -> None:
        self.path = folder / FILE_NAME
        self._lock = threading.RLock()
        if readonly and not self.path.exists():
            raise self._absent()
        self._writes = 0
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
        if readonly:
            if version == 0:  # its owner is just about to make it
                raise self._absent()
            return
        self._db.execute("PRAGMA journal_mode = DELETE")
        self._db.execute("PRAGMA synchronous = EXTRA")
        if version == 0:
            self._db.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")

    def close(self) -> None:
        """Close the database; no other method may be called afterwards."""
        with self._lock:
            self._db.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            # The error of a text that is not UTF-8 has no code.
            if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise BusyError(f"Another process is writing to {self.path}. Try again in a moment.") from None
            raise self._unusable(error) from None
        except (sqlite3.DatabaseError, json.JSONDecodeError) as error:
            raise self._unusable(error) from None

    def _absent(self) -> StoreError:
        return StoreError(f"There is no library in {self.path.parent} yet. Run `footnote sync` first.")

    def _unusable(self, error: Exception) -> StoreError:
        if "disk is full" in str(error):
            return StoreError(f"No space is left for {self.path}. Free some and run `footnote sync` again.")
        if "readonly" in str(error):
            return StoreError(f"{self.path} cannot be written. Give this user write access, or use another --library.")
        return StoreError(
            f"{self.path} cannot be used: {error}. Restore it from a backup, or move it away and run `footnote sync`."
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
