"""Owns the wiring of the page: which parts there are for a library, and what they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag import Footnote
from ui.acts import Acts
from ui.chat import Chat
from ui.conversations import FILE_NAME, Conversations
from ui.frame import frame
from ui.opening import Opening
from ui.page import build_page
from ui.sessions import Sessions

if TYPE_CHECKING:
    from fastapi import APIRouter


class Site:
    """All parts of the page of one library; close it before the library."""

    def __init__(self, library: Footnote, sessions: Sessions) -> None:
        settings = library.settings
        self.conversations = Conversations(settings.library / FILE_NAME, settings.page.keep_days, library.receipt)
        chat = Chat(library, self.conversations, settings.limits.answers_at_once)
        acts = Acts(library, chat, self.conversations, settings.page.keep_days)
        self.page = build_page(
            chat,
            {
                "start": acts.start,
                "listing": acts.listing,
                "stop": acts.stop,
                "evidence": Opening(library, self.conversations).act,
            },
            sessions.session_of,
            frame(library, login=settings.page.password is not None),
        )
        self.routers: list[APIRouter] = []

    def close(self) -> None:
        """Release what the parts hold."""
        self.conversations.close()
