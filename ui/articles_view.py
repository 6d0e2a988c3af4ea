"""Owns how the articles pane looks: pure functions to HTML in which every word of others is escaped."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from rag.ledger import FileRecord, Listed
from rag.sync import REMOVED
from ui.filenames import EXTENSIONS
from ui.icons import icon
from ui.indexing import Job, Work
from ui.render import escape, escape_name

MOST = 500
"""Articles shown at once; a search finds the others."""
_MOST_PROBLEMS = 200
_REPORTS = 3  # shown in full; earlier ones behind a fold
_SORTS = {"date": "Newest first", "title": "By title", "added": "Last added"}
_VERBS = {"sync": "Sync", "add": "Adding", "remove": "Removing", "put back": "Putting back", "upload": "Upload"}


class Allowed(NamedTuple):
    """What a reader may do to the articles; `refusal` says why nothing at all. `megabytes` is the most of a file."""

    refusal: str | None
    uploads: bool
    urls: bool
    remove: bool
    megabytes: int


class Entry(NamedTuple):
    """An article of the list: of how many in its file, found by its text only, why its file's new version is not it."""

    listed: Listed
    of: int
    by_text: bool
    reason: str | None
    uploaded: bool


# ---------------------------------------------------------------- finding and adding


def tools_html(allowed: Allowed, search: str, sort: str, total: int) -> str:
    """Return the search, and what adds articles."""
    options = "".join(
        f'<option value="{key}"{" selected" if key == sort else ""}>{name}</option>' for key, name in _SORTS.items()
    )
    find = (
        '<div class="fn-find"><label class="fn-sr" for="fn-find-articles">Search articles</label>'
        '<input type="search" id="fn-find-articles" placeholder="Search articles" maxlength="200" autocomplete="off" '
        f'spellcheck="false" value="{escape(search)}"><label class="fn-sr" for="fn-sort">Order</label>'
        f'<select id="fn-sort">{options}</select></div>'
    )
    if allowed.refusal:
        return f'{find}<p class="fn-refusal">{escape(allowed.refusal)}</p>'
    adding = (_drop(allowed.megabytes) if allowed.uploads else "") + (_ADDRESS if allowed.urls else "")
    sync = (
        f'<button type="button" class="fn-button" id="fn-sync" data-library="sync" '
        f'title="Read the articles folder again">{icon("again")}Sync now</button>'
    )
    if not adding:
        return f'{find}<div class="fn-tools">{sync}</div>'
    opened = "" if total else " open"
    return (
        f'{find}<div class="fn-tools"><details class="fn-adding" id="fn-adding"{opened}>'
        f'<summary class="fn-button">{icon("new")}Add articles</summary>{adding}</details>{sync}</div>'
    )


def _drop(megabytes: int) -> str:
    return (
        f'<label class="fn-drop" for="fn-files"><input type="file" id="fn-files" multiple '
        f'accept="{",".join(EXTENSIONS)}" data-most="{megabytes}">{icon("save")}'
        '<span class="fn-drop-what"><b>Choose files</b> or drop them on this pane</span>'
        '<span class="fn-meta">PDF, DOCX, ODT, RTF, EPUB, HTML, Markdown, text, mail or JSON, up to '
        f"{megabytes} MB each</span></label>"
    )


_ADDRESS = (
    '<form class="fn-address" id="fn-address" novalidate><label class="fn-sr" for="fn-url">Address of a web page</label>'
    '<input type="url" id="fn-url" placeholder="https:// … a web page" maxlength="2000" autocomplete="off" '
    'inputmode="url" spellcheck="false">'
    f'<button class="fn-button" id="fn-add-url">{icon("link")}Add</button></form>'
)

# ---------------------------------------------------------------- changes


def work_html(work: Work, allowed: Allowed, removed: Collection[str]) -> str:
    """Return the change at work with its progress, those that wait, and the reports of those that are over.

    `removed` are the files that can be put back.
    """
    parts = [_working(work.current)] if work.current else []
    if work.waiting:
        more = len(work.waiting)
        parts.append(f'<p class="fn-meta fn-queue">{more} more {"change waits" if more == 1 else "changes wait"}.</p>')
    over = [_report(job, allowed, removed) for job in reversed(work.over)]
    parts += over[:_REPORTS]
    if rest := over[_REPORTS:]:
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
        done = f"{progress.done:,} of {_count(progress.total, 'file')}"
        if progress.passages:
            done += f", {_count(progress.passages, 'new passage')}"
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
        return _card(job, "good", f"{'Deleted' if job.deleted else 'Removed'} {_names(job.sources)}.", undo)
    if job.kind == "sync":
        return _card(job, "good", _counted(job), "")
    problems = dict((*job.report.failed, *job.report.skipped)) if job.report else {}
    missed = [(source, problems[source]) for source in job.sources if source in problems]
    fine = [source for source in job.sources if source not in problems]
    items = "".join(f"<li><b>{escape_name(source)}</b> {escape_name(reason)}</li>" for source, reason in missed)
    more = f'<ul class="fn-reasons">{items}</ul>' if items else ""
    return _card(job, "doubt" if missed else "good", f"Indexed {_names(fine)}." if fine else "Not indexed:", more)


def _undo(job: Job, source: str, allowed: Allowed, removed: Collection[str]) -> str:
    if allowed.remove and source in removed:
        return _put_back(source, f"fn-undo-{job.number}")
    if allowed.urls and "://" in source:
        return (
            f'<button type="button" class="fn-link" id="fn-undo-{job.number}" data-library="add" '
            f'data-address="{escape(source)}">Add again</button>'
        )
    return ""


