"""Owns how a report of an evaluation looks, and two of them compared; every word of theirs is escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rag.evaluation.markup import page
from rag.evaluation.plots import interval
from rag.evaluation.reading import METRICS
from ui.evaluation_view import counted
from ui.render import escape, escape_name, shortened

_SECTION = re.compile(r'<section id="([a-z-]+)"')
_CHANGED = 30  # questions that changed, shown
_SCORES = 3  # of each of them
_ASKED = (
    '<p class="fn-evals-note">A failure that is opened in the chat is asked of your articles, whatever documents were '
    "measured.</p>"
)
_BACK = '<button type="button" class="fn-act fn-evals-back" data-do="evaluations">← All evaluations</button>'


def report_html(name: str, report: Mapping[str, Any]) -> str:
    """Return a report that `EvaluationStore.report` gave, with its metrics, plots and failures."""
    # The page that eval writes escapes every text, and its own parts stand between these tags, which no text can hold.
    body = page(report).partition("<main>")[2].partition("</main>")[0]
    sections = "".join(
        f'<a href="#{part}" data-do="evaluations-part">{part.replace("-", " ").capitalize()}</a>'
        for part in _SECTION.findall(body)
    )
    asked = _ASKED if report["unit"] == "questions" and any(result["failure"] for result in report["results"]) else ""
    about = [
        report["dataset"] if report["dataset"] != name else "",
        counted(report["questions"], report["unit"].removesuffix("s")),
        "the first of them" if report["limit"] is not None else "",
        f"a sample, seed {report['seed']}" if report["sample"] is not None else "",
        *(shortened(str(report["config"].get(key) or ""), 200) for key in ("model", "embedder", "date")),
    ]
    return (
        f'<div class="fn-evals fn-report" data-unit="{report["unit"]}">{_BACK}<header class="fn-evals-head">'
        f'<h2 tabindex="-1">{escape_name(name)}</h2>'
        f"<p>{escape_name(' · '.join(filter(None, about)))}</p></header>"
        f'<nav class="fn-report-parts" aria-label="Parts of the report">{sections}</nav>{asked}{body}</div>'
    )


def compared_html(names: tuple[str, str], found: Mapping[str, Any]) -> str:
    """Return two reports compared, `found` being what `rag.evaluation.compare.compare` returns."""
    shared = [counted(found["questions"], "question") + " in both"]
    shared += [f"{found['only_first']:,} only in the first"] if found["only_first"] else []
    shared += [f"{found['only_second']:,} only in the second"] if found["only_second"] else []
    parts = [_metrics(found["metrics"]), _settings(found["config"]), _counts(found), _changes(found["changed"])]
    return (
        f'<div class="fn-evals fn-report">{_BACK}<header class="fn-evals-head"><h2 tabindex="-1">What changed</h2>'
        f"<p>{escape_name(names[0])} → {escape_name(names[1])}</p>"
        f"<p>{' · '.join(shared)}</p></header>{''.join(parts)}</div>"
    )


def _metrics(metrics: Mapping[str, Any]) -> str:
    widest = max((abs(row[end]) for row in metrics.values() for end in ("low", "high", "difference")), default=1.0)
    rows = "".join(
        f'<tr><th scope="row">{_label(key)}</th><td>{row["first"]:.3f}</td>'
        f'<td>{row["second"]:.3f}</td><td class="{_sure(key, row)}">{row["difference"]:+.3f}</td>'
        f'<td class="bar-cell zero"><span>{_around_zero(row, widest)}'
        f"<small>{row['low']:+.3f} to {row['high']:+.3f}</small></span></td><td>{row['n']:,}</td></tr>"
        for key, row in metrics.items()
    )
    if not rows:
        return ""
    heads = "".join(
        f'<th scope="col">{name}</th>' for name in ("Metric", "First", "Second", "Change", "95 % interval", "Questions")
    )
    caption = (
        "The line in the middle is no change; where the band crosses it, the difference may be chance. Of twenty "
        "figures, one leaves it out by chance alone."
    )
    return _table("Metrics", heads, rows, caption)


def _label(metric: str) -> str:
    return escape_name(METRICS[metric][1] if metric in METRICS else metric)


def _around_zero(row: Mapping[str, Any], widest: float) -> str:
    """Return a difference and its interval as a bar whose middle is no change."""
    value, low, high = (0.5 + row[name] / (2 * (widest or 1.0)) for name in ("difference", "low", "high"))
    return str(interval(value, low, high))


def _sure(key: str, row: Mapping[str, Any]) -> str:
    """Return whether a difference is sure, and for the better."""
    if not row["differs"]:
        return ""
    lower_is_better = key == "false_abstention"
    return "better" if (row["difference"] > 0) != lower_is_better else "worse"


def _settings(config: Mapping[str, Sequence[Any]]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape_name(str(name))}</th>'
        + "".join(
            f"<td>{escape_name(shortened(str(value), 200)) if value not in (None, '') else '–'}</td>" for value in both
        )
        + "</tr>"
        for name, both in config.items()
    )
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Setting", "First", "Second"))
    return _table("Other settings", heads, rows, "", "settings") if rows else ""


def _counts(found: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape_name(kind)}</th><td>{before:,}</td><td>{after:,}</td></tr>'
        for kind, (before, after) in found["failures"].items()
    )
    rows += "".join(
        f'<tr><th scope="row">{escape_name(stage)}, median ms</th><td>{row["first"]:.1f}</td>'
        f"<td>{row['second']:.1f}</td></tr>"
        for stage, row in found["latency_ms"].items()
    )
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Failures and time", "First", "Second"))
    return _table("Failures and time", heads, rows, "") if rows else ""


def _table(title: str, heads: str, rows: str, caption: str, kind: str = "") -> str:
    said = f"<caption><span>{caption}</span></caption>" if caption else ""
    return (
        f'<section><h2>{title}</h2><div class="scroll" tabindex="0" role="region" aria-label="{title}">'
        f'<table class="{kind}">{said}<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div></section>'
    )


def _changes(changed: Sequence[Mapping[str, Any]]) -> str:
    if not changed:
        return "<section><h2>Questions</h2><p>No question changed.</p></section>"
    items = "".join(f"<li>{_change(item)}</li>" for item in changed[:_CHANGED])
    shown = f"; the {_CHANGED} that changed most" if len(changed) > _CHANGED else ""
    return (
        f'<section><h2>Questions that changed</h2><p class="note">{counted(len(changed), "question")}{shown}.</p>'
        f'<ul class="fn-changes">{items}</ul></section>'
    )


def _change(item: Mapping[str, Any]) -> str:
    said = []
    for name, fine in (("failure", "right"), ("status", "none")):
        if name in item:
            before, after = (escape_name(value or fine) for value in item[name])
            said.append(f"{before} → {after}")
    most = sorted(item["scores"].items(), key=lambda score: -abs(score[1][1] - score[1][0]))[:_SCORES]
    said += [f"{_label(name)} {before:.2f} → {after:.2f}" for name, (before, after) in most]
    shown = f'<b dir="auto">{escape_name(item["text"])}</b><span class="meta">{" · ".join(said)}</span>'
    return shown + to_chat(item["text"])


def to_chat(question: str) -> str:
    """Return what takes a question to the conversation: into the box, or asked at once."""
    return (
        f'<span class="fn-to-chat"><a class="fn-button" href="/?q={quote(question[:8000].encode("utf-8", "ignore"))}" '
        f'data-do="evaluations-chat">Open in the chat</a><button type="button" class="fn-button" data-do="ask" '
        f'data-question="{escape(question)}">Ask it now</button></span>'
    )
