"""Owns summing up the results of a run: each measure over all questions, by type and language, with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from rag.evaluation.metrics import Numbers, abstention_curve, abstention_scores, auroc, figure, interval
from rag.evaluation.runner import Result, judged, latencies, refused, tokens

ABSTENTION = ("abstention_precision", "abstention_recall", "abstention_f1", "abstention_auroc", "false_abstention")


def summarise(results: Sequence[Result], seed: int = 0) -> dict[str, Any]:
    """Return the part of a report that is computed from the results, in the shape of the JSON contract."""
    of = judged(results)
    sufficiency = np.array([result["sufficiency"] for result in of])
    unanswerable = np.array([result["answerable"] is False for result in of], dtype=bool)
    return {
        "metrics": _metrics(results, seed),
        "by_type": _grouped(results, "type", seed),
        "by_language": _grouped(results, "language", seed),
        "abstention_curve": abstention_curve(sufficiency, unanswerable) if of else [],
        "latency_ms": latencies(results),
        "tokens": tokens(results),
    }


def _grouped(results: Sequence[Result], key: str, seed: int) -> dict[str, Any]:
    groups: dict[str, list[Result]] = {}
    for result in results:
        if result[key]:
            groups.setdefault(result[key], []).append(result)
    return {name: _metrics(group, seed) for name, group in sorted(groups.items())}


def _metrics(results: Sequence[Result], seed: int) -> dict[str, dict[str, Any]]:
    values: dict[str, list[float]] = {}
    for result in results:
        for name, value in result["scores"].items():
            values.setdefault(name, []).append(value)
    found = {name: figure(scores, seed) for name, scores in values.items()}
    of = judged(results)
    if of:
        rows = np.array([[result["sufficiency"], refused(result), result["answerable"] is False] for result in of])
        of_kind = {"abstention_recall": rows[rows[:, 2] == 1], "false_abstention": rows[rows[:, 2] == 0]}
        for name in ABSTENTION:
            counted = of_kind.get(name, rows)
            if len(counted):
                found[name] = interval(counted, _abstaining(name), seed)
    return {name: measured for name, measured in found.items() if not math.isnan(measured["value"])}


def _abstaining(name: str) -> Callable[[Numbers], float]:
    def statistic(rows: Numbers) -> float:
        unanswerable = rows[:, 2].astype(bool)
        if name == "abstention_auroc":
            return auroc(-rows[:, 0], unanswerable)
        return abstention_scores(rows[:, 1].astype(bool), unanswerable)[name]

    return statistic


def thresholds(metrics: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return what became of each `--fail-under`; a metric that was not measured has not passed."""
    rows = []
    for name, least in wanted.items():
        value = metrics[name]["value"] if name in metrics else None
        rows.append({"metric": name, "least": least, "value": value, "passed": value is not None and value >= least})
    return rows