def _put_back(source: str, name: str) -> str:
    return (
        f'<button type="button" class="fn-link" id="{name}" data-library="putback" data-source="{escape(source)}" '
        f'aria-label="Put back {escape_name(source)}">Put back</button>'
    )


def _counted(job: Job) -> str:
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


# ---------------------------------------------------------------- the list


def list_html(
    entries: Sequence[Entry],
    total: int,
    chosen: Collection[str],
    problems: Sequence[FileRecord],
    search: str,
    allowed: Allowed,
) -> str:
    """Return the articles found, of `total`, and the files that are not indexed, each with its reason."""
    if not total:
        found = _empty(allowed)
    elif not entries:
        found = '<p class="fn-empty">No article has these words. Search for fewer, or others.</p>'
    else:
        items = "".join(_entry(entry, entry.listed.source.article_id in chosen, allowed) for entry in entries[:MOST])
        more = len(entries) - MOST
        rest = f'<p class="fn-empty">… and {more:,} more: search for them.</p>' if more > 0 else ""
        found = f'{_scope(len(entries), total, search)}<ul class="fn-entries">{items}</ul>{rest}'
    return found + _problems(problems, allowed)


def _scope(found: int, total: int, search: str) -> str:
    count = f"{found:,} of {_count(total, 'article')}" if search.strip() else _count(total, "article")
    return (
        f'<div class="fn-scope"><p><b id="fn-count">{count}</b> '
        '<span id="fn-chosen" aria-live="polite" data-none="Questions go to all of them."></span></p>'
        '<button type="button" class="fn-link" id="fn-all" data-library="all">Select all</button>'
        '<button type="button" class="fn-link" id="fn-none" data-library="none" hidden>Select none</button></div>'
    )


def _entry(entry: Entry, chosen: bool, allowed: Allowed) -> str:
    about = entry.listed.source
    identifier, title = escape(about.article_id), escape_name(about.title)
    facts = [about.published or "no date", about.author, about.source]
    marks = ['<span class="fn-tag">internal</span>'] if about.visibility == "internal" else []
    if entry.by_text:
        marks.append('<span class="fn-tag">words in its text</span>')
    if entry.reason:
        marks.append(f'<span class="fn-tag bad">its new version: {escape_name(entry.reason)}</span>')
    if entry.listed.notes:
        notes = "".join(f"<li>{escape_name(note)}</li>" for note in entry.listed.notes)
        marks.append(
            f'<details class="fn-doubts" id="fn-doubts-{identifier}"><summary class="fn-tag doubt">read with doubts'
            f'</summary><ul class="fn-reasons">{notes}</ul></details>'
        )
    return (
        f'<li class="fn-entry"><input type="checkbox" name="article" value="{identifier}" id="fn-choose-{identifier}" '
        f'aria-label="Ask “{title}”"{" checked" if chosen else ""}><div class="fn-entry-about">'
        f'<a class="fn-title" id="fn-open-{identifier}" href="#article-{identifier}">{title}</a>'
        f'<span class="fn-meta">{" · ".join(escape_name(fact) for fact in facts if fact)}</span>{"".join(marks)}</div>'
        f"{_removing(entry, identifier) if allowed.remove else ''}</li>"
    )


def _removing(entry: Entry, identifier: str) -> str:
    file = entry.listed.file
    name = escape_name(file)
    label, confirm = f"Remove {name}", ""
    if entry.uploaded:
        label, confirm = f"Delete {name}", f"Delete {name} for good?"
    if entry.of > 1:
        label += f" with all its {entry.of:,} articles"
        confirm = f"{label}?"
    asking = f' data-confirm="{confirm}"' if confirm else ""
    return (
        f'<button type="button" class="fn-act" id="fn-remove-{identifier}" data-library="remove" '
        f'data-source="{escape(file)}"{asking} aria-label="{label}" title="{label}">{icon("delete")}</button>'
    )


def _empty(allowed: Allowed) -> str:
    if allowed.refusal:
        return '<p class="fn-empty">This library holds no article yet.</p>'
    ways = ["drop files on this pane"] * allowed.uploads + ["add a web page by its address"] * allowed.urls
    ways.append("put files into the articles folder and choose “Sync now”")
    said = ways[0] if len(ways) == 1 else f"{', '.join(ways[:-1])}, or {ways[-1]}"
    return (
        '<div class="fn-nothing"><p class="fn-nothing-what">No article yet</p>'
        f"<p>{said[0].upper()}{said[1:]}. Then ask what they say.</p></div>"
    )


def _problems(problems: Sequence[FileRecord], allowed: Allowed) -> str:
    if not problems:
        return ""
    items = "".join(_problem(n, file, allowed) for n, file in enumerate(problems[:_MOST_PROBLEMS]))
    more = len(problems) - _MOST_PROBLEMS
    rest = f"<li>… and {more:,} more: <code>footnote status --verbose</code> lists them.</li>" if more > 0 else ""
    return (
        f'<details class="fn-problems" id="fn-problems"><summary>Not indexed ({len(problems):,})</summary>'
        f'<ul class="fn-reasons">{items}{rest}</ul></details>'
    )


def _problem(n: int, file: FileRecord, allowed: Allowed) -> str:
    if file.reason == REMOVED:
        back = _put_back(file.source, f"fn-back-{n}") if allowed.remove else ""
        return f"<li><b>{escape_name(file.source)}</b> removed {back}</li>"
    return (
        f'<li><b>{escape_name(file.source)}</b> <span class="{file.state}">{file.state}</span>: '
        f"{escape_name(file.reason or '')}</li>"
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"
