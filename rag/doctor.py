"""Owns looking a whole library over: is what it holds sound, and does the index hold the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from rag.ledger import LedgerReader
from rag.ledger.check import count_faults, leftovers, wrong_texts
from rag.types import Embedder

_NAMED = 5  # of what is wrong, by name
_SAME_VECTOR = 0.999  # cosine; other processors round differently
_SAMPLE = 8


@dataclass(frozen=True, slots=True)
class StoreCheck:
    """One thing looked at: whether it is as it should be, what was found, and what to do where it is not."""

    name: str
    passed: bool
    found: str

    def to_dict(self) -> dict[str, Any]:
        """Return the check as JSON."""
        return {"check": self.name, "passed": self.passed, "found": self.found}


class CountedIndex(Protocol):
    """The vector index, as far as it is looked at."""

    def rows(self) -> set[int]:
        """Return the row numbers that have a vector."""


def examine_store(ledger: LedgerReader, index: CountedIndex | None, embedder: Embedder) -> list[StoreCheck]:
    """Look at the whole store, check by check; `index` None: this process may not open it."""
    return list(_checks(ledger, index, embedder))


def _checks(ledger: LedgerReader, index: CountedIndex | None, embedder: Embedder) -> Iterator[StoreCheck]:
    restore = "; bring back a backup with `footnote restore FILE`, or move the library away and sync again"
    damage = ledger.damage()
    yield StoreCheck("ledger file", not damage, "; ".join(damage[:_NAMED]) + restore if damage else "sound")
    if damage:  # nothing that is read from it can be relied on
        return
    wrong = list(wrong_texts(ledger))
    named = ", ".join(wrong[:_NAMED]) + (" …" if len(wrong) > _NAMED else "")
    count = len(ledger.sources())
    found = f"{len(wrong)} of {count} articles differ: {named}{restore}" if wrong else f"{count} articles as they came"
    yield StoreCheck("texts and passages", not wrong, found)
    faults = {name: count for name, count in count_faults(ledger).items() if count}
    found = ", ".join(f"{count} {name}" for name, count in faults.items()) + restore if faults else "none is missing"
    yield StoreCheck("vectors and words", not faults, found)
    if not wrong and not faults:  # else there is nothing sound to compare with
        yield _embedder_check(ledger, embedder)
    if index is not None:
        yield _index_check(ledger, index)
    waiting = leftovers(ledger)
    yield StoreCheck("old versions", True, f"{waiting} wait for the next sync" if waiting else "none")


def _embedder_check(ledger: LedgerReader, embedder: Embedder) -> StoreCheck:
    """Embed a few passages again: the same weights can give other vectors on another runtime."""
    rows, _ = ledger.active_rows()
    sample = list(ledger.passages(rows[:: max(1, len(rows) // _SAMPLE)][:_SAMPLE]).values())
    again = embedder.embed_passages([item.passage for item in sample])
    near = [float(np.dot(a.vectors.passage, b.passage)) for a, b in zip(sample, again, strict=True)]
    if min(near, default=1.0) < _SAME_VECTOR:
        return StoreCheck(
            "embedder", False, f"gives other vectors than those stored (cosine {min(near):.3f}): sync with --re-embed"
        )
    return StoreCheck("embedder", True, f"{embedder.name} gives the vectors that are stored")


def _index_check(ledger: LedgerReader, index: CountedIndex) -> StoreCheck:
    held = index.rows()
    active = set(ledger.active_rows()[0])
    missing, garbage = len(active - held), len(held - active)
    if missing:
        return StoreCheck("vector index", False, f"{missing} of {len(active)} vectors are missing: `footnote rebuild`")
    return StoreCheck("vector index", True, f"{len(active)} vectors, and {garbage} of old versions")
