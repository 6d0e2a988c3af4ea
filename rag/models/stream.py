"""Owns one reply as it streams in: its text, its end, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from llama_index.core.llms import ChatResponse

from rag.types import Usage

_LONGEST = 60_000  # characters
_LOOK_FOR_LOOP_EVERY = 256
_LOOP = re.compile(r"(.{1,150}?)\1{7,}\Z", re.DOTALL)
_CUTS = {
    "length": "the model reached its limit of tokens",
    "content_filter": "the provider's content filter ended the reply",
    "tool_calls": "the model asked for a tool, and there is none",
}
CONNECTION_ENDED = "the connection ended before the reply was complete"


class End(NamedTuple):
    """How a reply ended: `cut` says why it is not whole, None where it is; `usage` counts tokens."""

    cut: str | None
    usage: Usage | None = None


class Reply:
    """What has come of one reply. Its text is passed on as it comes, from the first word on.

    `finish` is the reason the server gave for the end; `cut` says why the reply is not whole.
    """

    def __init__(self, put: Callable[[str], None]) -> None:
        self.finish: str | None = None
        self.cut: str | None = None
        self.usage: Usage | None = None
        self.has_text = False
        self.chunks = 0
        self._put = put
        self._text = ""
        self._looked_at = 0

    @property
    def is_over(self) -> bool:
        """Whether no more of it is wanted: the usage comes after the end, so a reply that ended waits for it."""
        return bool(self.finish and self.usage) or bool(self.cut and not self.finish)

    def add(self, chunk: ChatResponse) -> None:
        """Take one chunk; raises TypeError or AttributeError where it is not what a server may send."""
        raw: Any = chunk.raw
        self.chunks += 1
        self.usage = _usage(raw.usage) or self.usage
        if self.finish:
            return
        piece = chunk.delta or ""
        self._text += piece
        if self.has_text:
            self._put(piece)
        elif any(map(str.isalnum, self._text)):
            self.has_text = True
            self._put(self._text)
        if raw.choices and raw.choices[0].finish_reason:
            self.finish = str(raw.choices[0].finish_reason)
            self.cut = _CUTS.get(self.finish)
        elif len(self._text) > _LONGEST:
            self.cut = "the reply was longer than any answer should be"
        elif len(self._text) - self._looked_at >= _LOOK_FOR_LOOP_EVERY:
            self._looked_at = len(self._text)
            if _LOOP.search(self._text[-1500:]):
                self.cut = "the model repeated itself without end"


def _usage(given: Any) -> Usage | None:
    counts: Usage = {}
    for name in ("prompt_tokens", "completion_tokens"):
        count = getattr(given, name, None)
        if not isinstance(count, int):
            return None
        counts[name] = count
    return counts
