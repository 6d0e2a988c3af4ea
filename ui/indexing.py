"""Owns the changes of the library that readers ask for: one thread does them, one at a time, in the order asked."""

from __future__ import annotations

import logging
import re
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from rag import Footnote
from rag.errors import BusyError, FootnoteError, InputError, ReadOnlyError
from rag.folder import OWN
from rag.sync import REMOVED
from rag.types import Progress, SyncReport

Kind = Literal["sync", "add", "remove", "put back", "upload"]
State = Literal["waiting", "working", "done", "failed"]

UPLOADS = "uploads"
"""The folder, inside the articles folder, of what readers upload."""
MARKER = f"{OWN}uploads"
"""The file in it that says that Footnote made it: what is removed from it on the page is deleted."""

MOST_WAITING = 100
_KEPT = 8  # changes that are over, for their reports
_CLOSING_SECONDS = 10
_LONGEST_ADDRESS = 2000
_FOLDERS = re.compile(r"(?<![^\s\"'(“])/(?:[^\s/:]+/)+")  # of a path in a message; not of a web address

_UNEXPECTED = "Something unexpected went wrong; the log of the server says what. Try again, or run `footnote doctor`."
_ENDED = "The server was stopped before this was done. “Sync now” goes on with it."

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """A change of the library; `sources` are files by their source, or the address of a web page.

    `progress` is there while a folder is gone through, `report` once it was, `error` where the change failed: why,
    and what to do. `deleted`: the file was uploaded, and is gone. `at` is when it was over (UTC, ISO 8601).
    """

    number: int
    kind: Kind
    sources: tuple[str, ...] = ()
    state: State = "waiting"
    progress: Progress | None = None
    report: SyncReport | None = None
    error: str | None = None
    deleted: bool = False
    at: str = ""


class Work(NamedTuple):
    """All changes at one moment: those over, newest last, the one at work, those that wait, in their order.

    `version` grows with every change of any of them.
    """

    version: int
    over: tuple[Job, ...]
    current: Job | None
    waiting: tuple[Job, ...]

    @property
    def idle(self) -> bool:
        """Whether nothing is being done and nothing waits."""
        return self.current is None and not self.waiting


class _Stopped(Exception):
    """The program ends: a sync is cut off, and the next one goes on where it was."""


