"""Owns the folder of uploaded files: what a session may put there, under which name, and what is there already."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import secrets
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

from rag import Footnote
from rag.errors import ReadOnlyError
from rag.folder import OWN
from rag.load import MAX_BYTES
from rag.text import printable
from ui.filenames import EXTENSIONS, readable, safe_name, shown_name, with_number
from ui.indexing import MARKER, UPLOADS, Indexing

FILES_A_DAY = 500
"""Of one session; the day is that of UTC."""
BYTES_A_DAY = 1_000_000_000
"""Of one session."""
FREE_BYTES = 500_000_000
"""Stay free on the disks of the articles and of the library."""
REQUESTS_AT_ONCE = 8
"""Of all sessions; of one, two."""
MEGABYTE = 1_000_000

_BY_ONE = 2
_PARTIAL = f"{OWN}partial-"
_MUCH = (
    f"{FILES_A_DAY} files or {BYTES_A_DAY // MEGABYTE} MB were uploaded from this browser today; that is the most. "
    "Go on tomorrow, or ask whoever runs this server to put the files into the articles folder."
)
_FULL = "The server's disk is nearly full, so nothing was kept. Ask whoever runs it to free some space."
_UNKEPT = "The server cannot write to its articles folder, so nothing was kept. Ask whoever runs it to look."
_BUSY = "Too many uploads are running. Try again in a moment."
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_log = logging.getLogger(__name__)


class Refused(Exception):
    """A request, or one file of it, is not taken: the HTTP status, and a sentence for the reader."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass
class Part:
    """A file of a request: `path` is where it is until the whole request is there; None where it is refused.

    `name` is how the reader is shown it, `safe` how the folder has it, `source` where it ended.
    """

    name: str
    safe: str
    path: Path | None = None
    refused: Refused | None = None
    size: int = 0
    hasher: hashlib._Hash = field(default_factory=hashlib.sha256)
    source: str | None = None
    note: str | None = None

    def answer(self) -> dict[str, str | None]:
        """Return what became of it, for the page."""
        error = self.refused.message if self.refused else None
        return {"name": self.name, "source": self.source, "error": error, "note": self.note}


class Uploads:
    """Receives files into the articles folder of a library. `file_bytes` is the most that one may have.

    What was left half received by a process before this one is swept away. `today` gives the day of the quota.
    """

    def __init__(
        self,
        library: Footnote,
        indexing: Indexing,
        file_bytes: int,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self.folder = library.articles / UPLOADS
        self._library = library
        self._indexing = indexing
        self._file_bytes = min(file_bytes, MAX_BYTES)
        self._today = today
        self._day = today()
        self._files: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._running: Counter[str] = Counter()
        self._lock = threading.Lock()
        if indexing.refusal is None and self.folder.is_dir() and not self.folder.is_symlink():
            for left in self.folder.glob(f"{_PARTIAL}*"):
                left.unlink(missing_ok=True)

    @contextmanager
    def running(self, session: str) -> Iterator[None]:
        """Count a request of a session while the block runs. Raises Refused where there are too many."""
        with self._lock:
            if self._running[session] >= _BY_ONE or self._running.total() >= REQUESTS_AT_ONCE:
                raise Refused(503, _BUSY)
            self._running[session] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[session] -= 1
                self._running += Counter()  # drops those at nothing

    def prepare(self) -> None:
        """Make the folder. Raises Refused where the library cannot be changed, or nothing can be kept."""
        try:
            self._indexing.check()
        except ReadOnlyError as refusal:
            raise Refused(403, str(refusal)) from None
        with kept():
            if not self._library.articles.is_dir() or self.folder.is_symlink():
                raise Refused(507, _UNKEPT)
            made = not self.folder.exists()
            self.folder.mkdir(mode=0o700, exist_ok=True)
            if made:  # by us: what is removed from it on the page is deleted
                (self.folder / MARKER).touch(mode=0o600)
        self.check_space()

    def check_space(self, coming: int = 0) -> None:
        """Raise Refused where `coming` bytes would leave too little of a disk."""
        for place in (self.folder, self._library.ledger.path.parent):
            if shutil.disk_usage(place).free < FREE_BYTES + coming:
                raise Refused(507, _FULL)

    def count(self, session: str, files: int, size: int) -> None:
        """Take files and bytes off what a session may send today. Raises Refused where that is too much."""
        with self._lock:
            if self._day != self._today():
                self._day = self._today()
                self._files.clear()
                self._bytes.clear()
            self._files[session] += files
            self._bytes[session] += size
            if self._files[session] > FILES_A_DAY or self._bytes[session] > BYTES_A_DAY:
                raise Refused(429, _MUCH)

    def begin(self, name: str) -> tuple[Part, int | None]:
        """Return a part for a file of this name and the descriptor to write it to; None where it is refused."""
        part = Part(shown_name(name), safe_name(name))
        if not readable(name):
            what = f"Files of this kind cannot be read. These can: {', '.join(EXTENSIONS)}."
            part.refused = Refused(422, what)
            return part, None
        part.path = self.folder / f"{_PARTIAL}{secrets.token_hex(8)}"
        with kept():
            return part, os.open(part.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)

    def too_large(self, size: int) -> Refused | None:
        """Return why a file of so many bytes is refused; None where it is not."""
        if size <= self._file_bytes:
            return None
        return Refused(413, f"Larger than {self._file_bytes // MEGABYTE} MB, the most for one file. Split it.")

    def keep(self, parts: list[Part]) -> None:
        """Give what came whole its name, and have it indexed."""
        known = self._known()
        for part in parts:
            if part.path is not None and part.refused is None:
                try:
                    self._place(part, known)
                except Refused as refused:
                    part.refused, part.source = refused, None
        indexed = {source for source, record in self._library.ledger.files().items() if record.state == "indexed"}
        if sources := [part.source for part in parts if part.source and not (part.note and part.source in indexed)]:
            _sync_folder(self.folder)
            self._indexing.uploaded(sources)

    def _known(self) -> dict[str, str]:
        """Return the file of the library with each content, by its SHA-256: an indexed one where there is one."""
        records = sorted(self._library.ledger.files().values(), key=lambda record: record.state == "indexed")
        return {record.digest.partition(":")[2]: record.source for record in records if record.digest}

    def _place(self, part: Part, known: dict[str, str]) -> None:
        path, content = part.path, part.hasher.hexdigest()
        assert path is not None  # noqa: S101 - the caller looked
        same = known.get(content)
        with self._lock, kept():  # nobody else writes here, so a name that is free stays free
            if same and (self._library.articles / same).is_file():
                part.source = same
            else:
                part.source = f"{UPLOADS}/{self._name(part, content)}"
            target = self._library.articles / part.source
            if target.exists():
                part.note = f"is there already, as {printable(part.source)}"
                path.unlink()
            else:
                path.rename(target)
        part.path = None

    def _name(self, part: Part, content: str) -> str:
        """Return a name that is free, or that of a file with this very content."""
        number = 1
        while True:
            numbered = with_number(part.safe, number)
            there = self.folder / numbered
            if not os.path.lexists(there) or _holds(there, part.size, content):
                return numbered
            number += 1


def _holds(path: Path, size: int, content: str) -> bool:
    """Whether a file is of this size and SHA-256."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size != size:
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == content


@contextmanager
def kept() -> Iterator[None]:
    """Raise Refused, in words for a reader, where the disk refuses what the block does."""
    try:
        yield
    except OSError as error:
        _log.warning("An upload cannot be kept: %s", error)
        raise Refused(507, _FULL if error.errno in _NO_SPACE else _UNKEPT) from None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
