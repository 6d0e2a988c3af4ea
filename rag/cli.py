"""Owns the command line: what it reads, what it prints, and the exit code."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag.config import Settings, load_settings
from rag.errors import BusyError, FootnoteError, ProviderError
from rag.text import printable

if TYPE_CHECKING:
    from rag.app import Footnote
    from rag.sync import Progress, SyncReport
    from rag.types import Answer, Evidence

_STATUS_CODES = {"grounded": 0, "partial": 0, "not_found": 1, "incomplete": 7}
_INPUT_ERROR = 3
_UNEXPECTED = 70
_INTERRUPTED = 130
_NEAREST = 3
_MARKS = {"supported": "✓", "partial": "~", "unsupported": "?", "contradicted": "✗"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    verbose = getattr(options, "verbose", False)
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        settings = load_settings(
            os.environ,
            overrides={name: getattr(options, name, None) for name in ("library", "articles")},
        )
        code: int = options.run(settings, options)
        sys.stdout.flush()
        return code
    except FootnoteError as error:
        _note(f"footnote: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        _note("footnote: interrupted; what was finished is kept")
        return _INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone: nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if verbose:
            logging.exception("unexpected error")
        _note(f"footnote: unexpected error: {error!r:.300}. Please report it, with the output of --verbose.")
        return _UNEXPECTED


# ---------------------------------------------------------------- commands


def _sync(settings: Settings, options: argparse.Namespace) -> int:
    with _open(settings) as library:
        with _progress_bar() as show:
            report = library.sync(show)
        print(_json(report.to_dict()) if _as_json(options) else _sync_text(report))
    return _INPUT_ERROR if report.failed else 0


def _ask(settings: Settings, options: argparse.Namespace) -> int:
    with _open(settings) as library:
        _sync_quietly(library)
        failure = None
        try:
            answer = library.ask(options.question, options.top_k)
        except ProviderError as error:
            if error.answer is None:
                raise
            answer, failure = error.answer, error
        print(_json(answer.to_dict()) if _as_json(options) else _answer_text(answer))
        for warning in answer.warnings:
            if warning != library.notice:  # that was said before
                _note(f"footnote: {warning}")
    return failure.exit_code if failure else _STATUS_CODES[answer.status]


def _search(settings: Settings, options: argparse.Namespace) -> int:
    from rag.types import evidence_dicts

    with _open(settings) as library:
        _sync_quietly(library)
        began = time.perf_counter()
        evidence = library.search(options.question, options.top_k)
        elapsed = round((time.perf_counter() - began) * 1000, 1)
        if _as_json(options):
            result = {
                "question": evidence.question,
                "evidence": evidence_dicts(evidence, set()),
                "warnings": [library.notice] if library.notice else [],
                "timings": {"retrieve_ms": elapsed},
            }
            print(_json(result))
        else:
            print("\n\n".join(_passages_text(evidence, len(evidence.hits))) or "No passage found.")
    return 0 if evidence.hits else 1


def _serve(settings: Settings, options: argparse.Namespace) -> int:
    from ui.serve import serve  # the page is the one thing of ui that rag knows

    with _open(settings) as library:
        if library.notice:
            raise BusyError(f"{library.notice} Stop that process to serve this library.", library.owner_pid)
        _sync_quietly(library)
        serve(library, options.host, options.port, started=lambda url: _note(f"Footnote is at {url} (Ctrl-C stops it)"))
    return 0


def _status(settings: Settings, options: argparse.Namespace) -> int:
    from rag.status import library_status

    status = library_status(settings)
    if _as_json(options):
        print(_json(status))
        return 0
    files = status["files"]
    print(
        f"{status['articles']} articles, {status['passages']} passages in {settings.library}\n"
        f"files: {files['indexed']} indexed, {files['skipped']} skipped, {files['failed']} failed\n"
        f"embedder: {status['embedder'] or 'none yet'}\n"
        f"in use by: {'process ' + str(status['owner_pid']) if status['owner_pid'] else 'nobody'}"
    )
    return 0


# ---------------------------------------------------------------- around them


@contextmanager
def _open(settings: Settings) -> Iterator[Footnote]:
    from rag.app import open_library  # seconds of imports that --help and status do not need

    with open_library(settings) as library:
        yield library


def _sync_quietly(library: Footnote) -> None:
    """Sync before a question; where another process owns the library, say that it is not synced."""
    if library.notice:
        _note(library.notice)
        return
    with _progress_bar() as show:
        report = library.sync(show)
    for source, reason in report.failed:
        _note(f"not indexed: {source}: {reason}")


@contextmanager
def _progress_bar() -> Iterator[Callable[[Progress], None]]:
    from tqdm import tqdm

    with tqdm(unit="file", file=sys.stderr, disable=None, delay=0.5, leave=False) as bar:

        def show(progress: Progress) -> None:
            bar.total = progress.total
            bar.set_postfix_str(f"{progress.passages} passages embedded", refresh=False)
            bar.update(progress.done - bar.n)

        yield show


def _parser() -> argparse.ArgumentParser:
    # Given on the main parser and on each command's, with no default, an option counts at either place.
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--library", type=Path, metavar="DIR", help="where the library is kept (default .footnote/)")
    common.add_argument("--articles", type=Path, metavar="DIR", help="the folder of articles (default docs_store/)")
    common.add_argument("--json", action="store_true", help="print one JSON document")
    common.add_argument("--verbose", action="store_true", help="say more on stderr")
    parser = argparse.ArgumentParser(
        prog="footnote",
        description="Ask your articles; every sentence of the answer carries a footnote that you can check.",
        epilog="exit codes: 0 answered, 1 not found, 2 usage, 3 input, 4 provider, 5 store, 6 busy, 7 incomplete",
        parents=[common],
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[Settings, argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text, parents=[common])
        added.set_defaults(run=run)
        return added

    command("sync", _sync, "bring the library in line with the articles folder")
    for name, run, text in (
        ("ask", _ask, "answer a question from the articles, with citations"),
        ("search", _search, "show the passages nearest to a question"),
    ):
        asking = command(name, run, text)
        asking.add_argument("question")
        asking.add_argument("--top-k", type=_positive, metavar="N", help="how many passages to retrieve")
    serving = command("serve", _serve, "sync, then serve the web page")
    serving.add_argument("--host", default="127.0.0.1", help="the address to listen at (default 127.0.0.1)")
    serving.add_argument("--port", type=_port, default=7860, help="the port to listen at (default 7860)")
    command("status", _status, "say what is in the library")
    return parser


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 50:
        raise argparse.ArgumentTypeError("must be a whole number from 1 to 50")
    return int(text)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("must be a whole number from 1 to 65535")
    return int(text)


# ---------------------------------------------------------------- text


def _as_json(options: argparse.Namespace) -> bool:
    return getattr(options, "json", False)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _note(text: str) -> None:
    sys.stderr.write(printable(text) + "\n")


def _sync_text(report: SyncReport) -> str:
    lines = [f"indexed: {source}" for source in report.indexed]
    lines += [f"removed: {source}" for source in report.removed]
    lines += [f"skipped: {source}: {reason}" for source, reason in report.skipped]
    lines += [f"failed: {source}: {reason}" for source, reason in report.failed]
    lines.append(
        f"{len(report.indexed)} indexed, {report.unchanged} unchanged, {len(report.removed)} removed, "
        f"{len(report.skipped)} skipped, {len(report.failed)} failed"
    )
    return printable("\n".join(lines))


def _answer_text(answer: Answer) -> str:
    if not answer.sentences:
        nearest = _passages_text(answer.evidence, _NEAREST)
        parts = [printable(answer.text)] if answer.text else []
        return "\n\n".join([*parts, *(["Nearest passages:", *nearest] if nearest else [])])
    parts = []
    for sentence in answer.sentences:
        parts.append(_wrap(sentence.text, f"{_MARKS[sentence.verdict]} "))
        parts[-1] += "".join("\n" + _wrap(f"({sentence.verdict}: {why})", "  ") for why in sentence.reasons)
    for citation in answer.citations:
        about = [citation.source.title, citation.source.source, citation.source.published]
        place = f"characters {citation.start}–{citation.end}"
        parts.append(_wrap(", ".join(item for item in (*about, place) if item), f"[{citation.n}] "))
    return "\n\n".join(parts)


def _passages_text(evidence: Evidence, count: int) -> list[str]:
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


if __name__ == "__main__":
    sys.exit(main())
