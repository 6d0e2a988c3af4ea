"""Owns the command `eval`: measures on a data set, and compares two measurements."""

from __future__ import annotations

import argparse
import hashlib
import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rag.cli.show import as_json, as_wanted, count_bar, note, progress_bar
from rag.config import Settings
from rag.errors import UsageError

_BELOW = 1
_COMPARE = "compare"
_NOT_REPORTED: Any = {
    "library": True,
    "articles": True,
    "model": True,
    "embedder": {"options"},
    "reranker": {"options"},
}


def evaluate(settings: Settings, options: argparse.Namespace) -> int:
    """Ask the questions of a data set and measure what comes; or compare two reports."""
    if options.data[0] == _COMPARE:
        return _compare(options)
    if len(options.data) > 1:
        raise UsageError(f"One data set at a time: {', '.join(options.data)}. To compare reports: eval compare A B.")
    return _measure(settings, options)


def _measure(settings: Settings, options: argparse.Namespace) -> int:
    from rag.app import Footnote
    from rag.evaluation import datasets, library, report, runner, summary

    wanted = dict(options.fail_under or ())
    if options.model:
        settings = settings.model_copy(update={"model": options.model})
    data = datasets.load_dataset(Path(options.data[0]))
    questions = datasets.choose(
        data.questions,
        options.types,
        options.language,
        options.limit,
        options.sample,
        options.seed,
        judged=options.retrieval_only,
    )
    with library.opened(data, options.language, settings, Footnote) as subject:
        with progress_bar() as show_files:
            subject.library.sync(show_files)
        config = {
            "version": version("footnote-chat"),
            "program": runner.program_digest(),
            "model": None if options.retrieval_only else subject.library.model,
            "judge": "rules",
            "language": options.language,
            "types": options.types,
            **subject.library.describe(),
            "settings": settings.model_dump(mode="json", exclude=_NOT_REPORTED),
        }
        key = hashlib.sha256(json.dumps([data.digest, config, settings.model_dump(mode="json")]).encode()).hexdigest()[
            :16
        ]
        with count_bar("question") as show:
            results = runner.run(subject, questions, answering=not options.retrieval_only, key=key, progress=show)
    made: dict[str, Any] = {
        "dataset": data.name,
        "questions": len(questions),
        "limit": options.limit,
        "sample": options.sample,
        "seed": options.seed,
        **summary.summarise(results, options.seed),
        "config": config | {"date": datetime.now(UTC).isoformat(timespec="seconds")},
    }
    made["thresholds"] = summary.thresholds(made["metrics"], wanted)
    if options.out:
        report.write_report(made | {"results": results}, options.out, made["thresholds"])
        note(f"report: {options.out / 'report.html'}")
    print(as_json(made) if as_wanted(options) else report.report_text(made | {"results": results}))
    missed = [row for row in made["thresholds"] if not row["passed"]]
    for row in missed:
        note(f"footnote: {row['metric']} is {row['value']}, under {row['least']}")
    return _BELOW if missed else 0


def _compare(options: argparse.Namespace) -> int:
    from rag.evaluation.compare import compare, comparison_text, load_report

    if len(options.data) != 3:
        raise UsageError("Name two reports: footnote eval compare A/report.json B/report.json.")
    first, second = (load_report(Path(path)) for path in options.data[1:])
    comparison = compare(first, second)
    print(as_json(comparison) if as_wanted(options) else comparison_text(comparison))
    return 0
