"""Owns one reply as it streams in: its text, its end, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from rag.models.interface import Piece, Quoted
from rag.types import Usage

_LONGEST = 60_000  # characters
_LOOK_FOR_LOOP_EVERY = 256
_LOOP = range(1, 151)  # characters of what is said again and again
_TIMES = 8
_CUTS = {
    "length": "the model reached its limit of tokens",
    "content_filter": "the provider's content filter ended the reply",
    "tool_calls": "the model asked for a tool, and there is none",
}
STOPPED = "stopped by the reader"
CONNECTION_ENDED = "the connection ended before the reply was complete"


class End(NamedTuple):
    """How a reply ended: `cut` says why it is not whole, None where it is; `usage` counts tokens.

    `misquoted` counts the provider's citations of what it was not given; `model` and `id` are the reply's own.
    """

    cut: str | None
    usage: Usage | None = None
    misquoted: int = 0
    model: str | None = None
    id: str | None = None


class Reply:
    """What has come of one reply. Its text is passed on as it comes, from the first word on.

    `finish` is the reason the server gave for the end; `cut` says why the reply is not whole.
    """

    def __init__(self, put: Callable[[str | Quoted], None]) -> None:
        self.finish: str | None = None
        self.cut: str | None = None
        self.usage: Usage | None = None
        self.misquoted = 0
        self.model: str | None = None
        self.id: str | None = None
        self.has_text = False
        self.pieces = 0
        self._put = put
        self._text = ""
        self._looked_at = 0

    @property
    def is_over(self) -> bool:
        """Whether no more of it is wanted: the usage comes after the end, so a reply that ended waits for it."""
        return bool(self.finish and self.usage) or bool(self.cut and not self.finish)

    @property
    def end(self) -> End:
        """How it ended."""
        return End(self.cut, self.usage, self.misquoted, self.model, self.id)

    def add(self, piece: Piece) -> None:
        """Take what one event brought."""
        self.pieces += 1
        self.usage = piece.usage or self.usage
        self.model, self.id = piece.model or self.model, piece.id or self.id
        if self.finish:
            return
        self._text += piece.text
        if self.has_text:
            self._put(piece.text)
        elif any(map(str.isalnum, self._text)):
            self.has_text = True
            self._put(self._text)
        for quoted in piece.quoted if self.has_text else ():
            self._put(quoted)
        self.misquoted += piece.misquoted
        if piece.finish:
            self.finish = piece.finish
            self.cut = _CUTS.get(self.finish)
        elif len(self._text) > _LONGEST:
            self.cut = "the reply was longer than any answer should be"
        elif len(self._text) - self._looked_at >= _LOOK_FOR_LOOP_EVERY:
            self._looked_at = len(self._text)
            if any(self._text.endswith(self._text[-length:] * _TIMES) for length in _LOOP):
                self.cut = "the model repeated itself without end"
