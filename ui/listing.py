"""Owns how the list of a reader's conversations looks."""

from __future__ import annotations

from collections.abc import Sequence

from ui.conversations import Conversation
from ui.icons import icon
from ui.render import escape, escape_name


def listing_html(listed: Sequence[Conversation], current: str | None, search: str, keep_days: int | None) -> str:
    """Return the conversations, newest first; `keep_days` None where they are not kept on disk."""
    items = "".join(_item(conversation, conversation.id == current) for conversation in listed)
    if not items:
        none = "No conversation has these words." if search else "No conversation yet. Ask a question to begin one."
        items = f'<li class="fn-empty">{none}</li>'
    if keep_days is None:
        kept = "Conversations are gone when the server stops: the library cannot be written."
    else:
        days = f"{keep_days} day{'s' * (keep_days != 1)}"
        kept = f"Kept on the server for this browser only, until {days} after the last question."
    return (
        '<div class="fn-list-head"><label class="fn-sr" for="fn-find-chats">Search conversations</label>'
        f'<input type="search" id="fn-find-chats" placeholder="Search conversations" maxlength="200" '
        f'value="{escape(search)}" autocomplete="off">'
        f'<button type="button" class="fn-button" data-do="new">{icon("new")}New</button></div>'
        f'<ul class="fn-chats">{items}</ul>'
        f'<div class="fn-list-foot"><p>{kept}</p>'
        '<button type="button" class="fn-button fn-danger" data-do="delete-all">Delete all conversations</button></div>'
    )


def _item(conversation: Conversation, current: bool) -> str:
    title, identifier = escape_name(conversation.title), escape(conversation.id)
    acts = (("rename", "Rename", "edit"), ("delete", "Delete", "delete"))
    buttons = "".join(_act(do, verb, identifier, title, drawing) for do, verb, drawing in acts)
    marked = ' aria-current="true"' if current else ""
    turns = f"{conversation.turns} question{'s' * (conversation.turns != 1)}"
    return (
        f'<li class="fn-chat" data-conversation="{identifier}"><a href="/?c={identifier}" data-do="open"{marked}>'
        f'<span class="fn-title">{title}</span>'
        f'<span class="fn-meta">{escape(conversation.updated[:10])} · {turns}</span></a>'
        f"{buttons}</li>"
    )


def _act(do: str, verb: str, identifier: str, title: str, drawing: str) -> str:
    return (
        f'<button type="button" class="fn-act" id="fn-{do}-{identifier}" data-do="{do}" '
        f'aria-label="{verb} “{title}”" title="{verb}">{icon(drawing)}</button>'
    )
