"""Owns the articles folder: which files are in it, whether they changed, and reading one whole."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rag.errors import InputError, Unloadable

_SETTLED_NS = 2_000_000_000  # a later change within one tick of the clock could leave the times as they are
_READ_TRIES = 3
OWN = ".footnote-"
"""Begins the name of what Footnote itself puts into the folder and that is no article: a file half received."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file in the folder; `source` is its path relative to it, `size` in bytes. `problem` says why it is not read.

    `path` None: a web page that the ledger holds; `source` is its address.
    """

    source: str
    path: Path | None
    signature: str
    problem: str | None = None
    size: int = 0


def scan(folder: Path) -> list[FoundFile]:
    """Return every file below the folder but our own, sorted by source; links and hidden files carry their problem.

    Raises InputError where the folder, or one below it, is missing or cannot be listed: files that
    were not seen must not be taken for deleted.
    """
    if not folder.is_dir():
        raise InputError(f"The articles folder {folder} does not exist. Create it, or name another with --articles.")
    try:
        return sorted(_walk(folder, ""), key=lambda file: file.source)
    except OSError as error:
        raise InputError(
            f"{error.filename or folder} cannot be listed: {error.strerror}. Nothing was changed; make it readable."
        ) from None


def _walk(folder: Path, prefix: str) -> Iterator[FoundFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = Path(entry.path)
            if entry.name.startswith(OWN):
                continue
            if not _is_text(entry.name):
                name = os.fsencode(entry.name).decode("utf-8", "backslashreplace")
                yield FoundFile(prefix + name, path, "", "file name is not valid UTF-8")
            elif entry.is_symlink():
                yield FoundFile(prefix + entry.name, path, "", "symbolic link")
            elif entry.name.startswith("."):
                yield FoundFile(prefix + entry.name + "/" * entry.is_dir(), path, "", "hidden")
            elif entry.is_dir():
                yield from _walk(path, f"{prefix}{entry.name}/")
            elif not entry.is_file():
                yield FoundFile(prefix + entry.name, path, "", "not a regular file")
            else:
                with contextlib.suppress(FileNotFoundError):  # gone since it was listed
                    status = entry.stat()
                    yield FoundFile(prefix + entry.name, path, _signature(status), size=status.st_size)


def _is_text(name: str) -> bool:
    return not any("\udc80" <= char <= "\udcff" for char in name)


def _signature(status: os.stat_result) -> str:
    """Return a token of a file's status that no change of its content leaves equal; empty: too fresh to tell."""
    if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _SETTLED_NS:
        return ""
    return f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_ino}"


def read(file: FoundFile, max_bytes: int) -> bytes:
    """Return the bytes of a file as they were at one moment.

    Raises Unloadable where it cannot be read, is larger than `max_bytes`, or keeps changing.
    """
    assert file.path is not None  # noqa: S101 - a web page is read from the ledger
    for _ in range(_READ_TRIES):
        try:
            # Not through a link, and without waiting for the other end of a pipe put in its place.
            descriptor = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                data = _read_still(descriptor, max_bytes)
            finally:
                os.close(descriptor)
        except OSError as error:
            reason = "symbolic link" if error.errno == errno.ELOOP else f"unreadable: {error.strerror}"
            raise Unloadable("failed", reason) from None
        if data is not None:
            return data
    raise Unloadable("failed", "changed while it was read; sync again when it is still")


def _read_still(descriptor: int, max_bytes: int) -> bytes | None:
    """Return the bytes of an open file; None where it changed meanwhile."""
    before = os.fstat(descriptor)
    if not stat.S_ISREG(before.st_mode):
        raise Unloadable("skipped", "not a regular file")
    if before.st_size > max_bytes:
        raise Unloadable("skipped", f"too large: over {max_bytes // 1_000_000} MB")
    with open(descriptor, "rb", closefd=False) as stream:
        data = stream.read(max_bytes + 1)
    after = os.fstat(descriptor)
    still = (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)
    return data if still and len(data) == before.st_size else None
