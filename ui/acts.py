"""Owns what the page's script asks of the server beside questions: to open, list, rename, delete, stop, judge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ui.chat import Chat
from ui.conversations import Conversations
from ui.feedback import FeedbackFile
from ui.listing import listing_html
from ui.opening import kept_answer
from ui.requests import Conversing, Judging, Listing, Open, read
from ui.turn_view import turn_html
from ui.turns import Feedback

Act = Callable[[Any, str], dict[str, Any]]
"""Does what a reader's script asks, given its data and the session; returns JSON values."""


class Acts:
    """The acts of one page; each is called by its name."""

    def __init__(self, chat: Chat, conversations: Conversations, feedback: FeedbackFile, keep_days: int) -> None:
        self._chat = chat
        self._conversations = conversations
        self._feedback = feedback
        self._keep_days = keep_days

    def start(self, data: Any, session: str) -> dict[str, Any]:
        """Open a conversation, or none."""
        wanted = read(Open, data).conversation
        turns = self._conversations.turns(session, wanted) if wanted else ()
        shown = "".join(turn_html(turn, number, wanted or "") for number, turn in enumerate(turns, start=1))
        return {
            "conversation": wanted if turns else self._conversations.new_id(),
            "history": shown,
            "gone": bool(wanted and not turns),
            **self._listed(session, wanted, ""),
        }

    def listing(self, data: Any, session: str) -> dict[str, Any]:
        """List, search, rename and delete conversations."""
        asked = read(Listing, data)
        if asked.do == "rename" and asked.conversation:
            self._conversations.rename(session, asked.conversation, asked.title)
        elif asked.do == "delete" and asked.conversation:
            self._conversations.delete(session, asked.conversation)
        elif asked.do == "delete_all":
            self._conversations.delete_all(session)
        return self._listed(session, asked.current, asked.search)

    def stop(self, data: Any, session: str) -> dict[str, Any]:
        """End the answer that is being written."""
        self._chat.stop(session, read(Conversing, data).conversation)
        return {}

    def feedback(self, data: Any, session: str) -> dict[str, Any]:
        """Keep what a reader thinks of a reply, with the conversation and as a case for evaluation."""
        asked = read(Judging, data)
        answer = kept_answer(self._conversations, session, asked.conversation, asked.key)
        feedback = None if asked.good is None else Feedback(asked.good, asked.reason.strip())
        self._feedback.judge(answer, feedback)
        self._conversations.set_feedback(session, asked.conversation, *asked.place, feedback)
        return {}

    def _listed(self, session: str, current: str | None, search: str) -> dict[str, Any]:
        listed = self._conversations.list(session, search)
        days = self._keep_days if self._conversations.kept else None
        return {"conversations": listing_html(listed, current, search, days)}
