"""Speed, measured: `make bench` writes the table to bench/ and prints it. Trust the ratios; machines are noisy."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from rag import chunk, load
from rag.app import open_library
from rag.config import Settings
from rag.embed import MAX_TOKENS, MiniLMEmbedding
from rag.types import Answer
from tests.provider import Scripted, serving, words

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "docs_store"
OUTPUT = ROOT / "bench"
QUESTION = "Who announced the Midjourney deal?"
COLD_STARTS = 5
QUESTIONS = 50
COPIES = 12
BATCH = 128
PROVIDER_DELAY = 0.1  # seconds
ANSWER = "Samsung restricted generative AI tools on company devices in May 2023 [1]."


# A small process of its own: a child's peak memory counts that of the process it was started from.
LAUNCHER = """
import json, os, subprocess, sys, time
began = time.perf_counter()
child = subprocess.Popen(json.loads(sys.argv[1]), stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), time.perf_counter() - began, usage.ru_maxrss]))
"""


def cold_start(library: Path) -> list[tuple[str, str]]:
    """Time `footnote ask` as a new process on a library that is in sync, and take its peak memory."""
    command = [sys.executable, "-m", "rag.cli", "ask", QUESTION, "--library", str(library), "--articles", str(SAMPLES)]
    seconds, peaks = [], []
    for _ in range(COLD_STARTS + 1):
        launch = [sys.executable, "-c", LAUNCHER, json.dumps(command)]
        done = subprocess.run(launch, capture_output=True, text=True, check=True)
        code, took, peak = json.loads(done.stdout)
        assert code == 0
        seconds.append(took)
        peaks.append(peak / (1024 if sys.platform == "linux" else 1024**2))
    warm = seconds[1:]  # the first run fills the file cache
    return [
        ("`ask`, cold start to answer", f"{statistics.median(warm):.2f} s ({min(warm):.2f} to {max(warm):.2f})"),
        ("`ask`, peak memory of its largest process", f"{max(peaks):.0f} MB"),
    ]


def retrieval(library: Path) -> list[tuple[str, str]]:
    """Time retrieval over the sample questions in one process."""
    lines = (ROOT / "tests/data/sample_questions.jsonl").read_text(encoding="utf-8").splitlines()
    questions = [json.loads(line)["text"] for line in lines][:QUESTIONS]
    with open_library(Settings(library=library, articles=SAMPLES)) as opened:
        opened.search(questions[0])
        took = []
        for question in questions:
            began = time.perf_counter()
            opened.search(question)
            took.append((time.perf_counter() - began) * 1000)
        passages = opened._ledger.passage_count()
    spread = statistics.quantiles(took, n=20)
    return [
        (
            f"retrieval, {len(questions)} questions, {passages} passages",
            f"p50 {statistics.median(took):.1f} ms, p95 {spread[-1]:.1f} ms",
        )
    ]


def first_token(library: Path) -> list[tuple[str, str]]:
    """Time the first text of a model's answer, less what the provider and the retrieval take of it."""
    questions = ("Who founded Midjourney?", "What did Alpaca cost?", "How many requests does Sieve handle?")
    took, checked = [], []
    with serving(Scripted(words(f"{ANSWER} " * 5), delay=PROVIDER_DELAY)) as provider:
        models = {"scripted": {"base_url": provider.base_url}}
        settings = {"library": library, "articles": SAMPLES, "model": "scripted", "models": models}
        with open_library(Settings.model_validate(settings)) as opened:
            for question in questions * 10:
                began = time.perf_counter()
                parts = opened.stream(question)
                next(parts)
                first = (time.perf_counter() - began) * 1000
                *_, answer = parts
                assert isinstance(answer, Answer)
                took.append(first - PROVIDER_DELAY * 1000 - answer.timings["retrieve_ms"])
                checked.append(answer.timings["verify_ms"] / len(answer.sentences))
    return [
        (
            "first token of a model, our share (provider and retrieval taken off)",
            f"first question {took[0]:.0f} ms, then p50 {statistics.median(took[1:]):.1f} ms",
        ),
        ("citing and verifying, each sentence", f"p50 {statistics.median(checked):.1f} ms"),
    ]


def sync(folder: Path) -> list[tuple[str, str]]:
    """Time a first sync against the embedder alone on the same passages, before and after it."""
    articles = folder / "articles"
    articles.mkdir()
    for copy in range(COPIES):
        for path in sorted(SAMPLES.glob("*.md")):
            # A number in every paragraph: no two passages are equal, so none is embedded for another.
            text = path.read_text(encoding="utf-8").replace("\n\n", f"\n\nNote {copy}. ")
            (articles / f"{copy:02d}-{path.name}").write_text(text, encoding="utf-8")
    embedder = MiniLMEmbedding()
    passages = [
        passage
        for path in sorted(articles.iterdir())
        for passage in chunk.chunk(load.load(path.name, path.read_bytes()), embedder.count_tokens, MAX_TOKENS)
    ]

    def raw() -> float:
        began = time.perf_counter()
        for start in range(0, len(passages), BATCH):
            embedder.embed_passages(passages[start : start + BATCH])
        return len(passages) / (time.perf_counter() - began)

    before = raw()
    with open_library(Settings(library=folder / "library", articles=articles)) as library:
        began = time.perf_counter()
        library.sync()
        synced = len(passages) / (time.perf_counter() - began)
        began = time.perf_counter()
        library.sync()
        again = time.perf_counter() - began
    after = raw()
    best = max(before, after)
    return [
        (f"sync, {len(passages)} new passages", f"{synced:.1f} passages/s"),
        ("embedder alone, before and after", f"{before:.1f} and {after:.1f} passages/s"),
        ("sync ÷ embedder alone", f"{synced / best:.2f}"),
        (f"sync again, {COPIES * 8} files unchanged", f"{again * 1000:.0f} ms"),
    ]


def table(rows: Sequence[tuple[str, str]]) -> str:
    """Return the rows as a Markdown table under a line that says where they come from."""
    where = f"`make bench`, {date.today().isoformat()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return "\n".join([where, "", "| what | measured |", "| --- | --- |", *(f"| {a} | {b} |" for a, b in rows), ""])


def main() -> None:
    """Run all measurements."""
    OUTPUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "samples"
        with open_library(Settings(library=library, articles=SAMPLES)) as opened:
            opened.sync()
        (Path(folder) / "sync").mkdir()
        rows = [*cold_start(library), *retrieval(library), *first_token(library), *sync(Path(folder) / "sync")]
    text = table(rows)
    (OUTPUT / "speed.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
