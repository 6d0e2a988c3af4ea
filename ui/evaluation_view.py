"""Owns how evaluations look: the list, the one that runs, a report, two reports compared; every word escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rag.evaluation.markup import page
from rag.evaluation.plots import difference
from rag.evaluation.reading import METRICS
from rag.types import QUOTES
from ui.evaluation_runs import Run
from ui.evaluation_store import FEEDBACK, DataSet, Summary
from ui.render import escape, escape_name, shortened
from ui.turn_view import model_label

_SECTION = re.compile(r'<section id="([a-z-]+)"')
_CHANGED = 30  # questions that changed, shown
_SCORES = 3  # of each of them
_KINDS = {
    "documents": ("question", "with documents of their own"),
    "claims": ("claim", "with their evidence"),
    "questions": ("question", "about your articles"),
}
_STAGES = {"file": "Reading documents", "question": "Asking", "claim": "Checking claims"}
_BACK = '<button type="button" class="fn-act fn-evals-back" data-do="evaluations">← All evaluations</button>'


# ---------------------------------------------------------------- the list


def home_html(
    datasets: Sequence[DataSet],
    reports: Sequence[Summary],
    broken: Sequence[str],
    models: Sequence[str],
    status: str,
    *,
    judge: bool,
) -> str:
    """Return the list of data sets and reports; `models` may answer, `judge` says whether one gives second opinions."""
    intro = (
        '<header class="fn-evals-head"><h2 tabindex="-1">Evaluations</h2><p>How well are questions answered here? Ask '
        "those of a data set, and see what was found, what was said, and what went wrong.</p></header>"
    )
    if not datasets and not reports:
        return f'<div class="fn-evals">{intro}{_EMPTY}{_status(status)}</div>'
    run = _form(datasets, models, judge=judge) if datasets else _HOW
    return (
        f'<div class="fn-evals">{intro}{_status(status)}<div class="fn-evals-two">'
        f'<section aria-labelledby="fn-reports-title">{_reports(reports, broken)}</section>'
        f'<aside aria-labelledby="fn-run-title"><h3 id="fn-run-title">Run an evaluation</h3>{run}</aside></div></div>'
    )


def _status(html: str) -> str:
    return f'<div class="fn-evals-status" aria-live="polite">{html}</div>'


_LAYOUT = (
    "<dl><dt><code>evaluations/my-questions/questions.jsonl</code></dt><dd>questions about your articles, one a line: "
    '<code>{"id": "q1", "text": "When did …?", "type": "answerable", "must_contain": [["2025"]], '
    '"articles": ["notes.md"]}</code></dd>'
    "<dt><code>corpus.jsonl</code>, <code>queries.jsonl</code>, <code>qrels.tsv</code></dt><dd>questions with documents "
    "of their own, in the form of BEIR</dd>"
    "<dt><code>items.jsonl</code></dt><dd>claims and their evidence, to measure the verdicts</dd></dl>"
)
_HOW = (
    '<div class="fn-evals-how"><p>There is no data set yet. Put a folder into <code>evaluations/</code> on the server, '
    f"or judge answers in the conversation with the thumbs below them.</p>{_LAYOUT}</div>"
)
_EMPTY = (
    '<section class="fn-evals-empty"><h3>Nothing measured yet</h3><p>The quickest way to a data set: ask a few questions '
    "and judge the answers with the thumbs below them. Each becomes a case that can be asked again, after the articles "
    "or the model have changed.</p><p>Or put a folder into <code>evaluations/</code> on the server:</p>"
    f"{_LAYOUT}<p>Reports of <code>footnote eval DATASET --out evaluations/NAME</code> appear here, too.</p></section>"
)


def _form(datasets: Sequence[DataSet], models: Sequence[str], *, judge: bool) -> str:
    options = "".join(
        f'<option value="{escape(data.name)}" data-kind="{data.kind}">{escape_name(data.name)} · {_size(data)}</option>'
        for data in datasets
    )
    asked = [name for name in models if name != QUOTES]
    chosen = "".join(
        f'<option value="{escape(name)}"{"" if name == QUOTES and not judge else " data-costs"}>'
        f"{escape_name(model_label(name))}</option>"
        for name in (QUOTES, *asked)
    )
    feedback = (
        '<p class="fn-evals-note">The feedback of readers holds their questions: whoever opens its report reads them.</p>'
        if any(data.name == FEEDBACK for data in datasets)
        else ""
    )
    judged = " A model also gives its opinion on each sentence." if judge else ""
    return (
        f'<form class="fn-run"><label class="fn-field"><span>Data set</span><select name="dataset">{options}</select></label>'
        f'{feedback}<fieldset><legend>What to measure</legend><label><input type="radio" name="answers" value="0" checked>'
        "<span>Finding passages<small>quick, asks no model</small></span></label>"
        '<label><input type="radio" name="answers" value="1"><span>Answers, too<small>what is said, quoted and refused'
        "</small></span></label></fieldset>"
        f'<label class="fn-field fn-with-model"><span>Answered by</span><select name="model">{chosen}</select></label>'
        '<div class="fn-field fn-how-many"><label><span>Questions</span><input type="number" name="questions" min="1" '
        'max="1000000" placeholder="all" inputmode="numeric"></label><label class="fn-check-label"><input type="checkbox" '
        'name="chance"> drawn by chance</label></div>'
        '<label class="fn-check-label fn-costs"><input type="checkbox" name="confirmed"> Every question is sent to a model, '
        f"with the passages found for it.{judged} This may cost money: go ahead.</label>"
        '<button class="fn-button fn-primary">Run</button></form>'
    )


def _size(data: DataSet) -> str:
    unit, about = _KINDS[data.kind]
    return f"{_count(data.count, unit)} {about}"


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def _reports(reports: Sequence[Summary], broken: Sequence[str]) -> str:
    title = '<h3 id="fn-reports-title">Reports</h3>'
    if not reports and not broken:
        return f'{title}<p class="fn-empty">None yet. Run an evaluation to see its metrics and failures.</p>'
    cards = "".join(_card(report) for report in reports)
    lost = "".join(f"<li>{escape_name(name)}: its report.json is not one that eval wrote, or too large</li>" for name in broken)
    unread = f'<details class="fn-evals-broken"><summary>{len(broken)} cannot be read</summary><ul>{lost}</ul></details>' if broken else ""
    both = (
        '<button type="button" class="fn-button" data-do="evaluations-compare" disabled>Compare the two chosen</button>'
        if len(reports) > 1
        else ""
    )
    return f'<div class="fn-evals-bar">{title}{both}</div><ul class="fn-report-cards">{cards}</ul>{unread}'


def _card(report: Summary) -> str:
    name = escape(report.name)
    figures = "".join(
        f"<div><dt>{escape_name(row['label'])}</dt><dd>{row['value']:.3f}</dd></div>" for row in report.main
    )
    about = [
        report.dataset if report.dataset != report.name else "",
        report.date.replace("T", " ")[:16],
        _count(report.questions, report.unit.removesuffix("s")),
        model_label(report.model) if report.model else "passages only" if report.unit == "questions" else "",
        f"{report.failed:,} failed" if report.failed else "none failed",
    ]
    return (
        f'<li><label class="fn-pair"><input type="checkbox" name="pair" value="{name}" data-date="{escape(report.date)}" '
        f'aria-label="Compare {escape_name(report.name)}"></label><button type="button" class="fn-report-card" '
        f'data-do="evaluations-open" data-name="{name}"><span class="fn-title">{escape_name(report.name)}</span>'
        f'<span class="fn-meta">{escape_name(" · ".join(filter(None, about)))}</span></button>'
        f'<dl class="fn-figures">{figures}</dl></li>'
    )


# ---------------------------------------------------------------- the one that runs


def run_html(run: Run | None, session: str) -> str:
    """Return how far an evaluation is, or what came of it; who began it can cancel it."""
    if run is None:
        return ""
    name = escape_name(run.dataset)
    if run.state == "running":
        known = f' max="{run.total}" value="{run.done}"' if run.total else ""
        stage = _STAGES.get(run.stage, "Beginning")
        far = f"{run.done:,} of {run.total:,}" if run.total else "…"
        cancel = (
            '<button type="button" class="fn-button" data-do="evaluations-cancel">Cancel</button>'
            if run.session == session
            else '<span class="fn-meta">begun by another reader</span>'
        )
        return (
            f'<div class="fn-running"><p><strong>{name}</strong><span>{stage} {far}</span></p>'
            f'<progress aria-label="{stage}"{known}></progress>{cancel}</div>'
        )
    if run.state == "done":
        opened = f'<button type="button" class="fn-button" data-do="evaluations-open" data-name="{escape(run.report)}">Open the report</button>'
        return f'<div class="fn-running done"><p><strong>{name}</strong><span>✓ measured</span></p>{opened}</div>'
    said = "Cancelled. Begun again, it goes on where it stopped, if nothing has changed." if run.state == "cancelled" else run.error
    kind = "fn-warning" if run.state == "cancelled" else "fn-error"
    return f'<p class="{kind}"><strong>{name}</strong> {escape(said)}</p>'


# ---------------------------------------------------------------- reports


def report_html(name: str, report: Mapping[str, Any]) -> str:
    """Return a report that `EvaluationStore.report` gave, with its metrics, plots and failures."""
    # The page that eval writes escapes every text, and its own parts stand between these tags, which no text can hold.
    body = page(report).partition("<main>")[2].partition("</main>")[0]
    sections = "".join(
        f'<a href="#{part}" data-do="evaluations-part">{part.replace("-", " ").capitalize()}</a>'
        for part in _SECTION.findall(body)
    )
    about = [
        report["dataset"] if report["dataset"] != name else "",
        _count(report["questions"], report["unit"].removesuffix("s")),
        "the first of them" if report["limit"] is not None else "",
        f"a sample, seed {report['seed']}" if report["sample"] is not None else "",
        *(str(report["config"].get(key) or "")[:200] for key in ("model", "embedder", "date")),
    ]
    return (
        f'<div class="fn-evals fn-report">{_BACK}<header class="fn-evals-head"><h2 tabindex="-1">{escape_name(name)}</h2>'
        f"<p>{escape_name(' · '.join(filter(None, about)))}</p></header>"
        f'<nav class="fn-report-parts" aria-label="Parts of the report">{sections}</nav>{body}</div>'
    )


def compared_html(names: tuple[str, str], found: Mapping[str, Any]) -> str:
    """Return two reports compared, `found` being what `rag.evaluation.compare.compare` returns."""
    shared = [_count(found["questions"], "question") + " in both"]
    shared += [f"{found['only_first']:,} only in the first"] if found["only_first"] else []
    shared += [f"{found['only_second']:,} only in the second"] if found["only_second"] else []
    parts = [_metrics(found["metrics"]), _settings(found["config"]), _counts(found), _changes(found["changed"])]
    return (
        f'<div class="fn-evals fn-report">{_BACK}<header class="fn-evals-head"><h2 tabindex="-1">What changed</h2>'
        f'<p><span class="fn-first">{escape_name(names[0])}</span> → <span class="fn-second">{escape_name(names[1])}</span>'
        f"</p><p>{' · '.join(shared)}</p></header>{''.join(parts)}</div>"
    )


def _metrics(metrics: Mapping[str, Any]) -> str:
    widest = max((abs(row[end]) for row in metrics.values() for end in ("low", "high", "difference")), default=1.0)
    rows = "".join(
        f'<tr><th scope="row">{escape_name(METRICS[key][1] if key in METRICS else key)}</th><td>{row["first"]:.3f}</td>'
        f'<td>{row["second"]:.3f}</td><td class="{_sure(key, row)}">{row["difference"]:+.3f}</td>'
        f'<td class="bar-cell"><span>{difference(row["difference"], row["low"], row["high"], widest)}'
        f'<small>{row["low"]:+.3f} to {row["high"]:+.3f}</small></span></td><td>{row["n"]:,}</td></tr>'
        for key, row in metrics.items()
    )
    if not rows:
        return ""
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Metric", "First", "Second", "Change", "95 % interval", "Questions"))
    caption = (
        "The line in the middle is no change; where the band crosses it, the difference may be chance. Of twenty figures, "
        "one leaves it out by chance alone."
    )
    return _table("Metrics", heads, rows, caption)


def _sure(key: str, row: Mapping[str, Any]) -> str:
    """Return whether a difference is sure, and for the better."""
    if not row["differs"]:
        return ""
    lower_is_better = key == "false_abstention"
    return "better" if (row["difference"] > 0) != lower_is_better else "worse"


def _settings(config: Mapping[str, Sequence[Any]]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape_name(str(name))}</th>'
        + "".join(f"<td>{escape_name(shortened(str(value), 200)) if value not in (None, '') else '–'}</td>" for value in both)
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
        f'<tr><th scope="row">{escape_name(stage)}, median ms</th><td>{row["first"]:.1f}</td><td>{row["second"]:.1f}</td></tr>'
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
        f'<section><h2>Questions that changed</h2><p class="note">{_count(len(changed), "question")}{shown}.</p>'
        f'<ul class="fn-changes">{items}</ul></section>'
    )


def _change(item: Mapping[str, Any]) -> str:
    said = []
    for name, fine in (("failure", "right"), ("status", "none")):
        if name in item:
            before, after = (escape_name(value or fine) for value in item[name])
            said.append(f"{before} → {after}")
    most = sorted(item["scores"].items(), key=lambda score: -abs(score[1][1] - score[1][0]))[:_SCORES]
    said += [f"{escape_name(name)} {before:.2f} → {after:.2f}" for name, (before, after) in most]
    return f'<b dir="auto">{escape_name(item["text"])}</b><span class="meta">{" · ".join(said)}</span>{to_chat(item["text"])}'


def to_chat(question: str) -> str:
    """Return what takes a question to the conversation: into the box, or asked at once."""
    return (
        f'<span class="fn-to-chat"><a class="fn-button" href="/?q={quote(question[:8000].encode("utf-8", "ignore"))}" '
        f'data-do="evaluations-chat">Open in the chat</a><button type="button" class="fn-button" data-do="ask" '
        f'data-question="{escape(question)}">Ask it now</button></span>'
    )
