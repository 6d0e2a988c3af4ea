"""Owns copying a library to one file, and bringing it back from there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from rag.config import Settings
from rag.errors import FootnoteError, InputError, StoreError
from rag.index import POINTER
from rag.ledger import FILE_NAME, Ledger, is_library
from rag.lock import Lock
from rag.status import open_reader

_WORK_FOLDER = "restoring"
_ASIDE = f"{FILE_NAME}.before-restore-"


def back_up(settings: Settings, file: Path) -> dict[str, int]:
    """Write the library to a file that is not there yet, also while another process owns it; returns its counts.

    All is in it but the vector index, which is built again from the rest. Raises InputError where the
    file exists or cannot be written.
    """
    if file.exists():
        raise InputError(f"{file} exists. Name a file that does not.")
    ledger = open_reader(settings.library)
    part = file.with_name(file.name + ".part")
    try:
        if damage := ledger.damage("quick_check"):
            raise StoreError(
                f"The library is damaged ({damage[0]}): a backup of it would be too. See `footnote doctor`."
            )
        part.write_bytes(b"")
        ledger.backup(part)
        _to_disk(part)
        part.rename(file)
        _to_disk(file.parent)
        return ledger.counts()
    except OSError as error:
        raise InputError(f"{file} cannot be written: {error.strerror}. Name another file.") from None
    finally:
        ledger.close()
        part.unlink(missing_ok=True)


def restore(settings: Settings, file: Path) -> Path | None:
    """Bring a library back from a backup; what was there is set aside, and its new name returned.

    Raises InputError where the file is no sound backup, BusyError where the library is in use.
    """
    if not file.is_file():
        raise InputError(f"There is no backup {file}.")
    folder = settings.library
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = Lock(folder)
    work = folder / _WORK_FOLDER
    try:
        remove_leftovers(folder)
        work.mkdir()
        shutil.copyfile(file, work / FILE_NAME)
        _make_ready(work, file)
        _to_disk(work / FILE_NAME)
        aside = _set_aside(folder)
        (work / FILE_NAME).rename(folder / FILE_NAME)
        _to_disk(folder)
        return aside
    except OSError as error:
        raise StoreError(
            f"The library {folder} cannot be written: {error.strerror}. Free space, or use another."
        ) from None
    finally:
        remove_leftovers(folder)
        lock.release()


def remove_leftovers(library: Path) -> None:
    """Delete what a restore that was cut off has left in a library; its owner calls this."""
    shutil.rmtree(library / _WORK_FOLDER, ignore_errors=True)


def _make_ready(work: Path, file: Path) -> None:
    try:
        if not is_library(work / FILE_NAME):
            raise StoreError("it holds no library")
        ledger = Ledger(work, check=True)
    except FootnoteError as error:
        raise InputError(f"{file} is no backup that can be used: {error}") from None
    try:
        ledger.drop(POINTER)  # the index beside it is of the library that was there, or of none
    finally:
        ledger.close()


def _set_aside(folder: Path) -> Path | None:
    """Rename the library file that is there, then the journal that belongs to it and to no other."""
    current, journal = folder / FILE_NAME, folder / f"{FILE_NAME}-journal"
    number = 1
    while (folder / f"{_ASIDE}{number}").exists():
        number += 1
    if current.exists():
        current.rename(folder / f"{_ASIDE}{number}")
    else:  # set aside by a restore that was cut off before it came to the journal
        number -= 1
    aside = folder / f"{_ASIDE}{number}"
    if journal.exists():
        journal.rename(folder / f"{aside.name}-journal")
    return aside if aside.exists() else None


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
