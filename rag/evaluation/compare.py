"""Owns comparing two reports: what is better, what is worse, how sure that is, and which questions changed."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rag.errors import InputError
from rag.evaluation.metrics import Numbers, abstention_scores, auroc
from rag.evaluation.reading import METRICS, by_kind, flat, number
from rag.evaluation.runner import judged, refused
from rag.text import printable

Report = Mapping[str, Any]
Pair = tuple[Report, Report]

_BLOCK = 2_000_000  # numbers drawn at once
_COLUMNS = 92
_SHOWN = 8  # questions that changed
_SCORES = 3  # of each of them


def load_report(path: Path) -> dict[str, Any]:
    """Read a report: its file, or the folder it was written to. Raises InputError where it is none."""
    file = path / "report.json" if path.is_dir() else path
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}. Name a folder that eval wrote.") from None
    except (ValueError, RecursionError):
        raise InputError(f"{file} is not JSON. Name a report.json that eval wrote.") from None
    if not _is_report(report):
        raise InputError(f"{file} is not a report. Name a report.json that eval wrote.")
    return dict(report)


def compare(first: Report, second: Report, resamples: int = 2000, seed: int = 0) -> dict[str, Any]:
    """Return what changed from one report to another, over the questions that both have, by id and text.

    `metrics` has for each: its mean in both, the difference second − first with its 95 % interval (paired
    percentile bootstrap over questions, Efron 1979), `n`, and `differs`: whether the interval excludes 0.
    Raises InputError where one is no report, or where they share no question.
    """
    for report, name in ((first, "first"), (second, "second")):
        if not _is_report(report):
            raise InputError(f"The {name} is not a report. Name a report.json that eval wrote.")
    before, after = ({(item["id"], item["text"]): item for item in report["results"]} for report in (first, second))
    pairs = [(item, after[key]) for key, item in before.items() if key in after]
    if not pairs:
        raise InputError("The reports share no question. Compare runs over the same data set.")
    metrics = {**_scores(pairs, resamples, seed), **_abstention(pairs, resamples, seed)}
    return {
        "dataset": second.get("dataset"),
        "questions": len(pairs),
        "only_first": len(before) - len(pairs),
        "only_second": len(after) - len(pairs),
        "metrics": {name: metrics[name] for name in (*METRICS, *sorted(metrics.keys() - METRICS)) if name in metrics},
        "latency_ms": _latency(pairs),
        "config": _settings(flat(first.get("config") or {}), flat(second.get("config") or {})),
        "failures": _failures(pairs),
        "changed": sorted((item for pair in pairs if (item := _change(pair))), key=lambda item: -item["size"]),
    }


def _is_report(report: object) -> bool:
    if not isinstance(report, Mapping) or not isinstance(report.get("results"), list):
        return False
    return isinstance(report.get("metrics"), Mapping) and all(
        isinstance(item, Mapping)
        and isinstance(item.get("id"), str)
        and isinstance(item.get("text"), str)
        and isinstance(item.get("scores"), Mapping)
        and {"status", "answerable", "sufficiency", "error", "failure"} <= item.keys()
        for item in report["results"]
    )


# ---------------------------------------------------------------- figures


def _scores(pairs: Sequence[Pair], resamples: int, seed: int) -> dict[str, Any]:
    """Return the difference of every score that questions have in both."""
    values: dict[str, list[tuple[float, float]]] = {}
    for one, other in pairs:
        for name in one["scores"]:
            before, after = number(one["scores"][name]), number(other["scores"].get(name))
            if before is not None and after is not None:
                values.setdefault(name, []).append((before, after))
    found = {}
    for name, rows in values.items():
        both = np.array(rows, dtype=np.float64)
        drawn = _means(both[:, 1] - both[:, 0], resamples, seed)
        found[name] = _figure(float(both[:, 0].mean()), float(both[:, 1].mean()), drawn, len(rows))
    return found


def _means(differences: Numbers, resamples: int, seed: int) -> Numbers:
    """Return the mean of each resample of the differences."""
    random, count = np.random.default_rng(seed), len(differences)
    step = max(_BLOCK // count, 1)
    blocks = [min(step, resamples - start) for start in range(0, resamples, step)]
    return np.concatenate([differences[random.integers(0, count, (rows, count))].mean(axis=1) for rows in blocks])


def _abstention(pairs: Sequence[Pair], resamples: int, seed: int) -> dict[str, Any]:
    """Return the difference of what refusals were worth, over the questions of which both tell it."""
    known = [pair for pair in pairs if all(map(_tells, pair)) and pair[0]["answerable"] == pair[1]["answerable"]]
    if not known:
        return {}
    sides = [
        np.array([(_sufficiency(pair[side]), refused(pair[side]), pair[0]["answerable"] is False) for pair in known])
        for side in (0, 1)
    ]
    before, after = map(_rates, sides)
    random = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in before}
    for _ in range(resamples):
        picked = random.integers(0, len(known), len(known))
        one, other = (_rates(rows[picked]) for rows in sides)
        for name in drawn:
            drawn[name].append(other[name] - one[name])
    return {
        name: _figure(before[name], after[name], np.array(drawn[name]), len(known))
        for name in before
        if math.isfinite(before[name]) and math.isfinite(after[name])
    }


def _tells(result: Report) -> bool:
    return bool(judged([dict(result)])) and (result["status"] is not None or "sufficient" in result)


def _sufficiency(result: Report) -> float:
    value = number(result["sufficiency"])
    return math.nan if value is None else value


def _rates(rows: Numbers) -> dict[str, float]:
    unanswerable = rows[:, 2].astype(bool)
    known = bool(np.isfinite(rows[:, 0]).all())
    rates = abstention_scores(rows[:, 1].astype(bool), unanswerable)
    return rates | {"abstention_auroc": auroc(-rows[:, 0], unanswerable) if known else math.nan}


def _figure(before: float, after: float, drawn: Numbers, n: int) -> dict[str, Any]:
    kept = drawn[np.isfinite(drawn)] if np.isfinite(drawn).any() else np.array([after - before])
    low, high = (float(end) for end in np.quantile(kept, (0.025, 0.975)))
    return {
        "first": before,
        "second": after,
        "difference": after - before,
        "low": low,
        "high": high,
        "n": n,
        "differs": low > 0 or high < 0,
    }


def _latency(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return the median milliseconds of each stage in both, over the questions timed in both, and their ratio."""
    times: dict[str, list[tuple[float, float]]] = {}
    for one, other in pairs:
        for stage, value in (one.get("latency_ms") or {}).items():
            before, after = number(value), number((other.get("latency_ms") or {}).get(stage))
            if before is not None and after is not None:
                times.setdefault(stage, []).append((before, after))
    found = {}
    for stage, rows in times.items():
        before, after = (float(middle) for middle in np.median(np.array(rows), axis=0))
        found[stage] = {"first": before, "second": after, "ratio": after / before if before else None, "n": len(rows)}
    return found


