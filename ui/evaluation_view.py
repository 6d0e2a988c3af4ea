"""Owns how the list of evaluations looks, and the one that runs; every word of others is escaped."""

from __future__ import annotations

from collections.abc import Sequence

from rag.types import QUOTES
from ui.evaluation_runs import Run
from ui.evaluation_store import DataSet, Summary
from ui.render import escape, escape_name, model_label

_KINDS = {
    "documents": ("question", ", own documents"),
    "claims": ("claim", ""),
    "questions": ("question", ""),
}
_STAGES = {"file": "Reading documents", "question": "Asking", "claim": "Checking claims"}


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
    return f'<div class="fn-evals-status">{html}</div>'


_LAYOUT = (
    "<dl><dt><code>evaluations/my-questions/questions.jsonl</code></dt><dd>questions about your articles, one a line: "
    '<code>{"id": "q1", "text": "When did …?", "type": "answerable", "must_contain": [["2025"]], '
    '"articles": ["notes.md"]}</code></dd>'
    "<dt><code>corpus.jsonl</code>, <code>queries.jsonl</code>, <code>qrels.tsv</code></dt><dd>questions with "
    "documents of their own, in the form of BEIR</dd>"
    "<dt><code>items.jsonl</code></dt><dd>claims and their evidence, to measure the verdicts</dd></dl>"
)
_HOW = (
    '<div class="fn-evals-how"><p>There is no data set yet. Put a folder into <code>evaluations/</code> on the server, '
    f"or judge answers in the conversation with the thumbs below them.</p>{_LAYOUT}</div>"
)
_EMPTY = (
    '<section class="fn-evals-empty"><h3>Nothing measured yet</h3><p>The quickest way to a data set: ask a few '
    "questions and judge the answers with the thumbs below them. Each becomes a case that can be asked again, "
    "after the articles or the model have changed.</p><p>Or put a folder into <code>evaluations/</code> on the "
    "server:</p>"
    f"{_LAYOUT}<p>Reports of <code>footnote eval DATASET --out evaluations/NAME</code> appear here, too.</p></section>"
)


def _form(datasets: Sequence[DataSet], models: Sequence[str], *, judge: bool) -> str:
    judging = " data-judged" if judge else ""
    options = "".join(
        f'<option value="{escape(data.name)}" data-kind="{data.kind}"{judging if data.kind == "claims" else ""}>'
        f"{escape_name(data.name)} · {_size(data)}</option>"
        for data in datasets
    )
    asked = [name for name in models if name != QUOTES]
    chosen = "".join(
        f'<option value="{escape(name)}"{"" if name == QUOTES and not judge else " data-costs"}>'
        f"{escape_name(model_label(name))}</option>"
        for name in (QUOTES, *asked)
    )
    judged = " A model also gives its opinion on each sentence." if judge else ""
    return (
        f'<form class="fn-run"><label class="fn-field"><span>Data set</span><select name="dataset">'
        f"{options}</select></label><fieldset><legend>What to measure</legend><label>"
        '<input type="radio" name="answers" value="0" checked><span>Finding passages<small>quick, asks no model'
        "</small></span></label>"
        '<label><input type="radio" name="answers" value="1"><span>Answers, too<small>what is said, quoted and refused'
        "</small></span></label></fieldset>"
        f'<label class="fn-field fn-with-model"><span>Answered by</span><select name="model">{chosen}</select></label>'
        '<div class="fn-field fn-how-many"><label><span>Questions</span><input type="number" name="questions" min="1" '
        'max="1000000" placeholder="all" inputmode="numeric"></label><label class="fn-check-label">'
        '<input type="checkbox" name="chance"> drawn by chance</label></div>'
        '<label class="fn-check-label fn-costs"><input type="checkbox" name="confirmed"> Every question is sent to '
        f"a model, with the passages found for it.{judged} This may cost money: go ahead.</label>"
        '<button class="fn-button fn-primary">Run</button></form>'
    )


def _size(data: DataSet) -> str:
    unit, about = _KINDS[data.kind]
    return counted(data.count, unit) + about


def counted(number: int, unit: str) -> str:
    """Return a number of things in words: "1 question", "1,200 questions"."""
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def _reports(reports: Sequence[Summary], broken: Sequence[str]) -> str:
    title = '<h3 id="fn-reports-title">Reports</h3>'
    if not reports and not broken:
        return f'{title}<p class="fn-empty">None yet. Run an evaluation to see its metrics and failures.</p>'
    cards = "".join(_card(report) for report in reports)
    lost = "".join(
        f"<li>{escape_name(name)}: its report.json is not one that eval wrote, or too large</li>" for name in broken
    )
    unread = (
        f'<details class="fn-evals-broken"><summary>{len(broken)} cannot be read</summary><ul>{lost}</ul></details>'
        if broken
        else ""
    )
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
        counted(report.questions, report.unit.removesuffix("s")),
        model_label(report.model) if report.model else "passages only" if report.unit == "questions" else "",
        f"{report.failed:,} failed" if report.failed else "none failed",
    ]
    return (
        f'<li><label class="fn-pair"><input type="checkbox" name="pair" value="{name}" '
        f'data-date="{escape(report.date)}" aria-label="Compare {escape_name(report.name)}"></label>'
        f'<button type="button" class="fn-report-card" '
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
        opened = (
            f'<button type="button" class="fn-button" data-do="evaluations-open" data-name="{escape(run.report)}">'
            "Open the report</button>"
        )
        return f'<div class="fn-running done"><p><strong>{name}</strong><span>✓ measured</span></p>{opened}</div>'
    said = (
        "Cancelled. Begun again, it goes on where it stopped, if nothing has changed."
        if run.state == "cancelled"
        else run.error
    )
    kind = "fn-warning" if run.state == "cancelled" else "fn-error"
    return f'<p class="{kind}"><strong>{name}</strong> {escape(said)}</p>'
