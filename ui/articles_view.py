"""Owns how the articles pane looks: pure functions to HTML in which every word of others is escaped."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from rag.ledger import FileRecord, Listed
from rag.sync import REMOVED
from ui.filenames import EXTENSIONS
from ui.icons import icon
from ui.render import escape, escape_name
from ui.work_view import Allowed, counted, put_back

MOST = 500
"""Articles shown at once; a search finds the others."""
_MOST_PROBLEMS = 200
_SORTS = {"date": "Newest first", "title": "By title", "added": "Last added"}


class Entry(NamedTuple):
    """An article of the list: of how many in its file, found by its text only, why its file's new version is not it."""

    listed: Listed
    of: int
    by_text: bool
    reason: str | None
    uploaded: bool


class Problem(NamedTuple):
    """A file that is not indexed, or not in its newest version."""

    file: FileRecord
    uploaded: bool


# ---------------------------------------------------------------- finding and adding


def tools_html(allowed: Allowed, sort: str, total: int) -> str:
    """Return the search, and what adds articles."""
    options = "".join(
        f'<option value="{key}"{" selected" if key == sort else ""}>{name}</option>' for key, name in _SORTS.items()
    )
    find = (
        '<div class="fn-find"><label class="fn-sr" for="fn-find-articles">Search articles</label>'
        '<input type="search" id="fn-find-articles" placeholder="Search articles" maxlength="200" autocomplete="off" '
        'spellcheck="false"><label class="fn-sr" for="fn-sort">Order</label>'
        f'<select id="fn-sort">{options}</select></div>'
    )
    if allowed.refusal:
        return f'{find}<p class="fn-refusal">{escape_name(allowed.refusal)}</p>'
    adding = (_drop(allowed.megabytes) if allowed.uploads else "") + (_ADDRESS if allowed.urls else "")
    sync = (
        f'<button type="button" class="fn-button" id="fn-sync" data-library="sync" '
        f'title="Read the articles folder again">{icon("again")}Sync now</button>'
    )
    if not adding:
        return f'{find}<div class="fn-ways">{sync}</div>'
    opened, hidden = ("false", " hidden") if total else ("true", "")
    return (
        f'{find}<div class="fn-ways"><button type="button" class="fn-button fn-add" id="fn-add" data-library="open" '
        f'aria-expanded="{opened}" aria-controls="fn-adding">{icon("new")}Add articles</button>{sync}</div>'
        f'<div class="fn-adding" id="fn-adding"{hidden}>{adding}</div>'
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
    '<form class="fn-address" id="fn-address" novalidate>'
    '<label class="fn-sr" for="fn-url">Address of a web page</label>'
    '<input type="url" id="fn-url" placeholder="https:// … a web page" maxlength="2000" autocomplete="off" '
    'inputmode="url" spellcheck="false">'
    f'<button class="fn-button" id="fn-add-url">{icon("link")}Add</button></form>'
)

# ---------------------------------------------------------------- the list


def list_html(
    entries: Sequence[Entry],
    total: int,
    chosen: Collection[str],
    problems: Sequence[Problem],
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
    count = f"{found:,} of {counted(total, 'article')}" if search.strip() else counted(total, "article")
    return (
        f'<div class="fn-reach"><p><b id="fn-count">{count}</b> '
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


def _deleting(n: int, file: FileRecord) -> str:
    name = escape_name(file.source)
    return (
        f' <button type="button" class="fn-link" id="fn-delete-{n}" data-library="remove" '
        f'data-source="{escape(file.source)}" data-confirm="Delete {name} for good?" aria-label="Delete {name}">'
        "Delete</button>"
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


def _problems(problems: Sequence[Problem], allowed: Allowed) -> str:
    if not problems:
        return ""
    items = "".join(_problem(n, problem, allowed) for n, problem in enumerate(problems[:_MOST_PROBLEMS]))
    more = len(problems) - _MOST_PROBLEMS
    rest = f"<li>… and {more:,} more: <code>footnote status --verbose</code> lists them.</li>" if more > 0 else ""
    return (
        f'<details class="fn-problems" id="fn-problems"><summary>Not indexed ({len(problems):,})</summary>'
        f'<ul class="fn-reasons">{items}{rest}</ul></details>'
    )


def _problem(n: int, problem: Problem, allowed: Allowed) -> str:
    file = problem.file
    if file.reason == REMOVED:
        back = put_back(file.source, f"fn-back-{n}") if allowed.remove else ""
        return f"<li><b>{escape_name(file.source)}</b> removed {back}</li>"
    return (
        f'<li><b>{escape_name(file.source)}</b> <span class="{file.state}">{file.state}</span>: '
        f"{escape_name(file.reason or '')}{_deleting(n, file) if allowed.remove and problem.uploaded else ''}</li>"
    )
