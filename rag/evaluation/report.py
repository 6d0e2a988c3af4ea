"""Owns what an evaluation leaves behind: its report as files, and as text for a terminal."""

from __future__ import annotations

import json
import math
import os
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rag.errors import InputError
from rag.evaluation.markup import junit, page
from rag.evaluation.reading import by_kind, headline, latency_of, number, rows_of
from rag.text import printable

_COLUMNS = 92
_TYPES, _NAME = 4, 13


def write_report(report: Mapping[str, Any], folder: Path, thresholds: Sequence[Mapping[str, Any]]) -> None:
    """Write `report.json`, `report.html` and `junit.xml`, each whole or not at all.

    `thresholds` are the checked ones {metric, least, value, passed}; they become part of the report.
    Raises InputError where the folder cannot be written.
    """
    whole = _finite({**report, "thresholds": list(thresholds)})
    texts = {
        "report.json": json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False),
        "report.html": page(whole),
        "junit.xml": junit(whole),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            _replace(folder / name, text)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}. Name another folder with --out.") from None


def report_text(report: Mapping[str, Any]) -> str:
    """Return the report as text of at most 92 columns and about 40 lines."""
    unit = report.get("unit", "questions")
    lines = [f"{report['dataset']}: {report['questions']} {unit}", ""]
    lines.append(f"{'':28}{'value':>7}  {'95 % interval':<15}{'n':>7}")
    for row in rows_of(report["metrics"]):
        lines.append(f"{row['key'][:27]:28}{row['value']:7.3f}  {_interval(row):<15}{row['n']:>7}")
    lines += _by_type(report.get("by_type") or {}, headline(report["metrics"]))
    stages = [f"{row['stage']} {row['p50']:.1f} / {row['p95']:.1f}" for row in latency_of(report)]
    if stages:
        lines += ["", *textwrap.wrap("ms, median / 95th percentile: " + ", ".join(stages), _COLUMNS)]
    for item in report.get("thresholds") or ():
        value = number(item["value"])
        found = "not measured" if value is None else f"{value:.3f}"
        lines.append(f"{'✓' if item['passed'] else '✗'} {item['metric']} at least {item['least']:g}: {found}")
    kinds = by_kind(report["results"])
    lines += ["", f"{sum(map(len, kinds.values()))} of {len(report['results'])} {unit} failed"]
    lines += [f"{len(failed):6}  {kind}" for kind, failed in kinds.items()]
    return printable("\n".join(lines))


def _interval(row: Mapping[str, Any]) -> str:
    return "" if row["low"] is None else f"{row['low']:.3f} – {row['high']:.3f}"


def _by_type(parts: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    """Return the main metrics, a type a column; nothing where there is but one type."""
    if len(parts) < 2:
        return []
    shown = list(parts)[:_TYPES]
    title = "by type" if len(shown) == len(parts) else f"by type ({len(shown)} of {len(parts)})"
    lines = ["", f"{title:28}" + "".join(f"{_name(name):>{_NAME + 2}}" for name in shown)]
    for key in keys:
        values = (next((f"{row['value']:.3f}" for row in rows_of(parts[name], [key])), "–") for name in shown)
        lines.append(f"{key[:27]:28}" + "".join(f"{value:>{_NAME + 2}}" for value in values))
    return lines


def _name(text: str) -> str:
    text = " ".join(printable(text).split())
    return text if len(text) <= _NAME else text[: _NAME - 1] + "…"


def _finite(value: Any) -> Any:
    """Return JSON data with None for numbers that JSON has no word for."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_bytes(text.encode("utf-8", "replace"))  # half a surrogate pair has no bytes
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
