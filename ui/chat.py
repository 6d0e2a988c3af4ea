"""Owns asking on the page: from a question and how it is asked to a turn that is kept, and what is seen meanwhile."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from rag import Footnote
from rag.errors import FootnoteError, ProviderError
from rag.types import Answer
from ui.conversations import Conversations
from ui.turn_view import draft_html, notice_html, refused_html, turn_html
from ui.turns import SEARCH, Asked, Reply, Turn

_REDRAW = 0.05  # seconds between two pictures of a reply that streams in, while few are being written
_READERS = 4  # from so many on they are drawn less often, or drawing would slow down all
_BUSY = "Too many answers are being written at the moment. Ask again in a few seconds."
_WRONG = "Something went wrong. Ask again; the log of the server says more."

_log = logging.getLogger(__name__)


class View(NamedTuple):
    """A turn as it is to be shown now; `done` where it will not change any more."""

    html: str
    done: bool


class Chat:
    """Asks for all readers of one library; each sees and stops only what is theirs."""

    def __init__(self, library: Footnote, conversations: Conversations, seats: int) -> None:
        self._library = library
        self._conversations = conversations
        self._free = seats
        self._lock = threading.Lock()
        self._stops: dict[tuple[str, str], threading.Event] = {}

    def take_seat(self) -> bool:
        """Take one of the seats for an answer that is to be written; False where none is free."""
        with self._lock:
            seated = self._free > 0
            self._free -= seated
        return seated

    @staticmethod
    def busy(question: str) -> View:
        """Return what is told where no seat is free."""
        return View(refused_html(question, 0, _BUSY), done=True)

    def ask(
        self,
        session: str,
        conversation: str | None,
        question: str,
        asked: Asked,
        number: int | None = None,
        stop: threading.Event | None = None,
        *,
        seated: bool = False,
    ) -> Iterator[View]:
        """Answer a question, yielding a view whenever there is more to see; the turn is kept before the last.

        Without a `conversation` it begins one. With a `number`, the turn of that number is asked anew, and it takes
        the place of that one and all after it. Once `stop` is set, here or by `stop()`, what came is checked and kept.
        A seat that was taken for it (`seated`) is given back at its end.
        """
        if not seated and not self.take_seat():
            yield self.busy(question)
            return
        try:
            conversation = conversation or self._conversations.new_id()
            before = self._conversations.turns(session, conversation)
            if number is not None:
                before = before[: number - 1]
            with self._stoppable(session, conversation, stop or threading.Event()) as stopping:
                turn = yield from self._asked(question, asked, before, stopping, session)
            anew = number is not None
            yield View(self._keep(session, conversation, turn, len(before) + 1, anew=anew), done=True)
        finally:
            with self._lock:
                self._free += 1

    def stop(self, session: str, conversation: str) -> None:
        """End the answer that is being written in a conversation; what came of it is checked and kept."""
        if event := self._stops.get((session, conversation)):
            event.set()

    @contextmanager
    def _stoppable(self, session: str, conversation: str, stop: threading.Event) -> Iterator[threading.Event]:
        self._stops[session, conversation] = stop
        try:
            yield stop
        finally:
            if self._stops.get((session, conversation)) is stop:
                del self._stops[session, conversation]

    def _asked(
        self, question: str, asked: Asked, before: Sequence[Turn], stop: threading.Event, session: str
    ) -> Generator[View, None, Turn]:
        """Yield drafts and return the turn."""
        names = asked.models if asked.mode == "compare" else ("",)
        texts, replies = [""] * len(names), [Reply(None, _WRONG)] * len(names)
        yield View(
            draft_html(question, len(before) + 1, list(zip(names, texts, strict=True)), self._model(asked)), False
        )
        drawn = 0.0
        try:
            for k, part in self._parts(question, asked, before, stop, session):
                if isinstance(part, str):
                    texts[k] += part
                    if time.monotonic() - drawn < _REDRAW * max(1, len(self._stops) / _READERS):
                        continue
                    drawn = time.monotonic()
                    drafts = list(zip(names, texts, strict=True))
                    yield View(draft_html(question, len(before) + 1, drafts, self._model(asked)), False)
                else:
                    replies[k] = part
        except FootnoteError as error:
            replies = [Reply(error.answer if isinstance(error, ProviderError) else None, str(error))]
        except Exception:
            _log.exception("a question could not be answered")
            replies = [Reply(None, _WRONG)]
        return Turn(question, tuple(replies), asked, datetime.now(UTC).isoformat(timespec="seconds"))

    def _parts(
        self, question: str, asked: Asked, before: Sequence[Turn], stop: threading.Event, session: str
    ) -> Iterator[tuple[int, str | Reply]]:
        library, history = self._library, said(before)
        if asked.mode == "search":
            began = time.perf_counter()
            evidence = library.search(question, scope=asked.scope)
            took = {"total_ms": (time.perf_counter() - began) * 1000}
            yield 0, Reply(Answer(question, "not_found", "", (), (), evidence, SEARCH, timings=took))
        elif asked.mode == "compare":
            compared = library.compare(question, asked.models, stop.is_set, history, session, scope=asked.scope)
            for k, part in compared:
                yield k, part if isinstance(part, str) else _reply(part)
        else:
            answered = library.stream(question, stop.is_set, history, session, scope=asked.scope, models=asked.models)
            for part in answered:
                yield 0, part if isinstance(part, str) else _reply(part)

    def _keep(self, session: str, conversation: str, turn: Turn, number: int, *, anew: bool) -> str:
        """Keep a turn that has an answer, and return how it looks."""
        if not any(reply.answer for reply in turn.replies):
            return refused_html(turn.question, number, turn.replies[0].error or _WRONG)
        try:
            if anew:
                self._conversations.replace(session, conversation, number, turn)
            else:
                self._conversations.append(session, conversation, turn)
        except FootnoteError as error:
            return turn_html(turn, number, conversation) + notice_html(f"This answer is not kept. {error}")
        return turn_html(turn, number, conversation)

    def _model(self, asked: Asked) -> str:
        return asked.models[0] if asked.models else self._library.model


def _reply(part: Answer | ProviderError) -> Reply:
    return Reply(part.answer, str(part)) if isinstance(part, ProviderError) else Reply(part)


def said(turns: Sequence[Turn]) -> list[dict[str, str]]:
    """Return what was asked and answered so far, as messages, so that a follow-up can be understood."""
    messages: list[dict[str, str]] = []
    for turn in turns:
        answer = next((reply.answer for reply in turn.replies if reply.answer), None)
        messages.append({"role": "user", "content": answer.standalone_question if answer else turn.question})
        if answer and answer.text:
            messages.append({"role": "assistant", "content": answer.text})
    return messages
