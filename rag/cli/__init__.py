"""Owns the command line: its options, and what becomes of errors."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from rag.cli import commands
from rag.cli.evaluate import evaluate
from rag.cli.models import list_models
from rag.cli.receipts import verify
from rag.cli.show import forget_interrupts, note
from rag.config import Settings, load_settings
from rag.errors import FootnoteError

_UNEXPECTED = 70
_INTERRUPTED = 130


def run() -> int:
    """Be the program: run one command, and let no signal disturb its end."""
    code = _INTERRUPTED
    with suppress(KeyboardInterrupt):  # a second one, while the first is being said
        code = main()
    forget_interrupts()
    return code


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(arguments)
    verbose = getattr(options, "verbose", False)
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        settings = load_settings(
            os.environ,
            overrides={name: getattr(options, name, None) for name in ("library", "articles", "model")},
        )
        code: int = options.run(settings, options)
        sys.stdout.flush()
        return code
    except FootnoteError as error:
        note(f"footnote: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        note("footnote: interrupted; what was finished is kept")
        return _INTERRUPTED
    except BrokenPipeError:  # the reader of our output has gone: nothing is left to say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if verbose:
            logging.exception("unexpected error")
        note(f"footnote: unexpected error: {error!r:.300}. Please report it, with the output of --verbose.")
        return _UNEXPECTED


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
    choices = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable[[Settings, argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = choices.add_parser(name, help=text, description=text, parents=[common])
        added.set_defaults(run=run)
        return added

    syncing = command("sync", commands.sync, "bring the library in line with the articles folder")
    syncing.add_argument(
        "--prune", action="store_true", help="take out what is gone even where it is much of the folder"
    )
    syncing.add_argument("--re-embed", action="store_true", help="change to the embedder that is set now")
    syncing.add_argument("--watch", action="store_true", help="go on, and sync whenever the folder changes")
    adding = command("add", commands.add, "fetch a web page into the library, or take back a file that was removed")
    adding.add_argument("address", metavar="URL", help="the page, or the source that was removed")
    removing = command("remove", commands.remove, "take a file or a web page out of the library, with every trace")
    removing.add_argument("source", help="its source as citations name it")
    for name, run, text in (
        ("ask", commands.ask, "answer a question from the articles, with citations"),
        ("search", commands.search, "show the passages nearest to a question"),
    ):
        asking = command(name, run, text)
        asking.add_argument("question")
        asking.add_argument("--top-k", type=_positive, metavar="N", help="how many passages to retrieve")
        asking.add_argument(
            "--article", action="append", default=[], metavar="SOURCE", help="search this one only; may be repeated"
        )
        asking.add_argument("--as-of", metavar="DATE", help="search only what was published until then: 2025-08-31")
        if run is commands.ask:
            asking.add_argument("--model", metavar="NAME", help="answer with this model, as in FOOTNOTE_MODEL")
            asking.add_argument(
                "--receipt", type=Path, metavar="FILE", help="save the answer and what it was made from"
            )
    command(
        "verify", verify, "check a receipt: is it sound, and do its quotes still stand in the articles"
    ).add_argument("receipt", type=Path, metavar="RECEIPT")
    serving = command("serve", commands.serve, "sync, then serve the web page")
    serving.add_argument("--host", default="127.0.0.1", help="the address to listen at (default 127.0.0.1)")
    serving.add_argument("--port", type=_port, default=7860, help="the port to listen at (default 7860)")
    measuring = command("eval", evaluate, "measure on a data set; or `eval compare A B`: compare two report.json")
    measuring.add_argument("data", metavar="DATASET", nargs="+", help="a folder or a file of questions")
    measuring.add_argument("--out", type=Path, metavar="DIR", help="write report.json, report.html and junit.xml there")
    measuring.add_argument("--limit", type=_count, metavar="N", help="ask the first N questions only")
    measuring.add_argument("--sample", type=_count, metavar="N", help="ask N questions drawn by chance")
    measuring.add_argument("--seed", type=int, default=0, metavar="S", help="of the sample and of the intervals")
    measuring.add_argument("--types", type=_names, default=(), metavar="A,B", help="only questions of these types")
    measuring.add_argument("--language", metavar="CODE", help="only questions and documents in this language")
    measuring.add_argument("--retrieval-only", action="store_true", help="look for passages, do not answer")
    measuring.add_argument("--model", metavar="NAME", help="answer with this model, as in FOOTNOTE_MODEL")
    measuring.add_argument(
        "--fail-under", type=_bound, action="append", metavar="METRIC=VALUE", help="exit with 1 if it is less"
    )
    command("models", list_models, "list the models that the settings name, and check each with one tiny call")
    command("status", commands.status, "say what is in the library")
    command("doctor", commands.doctor, "look the library over: is it sound, and which articles came in badly")
    command("rebuild", commands.rebuild, "build the vector index anew; nothing is embedded again")
    for name, run, text in (
        ("backup", commands.back_up, "copy the library to one file"),
        ("restore", commands.restore, "bring the library back from a backup; what was there is set aside"),
    ):
        command(name, run, text).add_argument("file", type=Path, metavar="FILE")
    return parser


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 50:
        raise argparse.ArgumentTypeError("must be a whole number from 1 to 50")
    return int(text)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError("must be a whole number from 1")
    return int(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _bound(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise argparse.ArgumentTypeError("must be METRIC=VALUE, for example ndcg@10=0.9") from None


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("must be a whole number from 1 to 65535")
    return int(text)
