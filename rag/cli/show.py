"""Owns what the command line shows: results as text, notes, progress, and what Ctrl-C does to long work."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from rag.text import printable

if TYPE_CHECKING:
    from rag.doctor import StoreCheck
    from rag.quality import QualityReport
    from rag.types import Answer, Evidence, Judgement, Progress, SyncReport

_NEAREST = 3
_NAMED = 3
_MARKS = {"supported": "✓", "partial": "~", "unsupported": "?", "contradicted": "✗"}
_PATIENCE_SECONDS = 8  # for the step at hand to end, once the program is told to stop


def as_json(value: dict[str, Any], *, indent: int | None = 2) -> str:
    """Return a result as one JSON document."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def as_wanted(options: argparse.Namespace) -> bool:
    """Whether the result is to be JSON."""
    return getattr(options, "json", False)


def note(text: str) -> None:
    """Say something beside the result."""
    sys.stderr.write(printable(text) + "\n")


@contextmanager
def stopped_gently() -> Iterator[Callable[[], None]]:
    """Let Ctrl-C and SIGTERM wait for the step at hand, a few seconds at most; the second one does not wait.

    The block calls what it gets between its steps: it raises KeyboardInterrupt where the program was told to stop.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are not for others
        yield lambda: None
        return
    told = False

    def tell(_number: int, _frame: FrameType | None) -> None:
        nonlocal told
        if told:
            raise KeyboardInterrupt
        told = True
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE_SECONDS)

    def check() -> None:
        if told:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}
    try:
        yield check
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
    check()


def forget_interrupts() -> None:
    """Let no Ctrl-C, past or to come, take the exit code of a process that is on its way out.

    Python kills itself at its end where a KeyboardInterrupt once came through text run by `exec`, as that of
    namedtuple and dataclasses in a module being imported, though it was caught; running any other text forgets it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    exec("")  # noqa: S102 - runs nothing


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None]]:
    """Show files done of all, how many a second, the time that is left, and passages embedded."""
    from tqdm import tqdm

    with stopped_gently() as check, tqdm(unit="file", file=sys.stderr, disable=None, delay=0.5, leave=False) as bar:

        def show(progress: Progress) -> None:
            bar.total = progress.total
            bar.set_postfix_str(f"{progress.passages} passages embedded", refresh=False)
            bar.update(progress.done - bar.n)
            check()

        yield show


@contextmanager
def count_bar(unit: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many of something are done of all."""
    from tqdm import tqdm

    with stopped_gently() as check, tqdm(unit=unit, file=sys.stderr, disable=None, delay=0.5, leave=False) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            check()

        yield show


def sync_text(report: SyncReport) -> str:
    """Return what became of every file that was not as before, and the counts."""
    lines = [f"indexed: {source}" for source in report.indexed]
    lines += [f"removed: {source}" for source in report.removed]
    lines += [f"skipped: {source}: {reason}" for source, reason in report.skipped]
    lines += [f"failed: {source}: {reason}" for source, reason in report.failed]
    lines.append(
        f"{len(report.indexed)} indexed, {report.unchanged} unchanged, {len(report.removed)} removed, "
        f"{len(report.skipped)} skipped, {len(report.failed)} failed"
    )
    return printable("\n".join(lines))


def answer_text(answer: Answer) -> str:
    """Return an answer sentence by sentence with its verdicts, then its footnotes."""
    if not answer.sentences:
        nearest = passages_text(answer.evidence, _NEAREST)
        parts = [printable(answer.text)] if answer.text else []
        return "\n\n".join([*parts, *(["Nearest passages:", *nearest] if nearest else [])])
    parts = []
    for sentence in answer.sentences:
        parts.append(_wrap(sentence.text, f"{_MARKS[sentence.verdict]} "))
        parts[-1] += "".join("\n" + _wrap(f"({sentence.verdict}: {why})", "  ") for why in sentence.reasons)
    for citation in answer.citations:
        about = [citation.source.title, citation.source.source, citation.source.published]
        place = f"characters {citation.start}–{citation.end}"
        place = place if citation.page is None else f"page {citation.page}, {place}"
        parts.append(_wrap(", ".join(item for item in (*about, place) if item), f"[{citation.n}] "))
    for both in answer.disagreements:
        parts.append("The articles do not agree:")
        for item in both:
            where = f"[{item.n}]" if item.n else item.source.title
            head = f"{where}, {item.source.published}" if item.source.published else where
            parts[-1] += "\n" + _wrap(f"{head}: “{item.quote}”", "  ")
    if answer.evidence.missing:
        parts.append(_wrap(", ".join(f"“{part}”" for part in answer.evidence.missing), "Not in the articles: "))
    if answer.judgement:
        parts.append(_wrap(_second_opinion(answer.judgement, answer), ""))
    return "\n\n".join(parts)


def _second_opinion(judgement: Judgement, answer: Answer) -> str:
    judged = [
        (n, verdict, sentence.verdict)
        for n, (verdict, sentence) in enumerate(zip(judgement.verdicts, answer.sentences, strict=True), start=1)
        if verdict
    ]
    supported = sum(verdict == "supported" for _, verdict, _ in judged)
    text = f"judge {judgement.model}: {supported} of {len(judged)} sentences supported"
    differing = ", ".join(f"sentence {n}: {verdict}" for n, verdict, ours in judged if verdict != ours)
    return f"{text}; differs on {differing}" if differing else text


def passages_text(evidence: Evidence, count: int) -> list[str]:
    """Return the best passages, each as one text."""
    texts = []
    for n, hit in enumerate(evidence.hits[:count], start=1):
        about = ", ".join(item for item in (hit.source.title, hit.source.source, hit.source.published) if item)
        head = f"{n}. {about} (score {hit.score:.2f})"
        texts.append(printable(head) + "\n" + _wrap(" ".join(hit.passage.text.split()), "   "))
    return texts


def _wrap(text: str, prefix: str) -> str:
    lines = textwrap.wrap(
        printable(text), 100, initial_indent=prefix, subsequent_indent=" " * len(prefix), break_on_hyphens=False
    )
    return "\n".join(lines)


def doctor_text(checks: Sequence[StoreCheck], quality: QualityReport) -> str:
    """Return what a look at the store and at the articles found."""
    lines = [f"{'✓' if check.passed else '✗'} {check.name}: {check.found}" for check in checks]
    lines += ["", f"{len(quality.articles)} articles, {sum(item.characters for item in quality.articles)} characters"]
    for what in ("title", "date", "author", "language"):
        if without := [item.source for item in quality.articles if what in item.missing]:
            lines.append(f"without {what}: {_some(without)}")
    for item in quality.articles:
        lines += [f"{item.source}: {finding}" for finding in item.findings]
    lines += [f"{a} and {b} are nearly the same ({share:.0%})" for a, b, share in quality.near_duplicates]
    return printable("\n".join(lines))


def _some(names: Sequence[str]) -> str:
    return f"{len(names)}: " + ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
