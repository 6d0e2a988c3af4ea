"""Owns the child process of an evaluation: gets its order as a line of JSON, tells how far it is in such lines."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rag.app import Footnote
from rag.config import Settings
from rag.errors import FootnoteError, InputError, ProviderError, UsageError
from rag.evaluation.measure import Shows, Wanted, measure
from rag.evaluation.report import write_report
from rag.types import Progress

_NICE = 10  # readers who ask come first
_LOGGED = "It could not be run. The log of the server says why."
Tell = Callable[..., None]


def main() -> int:
    """Run one evaluation and return the exit code; what is told ends with `done` or with an `error` for readers."""
    order = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(_NICE)
    tell = _teller()
    try:
        _run(order, tell)
    except FootnoteError as error:
        sys.stderr.write(f"evaluation: {error}\n")
        for_readers = isinstance(error, InputError | ProviderError | UsageError)
        tell(error=str(error).replace(order["path"], order["name"]) if for_readers else _LOGGED)
        return 1
    tell(done=True)
    return 0


def _run(order: dict[str, Any], tell: Tell) -> None:
    settings = Settings.model_validate(order["settings"])
    report = measure(Path(order["path"]), settings, Wanted(**order["wanted"]), Footnote, _shows(tell), standing=True)
    write_report({**report, "dataset": order["name"]}, Path(order["out"]), ())


def _teller() -> Tell:
    """Return what tells the parent; whatever else is printed goes to the log."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def tell(**values: Any) -> None:
        out.write(json.dumps(values) + "\n")
        out.flush()

    return tell


def _shows(tell: Tell) -> Shows:
    @contextmanager
    def files() -> Iterator[Callable[[Progress], None]]:
        yield lambda at: tell(stage="file", done=at.done, total=at.total)

    @contextmanager
    def count(unit: str) -> Iterator[Callable[[int, int], None]]:
        yield lambda done, total: tell(stage=unit, done=done, total=total)

    return Shows(files, count)


def _end_with_parent() -> None:
    """End once the parent has ended, or has closed its end: then nobody waits for the report."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
