"""Owns the wiring of the page: which parts there are for a library, and what they share."""

from __future__ import annotations

from rag import Footnote
from ui import saving
from ui.acts import Acts
from ui.articles import ArticlesPane
from ui.chat import Chat
from ui.conversations import FILE_NAME, Conversations
from ui.evaluations import Evaluations
from ui.feedback import FeedbackFile
from ui.frame import frame
from ui.indexing import Indexing
from ui.opening import Opening
from ui.page import build_page
from ui.pages import pages_router
from ui.sessions import Sessions
from ui.upload_store import Uploads
from ui.uploads import uploads_router
from ui.why import Why

FEEDBACK_FOLDER = "feedback"


class Site:
    """All parts of the page of one library; close it before the library."""

    def __init__(self, library: Footnote, sessions: Sessions) -> None:
        settings = library.settings
        self.conversations = Conversations(settings.library / FILE_NAME, settings.page.keep_days, library.receipt)
        chat = Chat(library, self.conversations, settings.limits.answers_at_once)
        feedback = FeedbackFile(settings.library / FEEDBACK_FOLDER)
        self.evaluations = Evaluations(library, settings.library / FEEDBACK_FOLDER)
        acts = Acts(chat, self.conversations, feedback, settings.page.keep_days)
        self.indexing = Indexing(library)
        uploads = Uploads(library, self.indexing, settings.page.upload_megabytes * 1_000_000)
        opening = Opening(library, self.conversations, library.pages)
        self.page = build_page(
            chat,
            {
                "start": acts.start,
                "listing": acts.listing,
                "stop": acts.stop,
                "feedback": acts.feedback,
                "evaluations": self.evaluations.act,
                "articles": ArticlesPane(library, self.indexing, settings.page).act,
                "evidence": opening.act,
                "origin": opening.origin,
                "why": Why(library, self.conversations).act,
            },
            sessions.session_of,
            frame(library, login=settings.page.password is not None),
        )
        self.routers = [
            saving.router(self.conversations, sessions, library.receipt),
            pages_router(library.pages),
            *([uploads_router(uploads, sessions.session_of)] if settings.page.uploads else []),
        ]

    def close(self) -> None:
        """Release what the parts hold."""
        self.evaluations.close()
        self.indexing.close()
        self.conversations.close()
