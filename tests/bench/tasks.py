"""Owns what measured processes do: each opens a library with the synthetic embedder, and prints JSON on it."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from rag.app import Footnote, open_library
from rag.backup import back_up
from rag.config import Settings
from rag.ledger import LedgerReader
from rag.lock import Lock
from tests.bench.files import touch_all
from tests.bench.process import resident
from tests.bench.synthetic import SyntheticEmbedding, question

QUESTIONS = 300
FEW_QUESTIONS = 100
MANY_QUESTIONS = 2000


def sync(library: Path, articles: Path) -> dict[str, Any]:
    """Sync once."""
    with _open(library, articles) as opened:
        seconds = _timed(opened.sync)
        return {"seconds": seconds, "passages": opened._ledger.passage_count()}


def resync(library: Path, articles: Path, times: str) -> dict[str, Any]:
    """Sync a new library, sync it again, and again after every file was touched."""
    with _open(library, articles) as opened:
        first = _timed(opened.sync)
        unchanged = [_timed(opened.sync) for _ in range(int(times))]
        touch_all(articles)
        return {"first": first, "unchanged": unchanged, "touched": _timed(opened.sync)}


def first_question(library: Path, articles: Path) -> dict[str, Any]:
    """Open a library and ask it one question: that waits for the probe of the index."""
    began = time.perf_counter()
    with _open(library, articles) as opened:
        seconds = time.perf_counter() - began
        found = opened.search("What is the first?")
        return {"open": seconds, "answered": time.perf_counter() - began, "hits": len(found.hits)}


def questions(library: Path, articles: Path) -> dict[str, Any]:
    """Ask many questions."""
    with _open(library, articles) as opened:
        return _ask(opened, MANY_QUESTIONS)


def reader(library: Path, articles: Path) -> dict[str, Any]:
    """Ask questions beside the owner of the library."""
    lock = Lock(library)
    before = resident()
    with _open(library, articles) as opened:
        assert opened.notice
        first = _timed(lambda: opened.search("What is the first?"))
        said = _ask(opened, QUESTIONS)
    lock.release()
    return said | {"first": first, "grown": resident() - before}


def rebuild(library: Path, articles: Path) -> dict[str, Any]:
    """Build the vector index anew."""
    with _open(library, articles) as opened:
        return {"seconds": _timed(opened.owner.rebuild)}


def doctor(library: Path, articles: Path) -> dict[str, Any]:
    """Look the library over."""
    with _open(library, articles) as opened:
        began = time.perf_counter()
        checks, _ = opened.examine()
        assert all(check.passed for check in checks), checks
        return {"seconds": time.perf_counter() - began}


def backup(library: Path, articles: Path) -> dict[str, Any]:
    """Copy the library to one file."""
    file = library.with_suffix(".backup")
    seconds = _timed(lambda: back_up(Settings(library=library, articles=articles), file))
    file.unlink()
    return {"seconds": seconds}


def quick_check(library: Path, _articles: Path) -> dict[str, Any]:
    """Check the ledger as an opening after a crash does."""
    ledger = LedgerReader(library, readonly=True)
    seconds = _timed(lambda: ledger.damage("quick_check"))
    ledger.close()
    return {"seconds": seconds}


def _open(library: Path, articles: Path) -> Footnote:
    with mock.patch("rag.factory.MiniLMEmbedding", SyntheticEmbedding):
        return open_library(Settings(library=library, articles=articles))


def _ask(opened: Footnote, count: int) -> dict[str, Any]:
    random = np.random.default_rng(3)
    rows, _ = opened._ledger.active_rows()
    chosen = [int(row) for row in random.choice(rows, count)]
    asked = [question(opened._ledger.passages([row])[row], random) for row in chosen]
    took, found, held = [], 0, 0.0
    for number, (text, row) in enumerate(zip(asked, chosen, strict=True)):
        if number == FEW_QUESTIONS:
            held = resident()
        began = time.perf_counter()
        evidence = opened.search(text)
        took.append((time.perf_counter() - began) * 1000)
        wanted = opened._ledger.passages([row])[row].passage.id
        found += wanted in {hit.passage.id for hit in evidence.hits}
    return {
        "p50": statistics.median(took),
        "p95": statistics.quantiles(took, n=20)[-1],
        "found": found / count,
        "grown": resident() - held,
        "resident": resident(),
    }


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


ALL = (sync, resync, first_question, questions, reader, rebuild, doctor, backup, quick_check)
TASKS = {act.__name__: act for act in ALL}


if __name__ == "__main__":
    name, library, articles, *rest = sys.argv[1:]
    print(json.dumps(TASKS[name](Path(library), Path(articles), *rest)))
