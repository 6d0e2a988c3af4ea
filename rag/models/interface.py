"""Owns what every interface to a server has in common: what is sent, what comes back, and how it is connected."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Collection, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from rag.config import AnswerSettings
from rag.models.spec import ModelSpec
from rag.types import Usage

CONNECT = 3.0  # seconds; three attempts and the waits between them stay within ten
_HEADERS = frozenset("host accept accept-encoding connection content-type content-length user-agent".split())

responses: ContextVar[list[httpx.Response]] = ContextVar("responses")
"""The HTTP responses that the running task has opened."""


class Document(NamedTuple):
    """A passage in the last message of a prompt: its evidence number, and where its sentences are cut.

    The text of sentence i stands at `cuts[i]:cuts[i + 1]` of that message.
    """

    n: int
    cuts: tuple[int, ...]


class Prompt(NamedTuple):
    """Roles and texts, the user's last, and the documents in it that an interface may offer for citing."""

    messages: tuple[tuple[str, str], ...]
    documents: tuple[Document, ...] = ()


class Quoted(NamedTuple):
    """The provider's own word that what was just said stands in sentence `sentence` (from 0) of passage `n`."""

    n: int
    sentence: int


class Piece(NamedTuple):
    """What one event of a reply brings. `finish` is the reason of its end, in OpenAI's words.

    `misquoted` counts what the provider cites and we did not send. `model` and `id` are what the reply says of itself.
    """

    text: str = ""
    finish: str | None = None
    usage: Usage | None = None
    quoted: tuple[Quoted, ...] = ()
    misquoted: int = 0
    model: str | None = None
    id: str | None = None


class Interface(ABC):
    """A way to talk to a server; policy (retries, times) is not its business.

    `cites`: whether the provider cites documents itself. `options` is what it asks with; those that are `optional`
    leave by `drop` where the server turns out not to take them. `unset` stands for one that llama-index would fill in.
    """

    name: str
    cites: bool
    optional: Collection[str]
    unset: Any
    options: dict[str, Any]

    @abstractmethod
    def pieces(self, prompt: Prompt, options: Mapping[str, Any]) -> AsyncGenerator[Piece, None]:
        """Send one request and yield its reply; raises whatever the libraries underneath raise."""

    @abstractmethod
    def translated(self, error: Exception) -> Exception:
        """Return an error of the libraries underneath as `Refused` or `Unreachable`, any other as it is."""

    @abstractmethod
    async def names(self) -> list[str]:
        """Return the names of the models that the server has."""

    @abstractmethod
    async def close(self) -> None:
        """Close the connections."""

    def drop(self, option: str, said: str) -> None:
        """From now on, leave out an option that the server, in these words, does not take."""
        self.options[option] = self.unset

    def asked(self, max_tokens: int | None) -> dict[str, Any]:
        """Return the options of one request."""
        options = dict(self.options)
        for name in ("max_tokens", "max_completion_tokens"):
            if max_tokens is not None and isinstance(options.get(name), int):
                options[name] = max_tokens
        return options


def http_client(
    spec: ModelSpec, limits: AnswerSettings, own: Mapping[str, str], also: Collection[str] = ()
) -> httpx.AsyncClient:
    """Return an HTTP client for one server.

    It sends only the headers that a server needs, those named in `also`, and `own`: the SDKs add the user's account,
    from the environment, and machine. It follows no redirect, since that would carry the key elsewhere.
    """
    host = urlsplit(spec.base_url).hostname

    async def strip(request: httpx.Request) -> None:
        for name in set(request.headers) - _HEADERS.union(also, own):
            del request.headers[name]
        request.headers.update(own)

    async def note(response: httpx.Response) -> None:
        responses.get().append(response)

    return httpx.AsyncClient(
        timeout=httpx.Timeout(limits.timeout, connect=CONNECT),
        follow_redirects=False,
        trust_env=host not in ("localhost", "127.0.0.1", "::1"),  # a proxy is for what is not on this machine
        event_hooks={"request": [strip], "response": [note]},
    )