# ---------------------------------------------------------------- settings and questions


def _settings(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the settings that are not the same in both."""
    names = [*first, *(name for name in second if name not in first)]
    return {name: [first.get(name), second.get(name)] for name in names if first.get(name) != second.get(name)}


def _failures(pairs: Sequence[Pair]) -> dict[str, list[int]]:
    """Return how many failures of each kind there are in both."""
    before, after = (by_kind([pair[side] for pair in pairs]) for side in (0, 1))
    kinds = by_kind([result for pair in pairs for result in pair])
    return {kind: [len(before.get(kind, ())), len(after.get(kind, ()))] for kind in kinds}


def _change(pair: Pair) -> dict[str, Any] | None:
    """Return what changed for a question, None where nothing did; `size` is the largest change of a score.

    Another failure, or none where there was one, counts 1 on top; another status .5.
    """
    one, other = pair
    scores = {}
    for name in one["scores"]:
        before, after = number(one["scores"][name]), number(other["scores"].get(name))
        if before is not None and after is not None and before != after:
            scores[name] = [before, after]
    kinds = {name: [one[name], other[name]] for name in ("status", "failure") if one[name] != other[name]}
    if not scores and not kinds:
        return None
    size = max((abs(after - before) for before, after in scores.values()), default=0.0)
    size += ("failure" in kinds) + 0.5 * ("status" in kinds)
    return {"id": one["id"], "text": one["text"], "type": one.get("type"), "size": size, "scores": scores, **kinds}


# ---------------------------------------------------------------- text


def comparison_text(comparison: Mapping[str, Any]) -> str:
    """Return a comparison as text of at most 92 columns."""
    found, metrics = comparison, comparison["metrics"]
    lines = [f"{found['dataset']}: {found['questions']} questions in both"]
    if found["only_first"] or found["only_second"]:
        lines[0] += f"; {found['only_first']} only in the first, {found['only_second']} only in the second"
    lines += ["", f"{'':28}{'first':>7}{'second':>9}{'change':>9}   {'95 % interval':<19}{'n':>6}"]
    for name, row in metrics.items():
        span = f"{row['low']:+.3f} to {row['high']:+.3f} {'*' if row['differs'] else ' '}"
        lines.append(
            f"{name[:27]:28}{row['first']:7.3f}{row['second']:9.3f}{row['difference']:+9.3f}   {span:<19}{row['n']:>6}"
        )
    if any(row["differs"] for row in metrics.values()):
        lines.append("* the interval excludes 0; by chance alone it does so for about one figure in twenty")
    stages = (
        f"{stage} {row['first']:.1f} → {row['second']:.1f}" + (f" (×{row['ratio']:.2f})" if row["ratio"] else "")
        for stage, row in found["latency_ms"].items()
    )
    kinds = (f"{kind} {before} → {after}" for kind, (before, after) in found["failures"].items())
    settings = (f"{name} {_value(before)} → {_value(after)}" for name, (before, after) in found["config"].items())
    for title, parts in (("ms, median", stages), ("Failures", kinds), ("Settings", settings)):
        lines += _listed(title, list(parts))
    changed = found["changed"]
    if changed:
        lines += ["", f"{len(changed)} questions changed" + (", the most:" if len(changed) > _SHOWN else ":")]
        lines += [line for item in changed[:_SHOWN] for line in _changed(item)]
    return printable("\n".join(lines))


def _value(value: Any) -> str:
    return "none" if value in (None, "") else str(value)


def _listed(title: str, parts: Sequence[str]) -> list[str]:
    if not parts:
        return []
    return ["", *textwrap.wrap(f"{title}: " + "; ".join(parts), _COLUMNS, subsequent_indent="  ")]


def _changed(item: Mapping[str, Any]) -> list[str]:
    """Return two lines on a question that changed: its text, and what is different."""
    what = []
    for name, fine in (("failure", "right"), ("status", "none")):
        if name in item:
            before, after = (value or fine for value in item[name])
            what.append(f"{before} → {after}")
    most = sorted(item["scores"].items(), key=lambda score: -abs(score[1][1] - score[1][0]))[:_SCORES]
    what += [f"{name} {before:.2f} → {after:.2f}" for name, (before, after) in most]
    return [
        _line(f"{item['id']}  {item['text']}", "  "),
        *textwrap.wrap("; ".join(what), _COLUMNS - 4, initial_indent="    ", subsequent_indent="    "),
    ]


def _line(text: str, indent: str) -> str:
    return indent + textwrap.shorten(printable(text), _COLUMNS - len(indent), placeholder=" …")
