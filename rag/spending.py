"""Owns the count of the tokens that models were sent and gave today, shared by all processes of a library."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

FILE_NAME = "spending.sqlite3"
_BUSY_SECONDS = 10
_PLENTY = 16  # while so many questions could be asked, each may be tried again; then retries would starve others

_log = logging.getLogger(__name__)


class Reservation(NamedTuple):
    """Tokens of a day (UTC) that may be spent: enough for `requests` requests."""

    day: str
    requests: int
    tokens: int


def _now() -> datetime:
    return datetime.now(UTC)


class Spending:
    """Tokens of the current day, at most `most`, in a file of the library folder; what is reserved counts as spent.

    A process that dies leaves its reservations spent: too much is counted then, never too little. Where the
    file cannot be written nothing is counted, and the log says so once.
    """

    def __init__(self, folder: Path, most: int, now: Callable[[], datetime] = _now) -> None:
        self._path = folder / FILE_NAME
        self._most = most
        self._now = now
        self._lock = threading.Lock()  # threads of one process wait here, and not by SQLite's polling
        self._said = False

    def reserve(self, each: int, requests: int) -> Reservation:
        """Reserve `each` tokens for up to so many requests: for one, once the day has little left, or for none."""
        day = self._now().date().isoformat()

        def take(spent: int) -> int:
            fit = (self._most - spent) // each
            return (requests if fit >= _PLENTY * requests else max(0, min(1, requests, fit))) * each

        taken = self._add(day, take)
        if taken is None:
            return Reservation(day, requests, 0)
        return Reservation(day, taken // each, taken)

    def settle(self, reserved: Reservation, spent: int) -> None:
        """Count what was spent in place of what was reserved for it."""
        if reserved.tokens and reserved.day == self._now().date().isoformat():
            self._add(reserved.day, lambda _: spent - reserved.tokens)

    @property
    def seconds_left(self) -> int:
        """The seconds until the next day begins."""
        now = self._now()
        midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        return int((midnight - now).total_seconds()) + 1

    def _add(self, day: str, more: Callable[[int], int]) -> int | None:
        """Add to a day's tokens, told what they are, and return what was added; None where nothing can be counted."""
        try:
            with self._lock, contextlib.closing(sqlite3.connect(self._path, _BUSY_SECONDS)) as database, database:
                database.execute("CREATE TABLE IF NOT EXISTS days (day TEXT PRIMARY KEY, tokens INTEGER NOT NULL)")
                database.execute("DELETE FROM days WHERE day != ?", (day,))  # takes the lock on the file
                row = database.execute("SELECT tokens FROM days").fetchone()
                spent = row[0] if row else 0
                added = more(spent)
                database.execute("INSERT OR REPLACE INTO days VALUES (?, ?)", (day, max(0, spent + added)))
                return added
        except sqlite3.Error as error:
            if not self._said:
                _log.warning("%s cannot be written (%s): tokens of today are not counted.", self._path, error)
            self._said = True
            return None
