"""Owns how the changes of the library look: the one at work, those that wait, and what became of the others."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from ui.indexing import Job, Work
from ui.render import escape, escape_name

_REPORTS = 3  # shown in full, where they are new; others behind a fold
_VERBS = {"sync": "Sync", "add": "Adding", "remove": "Removing", "put back": "Putting back", "upload": "Upload of"}


class Allowed(NamedTuple):
    """What a reader may do to the articles; `refusal` says why nothing at all. `megabytes` is the most of a file."""

    refusal: str | None
    uploads: bool
    urls: bool
    remove: bool
    megabytes: int


def work_html(work: Work, allowed: Allowed, removed: Collection[str], old: str) -> str:
    """Return the change at work with its progress, those that wait, and the reports of those that are over.

    `removed` are the files that can be put back. What was over before `old` (UTC, ISO 8601) is folded.
    """
    parts = [_working(work.current)] if work.current else []
    if work.waiting:
        more = len(work.waiting)
        parts.append(f'<p class="fn-meta fn-queue">{more} more {"change waits" if more == 1 else "changes wait"}.</p>')
    fresh = min(_REPORTS, sum(job.at >= old for job in work.over))
    over = [_report(job, allowed, removed) for job in reversed(work.over)]
    parts += over[:fresh]
    if rest := over[fresh:]:
        parts.append(
            f'<details class="fn-earlier" id="fn-earlier"><summary>Earlier changes ({len(rest)})</summary>'
            f"{''.join(rest)}</details>"
        )
    return "".join(parts)


def _working(job: Job) -> str:
    what = _subject(job)
    done, bar = "", "<progress></progress>"
    if job.progress and job.progress.total:
        progress = job.progress
        bar = f'<progress max="{progress.total}" value="{progress.done}"></progress>'
        done = f"{progress.done:,} of {counted(progress.total, 'file')}"
        if progress.passages:
            done += f", {counted(progress.passages, 'new passage')}"
    bar = bar.replace("<progress", f'<progress aria-label="{what}"')
    return f'<div class="fn-job working"><p>{what} …</p>{bar}<p class="fn-meta">{done or "Just begun"}</p></div>'


def _subject(job: Job) -> str:
    if job.kind == "sync":
        return "Reading the articles folder"
    if job.kind == "upload":
        return f"Reading {_names(job.sources)}"
    return f"{_VERBS[job.kind]} {_names(job.sources)}"


def _names(sources: Sequence[str]) -> str:
    shown = ", ".join(escape_name(source) for source in sources[:2])
    return shown if len(sources) <= 2 else f"{shown} and {len(sources) - 2:,} more"


def _report(job: Job, allowed: Allowed, removed: Collection[str]) -> str:
    if job.error is not None:
        what = "The sync" if job.kind == "sync" else f"{_VERBS[job.kind]} {_names(job.sources)}"
        return _card(job, "bad", f"{what} did not work.", f'<p class="fn-meta">{escape_name(job.error)}</p>')
    if job.kind == "remove":
        (source,) = job.sources
        undo = "" if job.deleted else _undo(job, source, allowed, removed)
        return _card(job, "good", f"{'Deleted' if job.deleted else 'Removed'} {_names(job.sources)}. {undo}", "")
    if job.kind == "sync":
        return _card(job, "good", _synced(job), "")
    problems = dict((*job.report.failed, *job.report.skipped)) if job.report else {}
    missed = [(source, problems[source]) for source in job.sources if source in problems]
    fine = [source for source in job.sources if source not in problems]
    items = "".join(f"<li><b>{escape_name(source)}</b> {escape_name(reason)}</li>" for source, reason in missed)
    more = f'<ul class="fn-reasons">{items}</ul>' if items else ""
    return _card(job, "doubt" if missed else "good", f"Indexed {_names(fine)}." if fine else "Not indexed:", more)


def _undo(job: Job, source: str, allowed: Allowed, removed: Collection[str]) -> str:
    if allowed.remove and source in removed:
        return put_back(source, f"fn-undo-{job.number}")
    if allowed.urls and "://" in source:
        return (
            f'<button type="button" class="fn-link" id="fn-undo-{job.number}" data-library="add" '
            f'data-address="{escape(source)}">Add again</button>'
        )
    return ""


def put_back(source: str, name: str) -> str:
    """Return the button that takes back a file that was removed; `name` is its id."""
    return (
        f'<button type="button" class="fn-link" id="{name}" data-library="putback" data-source="{escape(source)}" '
        f'aria-label="Put back {escape_name(source)}">Put back</button>'
    )


def _synced(job: Job) -> str:
    report = job.report
    if report is None:
        return "Synced."
    counts = {
        "indexed": len(report.indexed),
        "failed": len(report.failed),
        "skipped": len(report.skipped),
        "taken out": len(report.removed),
        "unchanged": report.unchanged,
    }
    said = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    return f"Synced: {said}." if said else "Synced: the folder is empty."


def _card(job: Job, state: str, what: str, more: str) -> str:
    sign = {"good": "✓", "doubt": "!", "bad": "✗"}[state]
    return (
        f'<div class="fn-job {state}" data-job="{job.number}"><p><span aria-hidden="true">{sign}</span> {what}</p>'
        f"{more}</div>"
    )


def counted(number: int, what: str) -> str:
    """Return a number of things in words."""
    return f"{number:,} {what}{'s' * (number != 1)}"
