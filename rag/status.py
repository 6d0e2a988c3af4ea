"""Owns the facts about a library that can be told without opening it for work."""

from __future__ import annotations

from typing import Any

from rag.config import Settings
from rag.ledger import FILE_NAME, LedgerReader
from rag.lock import owner_pid


def library_status(settings: Settings) -> dict[str, Any]:
    """Return counts, embedder and owner of a library in the shape of the JSON contract; zeros where there is none."""
    counts = dict.fromkeys(("articles", "passages", "indexed", "skipped", "failed"), 0)
    embedder = None
    if (settings.library / FILE_NAME).exists():
        ledger = LedgerReader(settings.library, readonly=True)
        try:
            counts, embedder = ledger.counts(), ledger.get("embedder_name")
        finally:
            ledger.close()
    return {
        "articles": counts["articles"],
        "passages": counts["passages"],
        "files": {state: counts[state] for state in ("indexed", "skipped", "failed")},
        "embedder": embedder,
        "owner_pid": owner_pid(settings.library),
    }
