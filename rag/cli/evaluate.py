"""Owns the command `eval`: measures on a data set, and compares two measurements."""

from __future__ import annotations

import argparse
import hashlib
import json
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rag.cli.show import as_json, as_wanted, count_bar, note, progress_bar
from rag.config import Settings
from rag.errors import UsageError

if TYPE_CHECKING:
    from rag.evaluation.library import Library

Measured = tuple[dict[str, Any], list[dict[str, Any]]]
"""A report, and what came of each question or claim."""

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
    from rag.evaluation import claims, report, summary

    if options.model:
        settings = settings.model_copy(update={"model": options.model})
    folder = Path(options.data[0])
    measure = _checked_claims if claims.has_claims(folder) else _answered
    made, results = measure(folder, settings, options)
    made["thresholds"] = summary.thresholds(made["metrics"], dict(options.fail_under or ()))
    if options.out:
        report.write_report(made | {"results": results}, options.out, made["thresholds"])
        note(f"report: {options.out / 'report.html'}")
    print(as_json(made) if as_wanted(options) else report.report_text(made | {"results": results}))
    missed = [row for row in made["thresholds"] if not row["passed"]]
    for row in missed:
        note(f"footnote: {row['metric']} is {row['value']}, under {row['least']}")
    return _BELOW if missed else 0


def _answered(path: Path, settings: Settings, options: argparse.Namespace) -> Measured:
    """Ask the questions of a data set."""
    from rag.app import Footnote
    from rag.evaluation import datasets, library, runner, summary

    data = datasets.load_dataset(path)
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
        model = None if options.retrieval_only else subject.library.model
        config = _config(subject.library, settings, options, model)
        key = _run_key(data.digest, config, settings)
        with count_bar("question") as show:
            results = runner.run(subject, questions, answering=not options.retrieval_only, key=key, progress=show)
    found = summary.summarise(results, options.seed)
    return _report(data.name, len(questions), options, found, config), results


def _checked_claims(folder: Path, settings: Settings, options: argparse.Namespace) -> Measured:
    """Check the claims of a data set against their evidence."""
    from rag.app import Footnote
    from rag.evaluation import checking, claims, datasets, library

    if options.retrieval_only:
        raise UsageError(f"{folder} is a set of claims, which are checked. Measure it without --retrieval-only.")
    data = claims.load_claims(folder)
    chosen = {
        question.id
        for question in datasets.choose(
            data.dataset.questions, options.types, options.language, options.limit, options.sample, options.seed
        )
    }
    picked = [claim for claim in data.claims if claim.id in chosen]
    with library.opened(data.dataset, None, settings.model_copy(update={"model": ""}), Footnote) as subject:
        with progress_bar() as show_files:
            subject.library.sync(show_files)
        config = _config(subject.library, settings, options, None)
        with count_bar("claim") as show:
            results = checking.check_claims(subject, picked, _run_key(data.digest, config, settings), show)
    if data.left_out:
        note(f"{data.left_out} items are left out: nobody judged them, or they have no evidence to read.")
    found = checking.summarise_claims(results, options.seed)
    made = _report(data.dataset.name, len(picked), options, found, config)
    return made | {"unit": "claims", "left_out": data.left_out}, results


def _config(library: Library, settings: Settings, options: argparse.Namespace, model: str | None) -> dict[str, Any]:
    from rag.evaluation.runner import program_digest

    return {
        "version": version("footnote-chat"),
        "program": program_digest(),
        "model": model,
        "judge": "rules",
        "language": options.language,
        "types": options.types,
        **library.describe(),
        "settings": settings.model_dump(mode="json", exclude=_NOT_REPORTED),
    }


def _run_key(data: str, config: dict[str, Any], settings: Settings) -> str:
    return hashlib.sha256(json.dumps([data, config, settings.model_dump(mode="json")]).encode()).hexdigest()[:16]


def _report(
    name: str, count: int, options: argparse.Namespace, found: dict[str, Any], config: dict[str, Any]
) -> dict[str, Any]:
    return {
        "dataset": name,
        "questions": count,
        "limit": options.limit,
        "sample": options.sample,
        "seed": options.seed,
        **found,
        "config": config | {"date": datetime.now(UTC).isoformat(timespec="seconds")},
    }


def _compare(options: argparse.Namespace) -> int:
    from rag.evaluation.compare import compare, comparison_text, load_report

    if len(options.data) != 3:
        raise UsageError("Name two reports: footnote eval compare A/report.json B/report.json.")
    first, second = (load_report(Path(path)) for path in options.data[1:])
    comparison = compare(first, second)
    print(as_json(comparison) if as_wanted(options) else comparison_text(comparison))
    return 0