class Indexing:
    """The changes of one library, the same for all its readers. Close it before the library."""

    def __init__(self, library: Footnote) -> None:
        self._library = library
        self._changed = threading.Condition()
        self._waiting: deque[Job] = deque()
        self._current: Job | None = None
        self._over: deque[Job] = deque(maxlen=_KEPT)
        self._version = 0
        self._numbers = 0
        self._closing = False
        self._thread: threading.Thread | None = None
        self.refusal = _refusal(library)
        """Why the library cannot be changed here, in words for a reader; None where it can."""

    # ------------------------------------------------------------ asking for a change
    # All return the change that was asked for, and raise ReadOnlyError where the library cannot be changed here,
    # InputError for what makes no sense, BusyError where too much waits.

    def sync(self) -> Job:
        """Bring the library in line with its folder; where that waits already, that is it."""
        with self._changed:
            same = next((job for job in self._waiting if job.kind == "sync"), None)
            return same or self._ask("sync")

    def add(self, address: str) -> Job:
        """Fetch a web page into the library, or again."""
        address = address.strip()
        if not address or len(address) > _LONGEST_ADDRESS or any(char.isspace() for char in address):
            raise InputError("Give the address of one web page, such as https://example.org/article.")
        if "://" not in address:
            address = f"https://{address}"
        return self._ask("add", address)

    def remove(self, source: str) -> Job:
        """Take a file or a web page out; what was uploaded is deleted."""
        known = self._library.ledger.files().get(source)
        if known is None or known.reason == REMOVED:
            raise InputError(f"{source} is not in the library any more.")
        return self._ask("remove", source)

    def put_back(self, source: str) -> Job:
        """Take a file back that was removed and is still in the folder."""
        known = self._library.ledger.files().get(source)
        if known is None or known.reason != REMOVED:
            raise InputError(f"{source} was not removed: there is nothing to put back.")
        return self._ask("put back", source)

    def uploaded(self, sources: Sequence[str]) -> Job:
        """Index files that came into the folder; those of them that were removed before count as new."""
        with self._changed:
            if self._waiting and self._waiting[-1].kind == "upload":
                last = self._waiting.pop()
                joined = replace(last, sources=tuple(dict.fromkeys([*last.sources, *sources])))
                self._waiting.append(joined)
                self._tell()
                return joined
            return self._ask("upload", *sources)

    def check(self) -> None:
        """Raise ReadOnlyError where the library cannot be changed here."""
        if self.refusal:
            raise ReadOnlyError(self.refusal)

    def _ask(self, kind: Kind, *sources: str) -> Job:
        self.check()
        with self._changed:
            if self._closing:
                raise ReadOnlyError("The server is being stopped. Try again when it is back.")
            if len(self._waiting) >= MOST_WAITING:
                raise BusyError("Too many changes of the library are waiting. Try again when some are done.")
            self._numbers += 1
            job = Job(self._numbers, kind, sources)
            self._waiting.append(job)
            self._tell()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="indexing", daemon=True)
                self._thread.start()
            return job

    # ------------------------------------------------------------ looking on

    def work(self) -> Work:
        """Return all changes as they are now."""
        with self._changed:
            return Work(self._version, tuple(self._over), self._current, tuple(self._waiting))

    def wait(self, version: int, timeout: float) -> Work:
        """Return all changes once they are not those of `version` any more, or after `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._version != version, timeout)
            return self.work()

    def deleted_with(self) -> str | None:
        """Return what the sources of uploaded files begin with, which removing deletes; None where that is not ours."""
        folder = self._library.articles / UPLOADS
        return f"{UPLOADS}/" if (folder / MARKER).is_file() and not folder.is_symlink() else None

    def close(self) -> None:
        """End the work, also in the middle of a sync: the next one goes on with it."""
        with self._changed:
            self._closing = True
            self._waiting.clear()
            self._tell()
        if self._thread is not None:
            self._thread.join(_CLOSING_SECONDS)

    # ------------------------------------------------------------ doing it

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if self._closing:
                    return
                self._current = replace(self._waiting.popleft(), state="working")
                self._tell()
                job = self._current
            done = self._outcome(job)
            with self._changed:
                self._over.append(replace(done, progress=None, at=datetime.now(UTC).isoformat(timespec="seconds")))
                self._current = None
                self._tell()

    def _outcome(self, job: Job) -> Job:
        try:
            return self._do(job)
        except _Stopped:
            return replace(job, state="failed", error=_ENDED)
        except FootnoteError as error:
            return replace(job, state="failed", error=self._told(str(error)))
        except Exception:
            # Whatever it is, the changes that wait behind this one must still be done.
            _log.exception("A change of the library failed: %s of %s", job.kind, ", ".join(job.sources) or "the folder")
            return replace(job, state="failed", error=_UNEXPECTED)

    def _do(self, job: Job) -> Job:
        owner = self._library.owner
        if job.kind == "remove":
            (source,) = job.sources
            uploads = self.deleted_with()
            deleted = uploads is not None and source.startswith(uploads)
            owner.remove(source, delete=deleted)
            if deleted and self._was_in_the_way(source):
                self.sync()
            return replace(job, state="done", deleted=deleted)
        if job.kind == "add":
            report = owner.add(job.sources[0], self._show)
        else:
            report = owner.take_back(job.sources, self._show)
        return replace(job, state="done", report=report)

    def _was_in_the_way(self, source: str) -> bool:
        """Whether a file was put aside because it has the same content as this one."""
        reasons = (record.reason or "" for record in self._library.ledger.files().values())
        return any(reason.endswith(f" {source}") for reason in reasons)

    def _show(self, progress: Progress) -> None:
        with self._changed:
            if self._closing:
                raise _Stopped
            if self._current is not None:
                self._current = replace(self._current, progress=progress)
                self._tell()

    def _tell(self) -> None:
        self._version += 1
        self._changed.notify_all()

    def _told(self, message: str) -> str:
        """Return a message without the folders that things are in: they are nobody's business on the page."""
        library = self._library.ledger.path.parent
        for path in (self._library.articles, library, library.resolve()):
            message = message.replace(f"{path}/", "").replace(str(path), path.name)
        return _FOLDERS.sub("", message)


def _refusal(library: Footnote) -> str | None:
    try:
        _ = library.owner
    except BusyError:
        return (
            "Another program is using this library, so its articles can be read and asked here, not changed. "
            "To change them here, stop that program and start Footnote again."
        )
    except FootnoteError:
        return (
            "This library cannot be written, so its articles can be read and asked here, not changed. "
            "Give the server write access to it, and start Footnote again."
        )
    return None
