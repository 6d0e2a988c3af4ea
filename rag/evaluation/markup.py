"""Owns the report as markup: one HTML page that loads nothing, and JUnit XML. Every text in them is hostile."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from rag.evaluation import plots
from rag.evaluation.reading import FLAGGED, METRICS, by_kind, first_rank, flat, headline, latency_of, number, rows_of
from rag.text import printable

_SHOWN = 20  # failures of a kind
_NAMED = 10  # documents, or alternatives of a gold answer
_PASSAGES, _CHARACTERS = 3, 1500
_BUCKETS = (("1", 1), ("2", 2), ("3", 3), ("4–10", 10), ("11–20", 20))
_SURENESS = ("sufficiency", "support")  # what a result may tell of how sure the program was
_NONCHARACTERS = re.compile("[\ufffe\uffff]")  # what XML forbids beside controls and surrogates


def page(report: Mapping[str, Any]) -> str:
    """Return the report as one HTML page that loads nothing: every text of it is escaped."""
    metrics, config, results = report["metrics"], flat(report.get("config") or {}), report["results"]
    main, latency = headline(metrics), latency_of(report)
    parts = {name: report.get(f"by_{name}") or {} for name in ("type", "language", "edit")}
    return _template("report.html.jinja").render(
        report=report,
        unit=report.get("unit", "questions"),
        about=_about(report, config),
        judge=config.get("judge") if "citation_precision" in metrics else None,
        meanings=[(METRICS[row["key"]][1], METRICS[row["key"]][2]) for row in rows_of(metrics, METRICS)],
        headline=rows_of(metrics, main),
        groups=_groups(metrics),
        slices=[(name, _slices(part, main)) for name, part in parts.items() if part],
        figures=_figures(report, results),
        auroc=next((row["value"] for row in rows_of(metrics, ["abstention_auroc"])), None),
        latency=latency,
        slowest=max((row["p95"] for row in latency), default=1.0),
        tokens=report.get("tokens"),
        config={name: _setting(value) for name, value in config.items()},
        failed=sum(bool(result.get("failure")) for result in results),
        failures=_failures(results),
    )


def junit(report: Mapping[str, Any]) -> str:
    """Return the report as JUnit XML: a suite for each type of question, and one for the thresholds."""
    suites: dict[str, list[Mapping[str, Any]]] = {}
    for result in report["results"]:
        suites.setdefault(str(result.get("type") or "question"), []).append(result)
    return _template("junit.xml.jinja").render(report=report, suites=suites)


@cache
def _template(name: str) -> Template:
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals |= {"interval": plots.interval, "seconds": _seconds, "told": _told}
    templates.filters["figure"] = lambda value: "–" if number(value) is None else f"{value:.3f}"
    templates.filters["label"] = lambda key: METRICS[key][1] if key in METRICS else key
    return templates.get_template(name)


def _shown(value: object) -> object:
    """Return what a template shows of a value: nothing for None, and no character that steers or is none."""
    if type(value) is str:  # markup is a kind of str, and stays what it is
        return _NONCHARACTERS.sub("", printable(value))
    return "" if value is None else value


def _about(report: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Return in a few words what was asked of what."""
    about = [f"{report['questions']} {report.get('unit', 'questions')}"]
    if report.get("sample") is not None:
        about.append(f"a sample, seed {report.get('seed')}")
    if report.get("limit") is not None:
        about.append("the first of them")
    named = [(name, config.get(name)) for name in ("model", "embedder", "version", "program", "date")]
    return about + [f"{name} {value}" for name, value in named if value]


def _setting(value: object) -> object:
    shown = ", ".join(map(str, value)) if isinstance(value, list) else value
    return "–" if shown is None or shown == "" else shown


def _seconds(results: Sequence[Mapping[str, Any]]) -> str:
    """Return how long questions took: in all, or in the stages that were timed."""
    timed = [
        {stage: number(value) or 0.0 for stage, value in (item.get("latency_ms") or {}).items()} for item in results
    ]
    return f"{sum(stages.get('total', sum(stages.values())) for stages in timed) / 1000:.3f}"


def _told(result: Mapping[str, Any]) -> str:
    """Return what a test report says of a failure."""
    gold = "; ".join(" / ".join(group[:_NAMED]) for group in result.get("gold") or ())
    nearest = ", ".join(str(item["document"]) for item in (result.get("nearest") or ())[:_PASSAGES])
    asked = "Question" if result.get("support") is None else "Claim"
    parts = {asked: result["text"], "Expected": gold, "Answer": result.get("answer"), "Nearest": nearest}
    return "\n".join(f"{name}: {_clipped(text)}" for name, text in parts.items() if text)


# ---------------------------------------------------------------- figures


