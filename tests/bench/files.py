"""Owns what is measured on a folder of very many small files: syncs that find little or nothing to do."""

from __future__ import annotations

import hashlib
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.bench import synthetic
from tests.bench.process import Row, task

FILES = 10_000
WORDS = 320  # about 2 kB
TIMES = 3
_SETTLED_SECONDS = 2.1  # a younger file is read again, since it could change within one tick of the clock


def resync(folder: Path) -> list[Row]:
    """Time syncs of a folder in which nothing changed against reading and hashing every file in it."""
    articles = folder / "articles"
    _write(articles)
    time.sleep(_SETTLED_SECONDS)
    _, said = task("resync", folder / "library", articles, TIMES)
    read = statistics.median(_timed(lambda: _read_and_hash(articles)) for _ in range(TIMES))
    process, _ = task("sync", folder / "library", articles)
    unchanged = statistics.median(said["unchanged"])
    return [
        (f"first sync of {FILES:,} files, synthetic vectors", f"{said['first']:.1f} s"),
        (f"reading and hashing {FILES:,} files", f"{read:.2f} s"),
        (
            f"resync of {FILES:,} unchanged files ÷ reading and hashing them (goal ≤ 3)",
            f"{unchanged / read:.2f} ({unchanged:.2f} s; as a new process {process.seconds:.2f} s)",
        ),
        ("the same where every time changed and no content", f"{said['touched'] / read:.2f} ({said['touched']:.2f} s)"),
    ]


def touch_all(folder: Path) -> None:
    """Change the time of every file and nothing else."""
    for path in folder.rglob("*.txt"):
        os.utime(path)
    time.sleep(_SETTLED_SECONDS)


def _write(folder: Path) -> None:
    random = np.random.default_rng(2)
    words = synthetic.words(random)
    for number in range(FILES):
        path = folder / f"{number // 1000}" / f"{number // 100 % 10}" / f"note-{number:05d}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"Note {number}\n\n{synthetic.body(words, random, WORDS)}\n", encoding="utf-8")


def _read_and_hash(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            hashlib.sha256(path.read_bytes()).hexdigest()


def _timed(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
