"""Owns how a turn of the conversation looks: the question, how it was asked, its replies, what can be done with it."""

from __future__ import annotations

from collections.abc import Sequence

from ui.comparison import comparison_html
from ui.icons import icon
from ui.render import draft_text_html, escape, escape_name, passages_html, reply_html
from ui.turns import SEARCH, Reply, Turn

_KINDS = (("md", "Markdown"), ("docx", "Word, with footnotes"), ("json", "Receipt (JSON)"))


def key_of(number: int, k: int = 1) -> str:
    """Return what names a reply of a turn in links: `3`, and `3.2` for the second of those that were compared."""
    return str(number) if k == 1 else f"{number}.{k}"


def turn_html(turn: Turn, number: int, conversation: str) -> str:
    """Return a finished turn; `conversation` is its id, which its files are saved from."""
    parts = [_question(turn.question, number), _asked(turn)]
    if turn.asked.mode == "compare":
        columns = [_reply(reply, key_of(number, k), conversation) for k, reply in enumerate(turn.replies, start=1)]
        parts.append(comparison_html(turn, number, columns))
    else:
        parts += [_reply(reply, key_of(number), conversation) for reply in turn.replies]
    return (
        f'<article class="fn-turn" id="turn-{number}" data-turn="{number}" '
        f'data-conversation="{escape(conversation)}" aria-label="Question {number}">{"".join(parts)}</article>'
    )


def draft_html(question: str, number: int, drafts: Sequence[tuple[str, str]], model: str) -> str:
    """Return a question and what has come of its answers, as pairs of a model's name and its text; not checked."""
    body = ""
    for name, text in drafts:
        named = f'<h3 class="fn-who">{escape(name)}</h3>' if len(drafts) > 1 else ""
        said = (
            f'<div class="fn-draft">{draft_text_html(text, name if len(drafts) > 1 else model)}</div>' if text else ""
        )
        body += f'<div class="fn-column">{named}{said}</div>' if len(drafts) > 1 else said
    state = "Writing, not checked yet" if any(text for _, text in drafts) else "Searching the articles"
    columns = f'<div class="fn-columns">{body}</div>' if len(drafts) > 1 else body
    return (
        f'<article class="fn-turn fn-going" data-turn="{number}">{_heading(question)}{columns}'
        f'<p class="fn-working"><span class="fn-pulse"></span>{state} …</p></article>'
    )


def refused_html(question: str, number: int, message: str) -> str:
    """Return a question that was not asked, such as when the page is busy, and why."""
    again = f'<button type="button" class="fn-act" data-do="ask" data-question="{escape(question)}">Ask again</button>'
    return (
        f'<article class="fn-turn fn-refused" data-turn="{number}">{_heading(question)}'
        f'<p class="fn-error" role="alert">{escape(message)}</p><p class="fn-acts">{again}</p></article>'
    )


def notice_html(message: str) -> str:
    """Return what a reader must know beside a turn."""
    return f'<p class="fn-warning" role="alert">{escape(message)}</p>'


def _heading(question: str) -> str:
    return f'<h2 class="fn-question">{escape(question)}</h2>'


def _question(question: str, number: int) -> str:
    acts = (
        _act("edit", "Edit the question", "edit", number)
        + _act("retry", "Ask again", "again", number)
        + _act("link", "Copy a link to this question", "link", number)
    )
    return f'<div class="fn-asked">{_heading(question)}<div class="fn-acts">{acts}</div></div>'


def _act(do: str, label: str, drawing: str, number: int) -> str:
    return (
        f'<button type="button" class="fn-act" data-do="{do}" data-turn="{number}" aria-label="{label}" '
        f'title="{label}">{icon(drawing)}</button>'
    )


def _asked(turn: Turn) -> str:
    """Return what a question was understood as, and which articles it was asked of, where that is not plain."""
    answer = next((reply.answer for reply in turn.replies if reply.answer), None)
    parts = []
    if answer and answer.standalone_question != answer.question:
        parts.append(f'<p class="fn-standalone"><span>Understood as</span> {escape(answer.standalone_question)}</p>')
    scope = turn.asked.scope
    limits = []
    if scope.articles:
        count = len(scope.articles)
        limits.append(f"{count} chosen article{'s' * (count != 1)}")
    if scope.as_of:
        limits.append(f"published until {escape(scope.as_of)}; articles without a date left out")
    if limits:
        parts.append(f'<p class="fn-scope">Asked of: {", ".join(limits)}</p>')
    return "".join(parts)


def _reply(reply: Reply, key: str, conversation: str) -> str:
    answer = reply.answer
    if answer is None:
        return f'<p class="fn-error" role="alert">{escape(reply.error or "")}</p>'
    if answer.model == SEARCH:
        return passages_html(answer, key)
    said = reply_html(answer, key, reply.error)
    return f'<div class="fn-reply" data-key="{key}">{said}{_tools(reply, key, conversation)}</div>'


def _tools(reply: Reply, key: str, conversation: str) -> str:
    files = "".join(
        f'<li><a href="/saved/{escape(conversation)}/{key}.{kind}" download>{label}</a></li>' for kind, label in _KINDS
    )
    return (
        f'<div class="fn-tools"><button type="button" class="fn-act" data-do="copy" data-key="{key}">{icon("copy")}'
        f'Copy with references</button><details class="fn-menu"><summary class="fn-act">{icon("save")}Save</summary>'
        f"<ul>{files}</ul></details>{_feedback(reply, key)}</div>"
    )


def _feedback(reply: Reply, key: str) -> str:
    given = reply.feedback
    thumbs = "".join(
        f'<button type="button" class="fn-act" data-do="feedback" data-key="{key}" data-good="{int(good)}" '
        f'aria-pressed="{"true" if given and given.good == good else "false"}" aria-label="{label}" title="{label}">'
        f"{icon(drawing)}</button>"
        for good, label, drawing in ((True, "Good answer", "good"), (False, "Bad answer", "bad"))
    )
    reason = escape_name(given.reason) if given else ""
    hidden = "" if given else " hidden"
    return (
        f'{thumbs}<form class="fn-reason" data-key="{key}"{hidden}><label>Why? <input name="reason" maxlength="500" '
        f'value="{reason}" autocomplete="off"></label><button class="fn-act">Keep</button></form>'
    )