def _groups(metrics: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(metrics):
        groups.setdefault(row["group"], []).append(row)
    return groups


def _slices(parts: Mapping[str, Any], main: Sequence[str]) -> dict[str, Any]:
    """Return the metrics of parts of the questions: the main ones a part a row, and all of them a metric a row."""
    values = {name: {row["key"]: row for row in rows_of(metrics)} for name, metrics in parts.items()}
    keys = [key for key in METRICS if any(key in rows for rows in values.values())]
    shown = [key for key in main if key in keys]
    return {
        "columns": [METRICS[key][1] for key in shown],
        "rows": [(name, [rows.get(key) for key in shown]) for name, rows in values.items()],
        "names": list(values),
        "all": [(METRICS[key][1], [rows.get(key) for rows in values.values()]) for key in keys],
    }


def _figures(report: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the plots by name, None where there are no data for one."""
    found: dict[str, Any] = dict.fromkeys(("ranks", "curve", "sufficiency"))
    ranks = [first_rank(result) for result in results if result.get("relevant")]
    if ranks:
        counts = Counter(
            next((label for label, most in _BUCKETS if rank and rank <= most), "not found") for rank in ranks
        )
        labels = [*(label for label, _ in _BUCKETS), "not found"]
        title = "Rank of the first relevant document"
        found["ranks"] = plots.columns("ranks", title, [(label, counts[label]) for label in labels])
    points = [
        (x, y)
        for point in report.get("abstention_curve") or ()
        if (x := number(point.get("false_abstention"))) is not None and (y := number(point.get("recall"))) is not None
    ]
    if points:
        at = {row["key"]: row["value"] for row in rows_of(report["metrics"], ("false_abstention", "abstention_recall"))}
        chosen = (at["false_abstention"], at["abstention_recall"]) if len(at) == 2 else None
        axes = ("refused wrongly", "refused rightly")
        found["curve"] = plots.curve("curve", "Refusals at every threshold of sufficiency", points, chosen, axes)
    known = [
        (result.get("answerable"), value)
        for result in results
        if (value := number(result.get("sufficiency"))) is not None and result.get("answerable") is not None
    ]
    if known:
        first = ("with an answer", [value for answerable, value in known if answerable])
        second = ("without an answer", [value for answerable, value in known if not answerable])
        title = "Sufficiency of questions with and without an answer"
        found["sufficiency"] = plots.mirrored("sufficiency", title, first, second, "sufficiency")
    return found


# ---------------------------------------------------------------- failures


def _failures(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the kinds of failure there are, each with its count and the surest mistakes."""
    return [
        {
            "kind": kind,
            "count": len(failed),
            "left_out": max(len(failed) - _SHOWN, 0),
            "cards": [_card(result) for result in sorted(failed, key=_surest)[:_SHOWN]],
        }
        for kind, failed in by_kind(results).items()
    ]


def _surest(result: Mapping[str, Any]) -> tuple[float, float, str]:
    """Order the mistakes of a kind: refusals by how high the document stood, the others by how sure they seemed."""
    sure = next((value for name in _SURENESS if (value := number(result.get(name))) is not None), math.inf)
    if str(result["failure"]).startswith("refused"):
        return first_rank(result) or math.inf, sure, str(result["id"])
    return 0.0, sure if sure == math.inf or result["failure"] == FLAGGED else -sure, str(result["id"])


def _card(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page shows of a failure."""
    gold = [group[:_NAMED] for group in result.get("gold") or ()]
    words = _words([text for group in gold for text in group])
    relevant, ranking = result.get("relevant") or (), list(result.get("ranking") or ())
    missed = [name for name in relevant if name not in ranking]
    carried = (result.get("evidence") or ())[:_PASSAGES]
    near = (result.get("nearest") or ())[:_PASSAGES]
    about = [result["id"], result.get("type"), result.get("language")]
    rank = first_rank(result)
    about += [f"{name} {sure:.2f}" for name in _SURENESS if (sure := number(result.get(name))) is not None]
    about += [f"first relevant document at rank {rank}"] if rank else []
    return {
        **{key: result.get(key) for key in ("text", "status", "answerable", "error")},
        "about": [str(item) for item in about if item],
        "gold": [" / ".join(group) for group in gold],
        "evidence": [(item["document"], _pieces(item["text"], words)) for item in carried],
        "answer": _clipped(result.get("answer") or ""),
        "quotes": [(item["document"], _pieces(item["quote"], words)) for item in result.get("citations") or ()],
        "nearest": [(item["document"], _pieces(item["text"], words)) for item in near],
        "relevant": set(relevant),
        "found": sorted((ranking.index(name) + 1, name) for name in relevant if name in ranking)[:_NAMED],
        "missed": missed[:_NAMED],
        "missed_more": max(len(missed) - _NAMED, 0),
    }


def _words(texts: Sequence[str]) -> re.Pattern[str] | None:
    """Return a pattern of the expected words; inside a longer word of Latin letters they do not count."""
    wanted = sorted({text.strip() for text in texts if text.strip()}, key=len, reverse=True)
    among = "|".join(map(re.escape, wanted))
    return re.compile(f"(?<![A-Za-z0-9])({among})(?![A-Za-z0-9])", re.IGNORECASE) if wanted else None


def _pieces(text: str, words: re.Pattern[str] | None) -> list[tuple[str, bool]]:
    """Return the text in pieces, each with whether it is what was expected."""
    text = _clipped(text)
    parts = words.split(text) if words else [text]
    return [(part, place % 2 == 1) for place, part in enumerate(parts) if part]


def _clipped(text: str) -> str:
    return text if len(text) <= _CHARACTERS else text[:_CHARACTERS].rstrip() + " …"
