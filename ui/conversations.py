"""Owns what is kept of conversations: one SQLite file for all readers, in which each sees only their own.

Readers are told apart by a session, of which only a digest is stored. A turn is JSON with the receipts of its answers.
Kept are at most 200 turns of a conversation (one more is refused) and the 1,000 newest conversations of a reader.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from rag.errors import InputError, StoreError
from rag.text import clean
from rag.types import Answer
from ui.conversation_file import ConversationFile
from ui.render import shortened
from ui.turns import Feedback, Turn
from ui.written import marked, read_turn, words, written

FILE_NAME = "conversations.sqlite3"
MOST_TURNS = 200
MOST_CONVERSATIONS = 1000
_MOST_BYTES = 4_000_000  # of a turn: replies of ten models that were compared are under two million
_TITLE = 80  # characters
_PURGE_EVERY = timedelta(hours=1)
_ID = re.compile(r"[A-Za-z0-9_-]{22}")
_GONE = "This conversation, or this turn of it, is not there any more. Begin a new one."
_LISTED = """
SELECT id, title, updated, (SELECT count(*) FROM turns WHERE conversation = key)
FROM conversations WHERE session = :session AND (
    :wanted = '' OR instr(folded(title), :wanted)
    OR EXISTS (SELECT 1 FROM turns WHERE conversation = key AND instr(words, :wanted))
)
ORDER BY updated DESC, key DESC LIMIT :limit
"""
_TOO_MANY = """
DELETE FROM conversations WHERE key IN (
    SELECT key FROM conversations WHERE session = ? ORDER BY updated DESC, key DESC LIMIT -1 OFFSET ?
)
"""


class Conversation(NamedTuple):
    """A conversation in the list; `updated` is when it was last asked (UTC, ISO 8601), `turns` how many it has."""

    id: str
    title: str
    updated: str
    turns: int


def _now() -> datetime:
    return datetime.now(UTC)


class Conversations:
    """The conversations of all readers, kept for `keep_days` after their last question; safe to share between threads.

    Without a `file`, or where it cannot be written, they are in memory only: `kept` is False. A damaged file is set
    aside. What cannot be written raises StoreError, and leaves what was kept as it was.
    """

    def __init__(
        self,
        file: Path | None,
        keep_days: int,
        receipt: Callable[[Answer], dict[str, Any]],
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._file = ConversationFile(file, clock)
        self._keep = timedelta(days=keep_days)
        self._receipt = receipt
        self._clock = clock
        self._purge_if_possible()

    @property
    def kept(self) -> bool:
        """Whether conversations outlive this process."""
        return self._file.kept

    @staticmethod
    def new_id() -> str:
        """Return the id of a new conversation: 128 random bits, fit for an address."""
        return secrets.token_urlsafe(16)

    def list(self, session: str, search: str = "", limit: int = 100) -> list[Conversation]:
        """Return a reader's conversations, newest first: with `search`, those whose title or words hold it."""
        values = {"session": _hidden(session), "wanted": clean(search).strip().casefold(), "limit": limit}
        with self._file.transaction() as database:
            return [Conversation(*row) for row in database.execute(_LISTED, values)]

    def turns(self, session: str, identifier: str) -> tuple[Turn, ...]:
        """Return the turns of a conversation, oldest first; none where there is no such one of this reader."""
        with self._file.transaction() as database:
            found = database.execute(
                "SELECT content FROM turns JOIN conversations ON key = conversation "
                "WHERE session = ? AND id = ? ORDER BY number",
                (_hidden(session), clean(identifier)),
            ).fetchall()
        return tuple(read_turn(content) for (content,) in found)

    def title(self, session: str, identifier: str) -> str:
        """Return the title of a conversation; empty where there is no such one of this reader."""
        with self._file.transaction() as database:
            row = database.execute(
                "SELECT title FROM conversations WHERE session = ? AND id = ?", (_hidden(session), clean(identifier))
            ).fetchone()
        return row[0] if row else ""

    def append(self, session: str, identifier: str, turn: Turn) -> None:
        """Add a turn to a conversation, which is begun where it is new; its title is the first question, shortened.

        Raises InputError for an id that is another reader's or was not made by `new_id`, and where it is full.
        """
        if not _ID.fullmatch(identifier):
            raise InputError(_GONE)
        content = self._written(turn)
        with self._file.transaction() as database:
            key = self._asked(database, session, identifier, turn)
            (count,) = database.execute("SELECT count(*) FROM turns WHERE conversation = ?", (key,)).fetchone()
            if count >= MOST_TURNS:
                raise InputError(f"This conversation has {MOST_TURNS} questions, which is the most. Begin a new one.")
            _put(database, key, count + 1, turn, content)
            database.execute(_TOO_MANY, (_hidden(session), MOST_CONVERSATIONS))
        if self._clock() - self._purged >= _PURGE_EVERY:
            self._purge_if_possible()

    def replace(self, session: str, identifier: str, number: int, turn: Turn) -> None:
        """Put a turn in the place of turn `number`, from 1; all that came after it goes. Raises InputError without."""
        content = self._written(turn)
        with self._file.transaction() as database:
            key, _ = _turn(database, session, identifier, number)
            database.execute("UPDATE conversations SET updated = ? WHERE key = ?", (self._time(), key))
            if number == 1:
                title = shortened(clean(turn.question), _TITLE)
                database.execute("UPDATE conversations SET title = ? WHERE key = ? AND NOT renamed", (title, key))
            database.execute("DELETE FROM turns WHERE conversation = ? AND number >= ?", (key, number))
            _put(database, key, number, turn, content)

    def set_feedback(self, session: str, identifier: str, number: int, k: int, feedback: Feedback | None) -> None:
        """Set what a reader thinks of reply `k` of turn `number`, both from 1; raises InputError where it is none."""
        with self._file.transaction() as database:
            key, content = _turn(database, session, identifier, number)
            changed = marked(content, k, feedback)
            if changed is None:
                raise InputError(_GONE)
            database.execute(
                "UPDATE turns SET content = ? WHERE conversation = ? AND number = ?", (changed, key, number)
            )

    def rename(self, session: str, identifier: str, title: str) -> None:
        """Give a conversation another title, shortened; a blank one leaves it as it is."""
        title = shortened(clean(title), _TITLE)
        with self._file.transaction() as database:
            database.execute(
                "UPDATE conversations SET title = ?, renamed = 1 WHERE session = ? AND id = ? AND ? != ''",
                (title, _hidden(session), clean(identifier), title),
            )

    def delete(self, session: str, identifier: str) -> None:
        """Delete a conversation, if it is this reader's, with every word of it."""
        with self._file.transaction() as database:
            database.execute(
                "DELETE FROM conversations WHERE session = ? AND id = ?", (_hidden(session), clean(identifier))
            )

    def delete_all(self, session: str) -> None:
        """Delete all conversations of a reader, with every word of them."""
        with self._file.transaction() as database:
            database.execute("DELETE FROM conversations WHERE session = ?", (_hidden(session),))

    def purge(self) -> None:
        """Delete the conversations of all readers that were last asked too long ago, and such files set aside."""
        self._purged = self._clock()
        oldest = self._purged - self._keep
        with self._file.transaction() as database:
            database.execute("DELETE FROM conversations WHERE updated < ?", (_iso(oldest),))
        self._file.forget(oldest)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # ------------------------------------------------------------ writing

    def _purge_if_possible(self) -> None:
        with suppress(StoreError):  # it is in the log, and tried again in an hour
            self.purge()

    def _asked(self, database: sqlite3.Connection, session: str, identifier: str, turn: Turn) -> int:
        """Return the key of a conversation that is asked now, and is begun where it is new."""
        row = database.execute("SELECT key, session FROM conversations WHERE id = ?", (identifier,)).fetchone()
        if row is None:
            title = shortened(clean(turn.question), _TITLE)
            values = (identifier, _hidden(session), title, self._time())
            inserted = database.execute(
                "INSERT INTO conversations (id, session, title, updated) VALUES (?, ?, ?, ?)", values
            )
            return int(inserted.lastrowid or 0)
        if row[1] != _hidden(session):
            raise InputError(_GONE)
        database.execute("UPDATE conversations SET updated = ? WHERE key = ?", (self._time(), row[0]))
        return int(row[0])

    def _written(self, turn: Turn) -> bytes:
        content = written(turn, self._receipt)
        if len(content) > _MOST_BYTES:
            raise StoreError(
                f"This turn is too large to be kept ({_MOST_BYTES // 1_000_000} MB at most). Ask for less at once."
            )
        return content

    def _time(self) -> str:
        return _iso(self._clock())


def _turn(database: sqlite3.Connection, session: str, identifier: str, number: int) -> tuple[int, bytes]:
    """Return the key of a reader's conversation and its turn `number`, from 1; raises InputError without."""
    if not 1 <= number <= MOST_TURNS:  # SQLite takes no number of more than 64 bits
        raise InputError(_GONE)
    row = database.execute(
        "SELECT key, content FROM turns JOIN conversations ON key = conversation "
        "WHERE session = ? AND id = ? AND number = ?",
        (_hidden(session), clean(identifier), number),
    ).fetchone()
    if row is None:
        raise InputError(_GONE)
    return row[0], row[1]


def _put(database: sqlite3.Connection, key: int, number: int, turn: Turn, content: bytes) -> None:
    database.execute("INSERT INTO turns VALUES (?, ?, ?, ?)", (key, number, words(turn), content))


def _hidden(session: str) -> str:
    return hashlib.sha256(session.encode("utf-8", "surrogatepass")).hexdigest()


def _iso(time: datetime) -> str:
    """Return a time in UTC so that texts order as times do."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")
