"""Owns the command `eval`: measures on a data set, and compares two measurements."""

from __future__ import annotations

import argparse
from pathlib import Path

from rag.cli.show import as_json, as_wanted, count_bar, note, progress_bar
from rag.config import Settings
from rag.errors import UsageError

_BELOW = 1
_COMPARE = "compare"


def evaluate(settings: Settings, options: argparse.Namespace) -> int:
    """Ask the questions of a data set and measure what comes; or compare two reports."""
    if options.data[0] == _COMPARE:
        return _compare(options)
    if len(options.data) > 1:
        raise UsageError(f"One data set at a time: {', '.join(options.data)}. To compare reports: eval compare A B.")
    return _measure(settings, options)


def _measure(settings: Settings, options: argparse.Namespace) -> int:
    from rag.app import Footnote
    from rag.evaluation import report, summary
    from rag.evaluation.measure import Shows, Wanted, measure

    if options.model:
        settings = settings.model_copy(update={"model": options.model})
    wanted = Wanted(
        not options.retrieval_only, tuple(options.types), options.language, options.limit, options.sample, options.seed
    )
    made = measure(Path(options.data[0]), settings, wanted, Footnote, Shows(progress_bar, count_bar))
    if made.get("left_out"):
        note(f"{made['left_out']} items are left out: nobody judged them, or they have no evidence to read.")
    made["thresholds"] = summary.thresholds(made["metrics"], dict(options.fail_under or ()))
    if options.out:
        report.write_report(made, options.out, made["thresholds"])
        note(f"report: {options.out / 'report.html'}")
    shown = {name: value for name, value in made.items() if name != "results"}
    print(as_json(shown) if as_wanted(options) else report.report_text(made))
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
