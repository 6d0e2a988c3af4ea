"""Owns what is measured on the sample articles, with the built-in embedder: starts, questions, a sync."""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

from rag import chunk, load
from rag.app import open_library
from rag.config import Settings
from rag.embed import MAX_TOKENS, MiniLMEmbedding
from rag.types import Answer
from tests.bench.process import Row, resident, run, spread
from tests.provider import Scripted, serving, words

ROOT = Path(__file__).resolve().parent.parent.parent
SAMPLES = ROOT / "docs_store"
QUESTION = "Who announced the Midjourney deal?"
COLD_STARTS = 5
QUESTIONS = 50
MANY_QUESTIONS = 2000
FEW_QUESTIONS = 100
COPIES = 12
BATCH = 128
PROVIDER_DELAY = 0.1  # seconds
ANSWER = "Samsung restricted generative AI tools on company devices in May 2023 [1]."


def cold_start(library: Path) -> list[Row]:
    """Time `footnote ask` as a new process on a library that is in sync, and take its peak memory."""
    command = [sys.executable, "-m", "rag.cli", "ask", QUESTION, "--library", str(library), "--articles", str(SAMPLES)]
    runs = [run(command) for _ in range(COLD_STARTS + 1)]
    warm = [done.seconds for done in runs[1:]]  # the first run fills the file cache
    return [
        ("`ask`, cold start to answer", f"{statistics.median(warm):.2f} s ({min(warm):.2f} to {max(warm):.2f})"),
        ("`ask`, peak memory of its largest process", f"{max(done.peak for done in runs):.0f} MB"),
    ]


def retrieval(library: Path) -> list[Row]:
    """Time retrieval over the sample questions in one process."""
    questions = _questions()
    with open_library(Settings(library=library, articles=SAMPLES)) as opened:
        opened.search(questions[0])
        took = []
        for question in questions:
            began = time.perf_counter()
            opened.search(question)
            took.append((time.perf_counter() - began) * 1000)
        passages = opened._ledger.passage_count()
    return [(f"retrieval, {len(questions)} questions, {passages} passages", spread(took))]


def memory(library: Path) -> list[Row]:
    """Take the memory of a process that answers one question after another."""
    held = []
    with open_library(Settings(library=library, articles=SAMPLES)) as opened:
        questions = _questions()
        for number in range(MANY_QUESTIONS):
            if number == FEW_QUESTIONS:
                held.append(resident())
            opened.ask(f"{questions[number % len(questions)]} ({number})")
        held.append(resident())
    name = f"memory: RSS after {MANY_QUESTIONS:,} questions − after {FEW_QUESTIONS}"
    return [(name, f"{held[1] - held[0]:+.1f} MB (of {held[1]:.0f} MB)")]


def first_token(library: Path) -> list[Row]:
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


def sync(folder: Path) -> list[Row]:
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
        for passage in chunk.chunk(load.load(path.name, path.read_bytes())[0], embedder.count_tokens, MAX_TOKENS)
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
    after = raw()
    return [
        (f"sync, {len(passages)} new passages", f"{synced:.1f} passages/s"),
        ("embedder alone, before and after", f"{before:.1f} and {after:.1f} passages/s"),
        ("sync ÷ best raw embedder rate (goal ≥ 0.9)", f"{synced / max(before, after):.2f}"),
    ]


def _questions() -> list[str]:
    lines = (ROOT / "tests/data/sample_questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines][:QUESTIONS]
