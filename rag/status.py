"""Owns the facts about a library that can be told without opening it for work."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from rag.config import Settings
from rag.errors import BusyError, ReadOnlyError
from rag.ledger import FILE_NAME, FileRecord, Ledger, LedgerReader
from rag.lock import Lock, owner_pid


def open_reader(library: Path) -> LedgerReader:
    """Open a library for reading, whoever owns it; a write that its last owner was killed in is rolled back first."""
    if (library / FILE_NAME).exists() and (library / f"{FILE_NAME}-journal").exists():
        with contextlib.suppress(BusyError, ReadOnlyError):  # an owner that lives rolls back itself
            lock = Lock(library)
            try:
                Ledger(library, check=lock.abandoned).close()
            finally:
                lock.release()
    return LedgerReader(library, readonly=True)


def library_files(settings: Settings) -> list[FileRecord]:
    """Return what is known of each file and web page, by source."""
    if not (settings.library / FILE_NAME).exists():
        return []
    with contextlib.closing(open_reader(settings.library)) as ledger:
        return sorted(ledger.files().values(), key=lambda record: record.source)


def library_status(settings: Settings) -> dict[str, Any]:
    """Return counts, embedder and owner of a library in the shape of the JSON contract; zeros where there is none."""
    counts = dict.fromkeys(("articles", "passages", "indexed", "skipped", "failed"), 0)
    embedder = None
    if (settings.library / FILE_NAME).exists():
        with contextlib.closing(open_reader(settings.library)) as ledger:
            counts, embedder = ledger.counts(), ledger.get("embedder_name")
    return {
        "articles": counts["articles"],
        "passages": counts["passages"],
        "files": {state: counts[state] for state in ("indexed", "skipped", "failed")},
        "embedder": embedder,
        "owner_pid": owner_pid(settings.library),
    }
