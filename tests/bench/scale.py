"""Owns what is measured on a hundred thousand passages: time, memory and space as a library grows."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from pathlib import Path

from rag.index import FOLDER_NAME
from rag.ledger import FILE_NAME
from tests.bench.process import Row, task, task_command
from tests.bench.synthetic import SyntheticEmbedding, write_articles

LARGE = 100_000
SMALL = 10_000


def scale(folder: Path) -> list[Row]:
    """Measure a large library, and what differs from one of a tenth of its size."""
    small, large = (_write(folder / str(size), size) for size in (SMALL, LARGE))
    synced, said = task("sync", *large)
    passages = said["passages"]
    rows = [
        (
            f"{passages:,} passages (synthetic vectors): first sync, peak RSS (goal ≤ 1.2 GB)",
            f"{passages / said['seconds']:.0f} passages/s, {synced.peak:.0f} MB, {synced.cpu:.0f} s of processor time",
        )
    ]
    task("sync", *small)
    return [*rows, *_questions(small, large), *_upkeep(*large), *_cut_off(folder / "cut off", large[1], passages)]


def _write(folder: Path, passages: int) -> tuple[Path, Path]:
    write_articles(folder / "articles", passages)
    return folder / "library", folder / "articles"


def _questions(small: tuple[Path, Path], large: tuple[Path, Path]) -> list[Row]:
    opened, first = task("first_question", *large)
    few = task("questions", *small)[1]
    asked, many = task("questions", *large)
    beside, reader = task("reader", *large)
    return [
        (
            "open, the index probed, and first question; as a new process",
            f"{first['answered']:.1f} s; {opened.seconds:.1f} s, {opened.peak:.0f} MB",
        ),
        (
            f"retrieval p50 at {LARGE:,} ÷ at {SMALL:,} passages, without the embedder (goal ≤ 2)",
            f"{many['p50'] / few['p50']:.2f} ({many['p50']:.1f} and {few['p50']:.1f} ms; "
            f"p95 {many['p95']:.1f} and {few['p95']:.1f} ms)",
        ),
        ("questions whose passage is among the hits, at both", f"{many['found']:.1%} and {few['found']:.1%}"),
        (
            f"memory at {LARGE:,}: RSS after 2,000 questions − after 100",
            f"{many['grown']:+.1f} MB (of {many['resident']:.0f}; peak {asked.peak:.0f} MB)",
        ),
        (
            "reader beside the owner (exact search)",
            f"p50 {reader['p50']:.1f} ms, p95 {reader['p95']:.1f} ms; first question {reader['first']:.1f} s; "
            f"{reader['resident']:.0f} MB, peak {beside.peak:.0f} MB; found {reader['found']:.1%}",
        ),
    ]


def _upkeep(library: Path, articles: Path) -> list[Row]:
    index = sum(path.stat().st_size for path in (library / FOLDER_NAME).rglob("*") if path.is_file())
    rows = [("ledger and index on disk", f"{(library / FILE_NAME).stat().st_size / 1e6:.0f} and {index / 1e6:.0f} MB")]
    for name in ("backup", "quick_check", "doctor", "rebuild"):
        done, said = task(name, library, articles)
        rows.append((f"`{name}`", f"{said['seconds']:.1f} s, peak {done.peak:.0f} MB"))
    return rows


def _cut_off(folder: Path, articles: Path, passages: int) -> list[Row]:
    """Kill a sync half way and count what is embedded by it and by the next one."""
    folder.mkdir()
    notes = folder / "embedded"
    notes.touch()
    environment = {**os.environ, SyntheticEmbedding.EMBEDDED: str(notes)}
    command = task_command("sync", folder / "library", articles)
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while len(notes.read_bytes()) < passages // 2 * 25 and child.poll() is None:
        time.sleep(0.5)
    child.kill()
    assert child.wait() < 0, "it ended before it could be killed"
    began = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True)
    embedded = Counter(notes.read_text(encoding="ascii").split())
    twice = embedded.total() - len(embedded)
    return [
        (
            f"killed half way and synced again: passages embedded of {passages:,}",
            f"{len(embedded):,}, {twice} of them twice (those in hand when it was killed); "
            f"the second sync {time.perf_counter() - began:.0f} s",
        )
    ]
