"""Owns the right to change a library: one process at a time, named by its pid in the lock file."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from pathlib import Path

from rag.errors import BusyError, ReadOnlyError, StoreError

FILE_NAME = "lock"
# `owner_pid` of another process holds the file for a moment, and a process that was killed until its last child has
# begun: that is no reason to refuse.
_TRIES = 5
_TRIES_AFTER_DEATH = 50
_PAUSE_SECONDS = 0.04


class Lock:
    """An exclusive lock on a library folder, held until `release` or the end of the process.

    The operating system drops it when its holder dies, so a stale file blocks nobody.
    Raises BusyError naming the holder's pid, ReadOnlyError where nothing can be written here, StoreError
    where the file is a link.
    """

    abandoned: bool
    """Whether the holder before this one died without giving it free."""

    def __init__(self, folder: Path) -> None:
        path = folder / FILE_NAME
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise ReadOnlyError(
                    f"The library {folder} cannot be written: {error.strerror}. "
                    "Give this user write access, or use another --library."
                ) from None
            raise StoreError(f"The lock {path} cannot be opened: {error.strerror}. Check the library folder.") from None
        if not _taken(self._file):
            os.close(self._file)
            pid = owner_pid(folder)
            by = f"process {pid}" if pid else "another process"
            raise BusyError(f"The library {folder} is in use by {by}. Wait for it, or stop it.", pid)
        self.abandoned = os.fstat(self._file).st_size > 0
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            os.close(self._file)
            raise ReadOnlyError(
                f"The library {folder} cannot be written: {error.strerror}. Free some space on its disk."
            ) from None

    def release(self) -> None:
        """Give the library free."""
        os.ftruncate(self._file, 0)
        os.close(self._file)


def _taken(file: int) -> bool:
    """Lock a file for this process alone; False where another one holds it and lives."""
    for tried in range(_TRIES_AFTER_DEATH):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if tried >= _TRIES and _lives(os.pread(file, 20, 0)):
                return False
            time.sleep(_PAUSE_SECONDS)
    return False


def _lives(name: bytes) -> bool:
    try:
        os.kill(int(name), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except OSError:  # it is somebody else's
        return True
    return True


def owner_pid(folder: Path) -> int | None:
    """Return the pid of the process that owns the library now; None where none does."""
    try:
        file = os.open(folder / FILE_NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # A shared lock can be had exactly when nobody holds the exclusive one.
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return None
        text = os.pread(file, 20, 0).decode("ascii", "replace").strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(file)
