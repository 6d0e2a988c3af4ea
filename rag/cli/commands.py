"""Owns the commands: what each does with a library, what it prints, and its exit code."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rag.cli.show import (
    answer_text,
    as_json,
    as_wanted,
    count_bar,
    doctor_text,
    note,
    passages_text,
    progress_bar,
    sync_text,
)
from rag.config import Settings
from rag.errors import InputError, ProviderError
from rag.text import printable

if TYPE_CHECKING:
    from rag.app import Footnote
    from rag.types import SyncReport

_STATUS_CODES = {"grounded": 0, "partial": 0, "not_found": 1, "incomplete": 7}
_INPUT_ERROR = 3
_STORE_ERROR = 5
_WATCH_MS = 60_000  # the folder is looked at as often as this even if nothing was reported: some disks report nothing
_AWAY_SECONDS = 5


def sync(settings: Settings, options: argparse.Namespace) -> int:
    """Bring the library in line with its folder, once or whenever the folder changes."""
    with _open(settings, re_embed=options.re_embed) as library:
        with progress_bar() as show:
            report = library.sync(show, prune=options.prune)
        _print_report(report, options)
        if options.watch:
            _watch(library, options, report)
    return _INPUT_ERROR if report.failed else 0


def add(settings: Settings, options: argparse.Namespace) -> int:
    """Fetch a web page into the library, or take back a file that was removed."""
    with _open(settings) as library, progress_bar() as show:
        report = library.owner.add(options.address, show)
    _print_report(report, options)
    # To take a file back syncs the folder: what becomes of other files is no answer to this command.
    bad = [source for source, _ in (*report.failed, *report.skipped) if source == options.address or "://" in source]
    return _INPUT_ERROR if bad else 0


def remove(settings: Settings, options: argparse.Namespace) -> int:
    """Take a file's articles or a web page out of the library."""
    with _open(settings) as library:
        library.owner.remove(options.source)
    print(as_json({"removed": [options.source]}) if as_wanted(options) else f"removed: {options.source}")
    return 0


def rebuild(settings: Settings, options: argparse.Namespace) -> int:
    """Build the vector index anew from the ledger."""
    with _open(settings) as library, count_bar("vector") as show:
        count = library.owner.rebuild(show)
    print(as_json({"vectors": count}) if as_wanted(options) else f"the index is built anew: {count} vectors")
    return 0


def doctor(settings: Settings, options: argparse.Namespace) -> int:
    """Look the library over: is the store sound, and which articles came in badly."""
    with _open(settings) as library:
        if library.notice:
            note(library.notice)
        checks, quality = library.examine()
    if as_wanted(options):
        print(as_json({"store": [check.to_dict() for check in checks], "quality": quality.to_dict()}))
    else:
        print(doctor_text(checks, quality))
    return 0 if all(check.passed for check in checks) else _STORE_ERROR


def back_up(settings: Settings, options: argparse.Namespace) -> int:
    """Copy the library to one file."""
    from rag.backup import back_up

    counts = back_up(settings, options.file)
    text = f"{counts['articles']} articles, {counts['passages']} passages saved to {options.file}"
    print(as_json({"file": str(options.file), **counts}) if as_wanted(options) else text)
    return 0


def restore(settings: Settings, options: argparse.Namespace) -> int:
    """Bring the library back from a backup."""
    from rag.backup import restore

    aside = restore(settings, options.file)
    was = str(aside) if aside else None
    text = f"restored from {options.file}" + (f"; what was there is now {was}" if was else "")
    print(as_json({"restored": str(options.file), "set_aside": was}) if as_wanted(options) else text)
    return 0


def ask(settings: Settings, options: argparse.Namespace) -> int:
    """Answer a question, after a sync."""
    from rag.receipt import check_free, write_receipt

    if options.receipt:
        check_free(options.receipt)
    with _open(settings) as library:
        _sync_quietly(library)
        scope = library.scope(options.article, options.as_of)
        failure = None
        try:
            answer = library.ask(options.question, options.top_k, scope=scope)
        except ProviderError as error:
            if error.answer is None:
                raise
            answer, failure = error.answer, error
        print(as_json(answer.to_dict()) if as_wanted(options) else answer_text(answer))
        for warning in answer.warnings:
            if warning != library.notice:  # that was said before
                note(f"footnote: {warning}")
        if options.receipt:
            write_receipt(options.receipt, library.receipt(answer))
    return failure.exit_code if failure else _STATUS_CODES[answer.status]


def search(settings: Settings, options: argparse.Namespace) -> int:
    """Show the nearest passages, after a sync."""
    from rag.types import evidence_dicts, scope_dict

    with _open(settings) as library:
        _sync_quietly(library)
        scope = library.scope(options.article, options.as_of)
        began = time.perf_counter()
        evidence = library.search(options.question, options.top_k, scope=scope)
        elapsed = round((time.perf_counter() - began) * 1000, 1)
        if as_wanted(options):
            result = {
                "question": evidence.question,
                "evidence": evidence_dicts(evidence, set()),
                "warnings": [library.notice] if library.notice else [],
                "timings": {"retrieve_ms": elapsed},
                **scope_dict(scope),
            }
            print(as_json(result))
        else:
            print("\n\n".join(passages_text(evidence, len(evidence.hits))) or "No passage found.")
    return 0 if evidence.hits else 1


def serve(settings: Settings, options: argparse.Namespace) -> int:
    """Serve the page, after a sync."""
    from ui.serve import check_access, serve  # the page is the one thing of ui that rag knows

    check_access(settings.page, options.host)
    with _open(settings) as library:
        if library.notice:
            library.owner  # noqa: B018 - raises what is in the way
        _sync_quietly(library)
        serve(
            library,
            options.host,
            options.port,
            started=lambda url: note(f"Footnote is at {url} (Ctrl-C stops it)"),
            warn=lambda text: note(f"footnote: {text}"),
        )
    return 0


def status(settings: Settings, options: argparse.Namespace) -> int:
    """Say what is in the library; with --verbose, file by file."""
    from rag.status import library_files, library_status

    status = library_status(settings)
    if as_wanted(options):
        print(as_json(status))
        return 0
    files = status["files"]
    print(
        f"{status['articles']} articles, {status['passages']} passages in {settings.library}\n"
        f"files: {files['indexed']} indexed, {files['skipped']} skipped, {files['failed']} failed\n"
        f"embedder: {status['embedder'] or 'none yet'}\n"
        f"in use by: {'process ' + str(status['owner_pid']) if status['owner_pid'] else 'nobody'}"
    )
    for file in library_files(settings) if getattr(options, "verbose", False) else ():
        print(printable(f"{file.state}: {file.source}" + (f": {file.reason}" if file.reason else "")))
    return 0


# ---------------------------------------------------------------- around them


@contextmanager
def _open(settings: Settings, *, re_embed: bool = False) -> Iterator[Footnote]:
    from rag.app import open_library  # seconds of imports that --help and status do not need

    with open_library(settings, re_embed=re_embed) as library:
        yield library


def _print_report(report: SyncReport, options: argparse.Namespace, *, indent: int | None = 2) -> None:
    print(as_json(report.to_dict(), indent=indent) if as_wanted(options) else sync_text(report), flush=True)


def _sync_quietly(library: Footnote) -> None:
    """Sync before a question; where this process may not, say that it is not synced."""
    if library.notice:
        note(library.notice)
        return
    with progress_bar() as show:
        report = library.sync(show)
    for source, reason in report.failed:
        note(f"not indexed: {source}: {reason}")


def _watch(library: Footnote, options: argparse.Namespace, last: SyncReport) -> None:
    """Sync whenever the folder changes, until the program is told to stop; each report with news is printed."""
    from watchfiles import watch

    note(f"watching {library.articles} (Ctrl-C stops it)")
    said = None
    while True:
        try:
            for _ in watch(library.articles, watch_filter=None, rust_timeout=_WATCH_MS, yield_on_timeout=True):
                with progress_bar() as show:
                    report = library.sync(show, prune=options.prune)
                news = (report.skipped, report.failed) != (last.skipped, last.failed)
                if report.indexed or report.removed or news:
                    _print_report(report, options, indent=None)
                said, last = None, report
            return
        except (InputError, FileNotFoundError) as error:  # the folder is away, or much of it: it may come back
            away = f"The articles folder {library.articles} does not exist. Bring it back."
            trouble = str(error) if isinstance(error, InputError) else said or away
            if trouble != said:
                said = trouble
                note(f"footnote: {said}")
            time.sleep(_AWAY_SECONDS)
