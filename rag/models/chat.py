"""Owns asking one model: the one policy of retries, the time it may take, and the stream of its reply."""

from __future__ import annotations

import asyncio
import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

from rag.config import AnswerSettings
from rag.errors import ProviderError
from rag.models.failures import ContextTooLong, Failure, explain, not_a_completion, unsupported_option
from rag.models.spec import ModelSpec
from rag.models.stream import CONNECTION_ENDED, End, Reply

REQUESTS = 3  # for one answer of one model, whatever goes wrong
_BACKOFF = 0.25
_CONNECT = 3.0  # three attempts and the waits between them stay within ten seconds
_WAIT_FOR_USAGE = 1.0  # the count of tokens comes after the end, if it comes
_HEADERS = frozenset("host accept accept-encoding connection content-type content-length user-agent".split())
_OPENAI_HEADERS = frozenset({"openai-organization", "openai-project"})

_responses: ContextVar[list[httpx.Response]] = ContextVar("responses")
"""The responses that the running task has opened."""

_log = logging.getLogger(__name__)


class _Loop:
    """An event loop in a thread of its own, shared by all models, so that a reply can be dropped at any moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def get(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="models", daemon=True).start()
            return self._loop


_loop = _Loop()


class ChatModel:
    """One model at one server, through llama-index's OpenAILike.

    Its own retries and those of the SDK are off. The key lives in the SDK's client only: neither
    this object nor the llama-index one shows it.
    """

    def __init__(self, spec: ModelSpec, limits: AnswerSettings) -> None:
        self.name = spec.name
        self.in_house = spec.in_house
        self.context_window = spec.context_window
        self.max_tokens = min(limits.max_tokens, spec.context_window // 4)
        self._spec = spec
        self._limits = limits
        self._client = _connect(spec, limits)
        self._llm = OpenAILike(
            model=spec.model,
            api_base=spec.base_url,
            api_key="kept by the client",
            is_chat_model=True,
            context_window=spec.context_window,
            max_retries=0,
            async_openai_client=self._client,
        )
        # Less what this server turns out not to take, by its own error message.
        self._options: dict[str, Any] = {
            "max_tokens": self.max_tokens,
            "temperature": 0.0,
            "stream_options": {"include_usage": True},
        }

    def stream(
        self, messages: Sequence[tuple[str, str]], stopped: Callable[[], bool], requests: int = REQUESTS
    ) -> Iterator[str | End]:
        """Yield the reply piece by piece and, last, how it ended.

        Raises ProviderError where no text came; once some came, whatever happens ends in `End`.
        """
        if self._spec.key_variable and not self._spec.key:
            raise ProviderError(f"The model {self.name} needs a key. Put it in {self._spec.key_variable}.")
        if self._spec.key and not (self._spec.key.isascii() and self._spec.key.isprintable()):
            raise ProviderError(f"The key in {self._spec.key_variable} has characters that no key has. Set it again.")
        events: queue.SimpleQueue[str | End | ProviderError] = queue.SimpleQueue()
        task = asyncio.run_coroutine_threadsafe(self._produce(messages, requests, events.put), _loop.get())
        try:
            while not stopped():
                try:
                    event = events.get(timeout=0.1)
                except queue.Empty:
                    continue
                if isinstance(event, ProviderError):
                    raise event
                yield event
                if isinstance(event, End):
                    return
            yield End("stopped by the reader")
        finally:
            task.cancel()  # also where our reader has gone: the request is closed with it

    def close(self) -> None:
        """Close the connections to the server."""
        asyncio.run_coroutine_threadsafe(self._client.close(), _loop.get()).result(timeout=5)

    async def _produce(
        self,
        messages: Sequence[tuple[str, str]],
        requests: int,
        put: Callable[[str | End | ProviderError], None],
    ) -> None:
        """Send requests until text comes, and put what comes; last an `End`, or an error where none came."""
        deadline = time.monotonic() + self._limits.timeout
        for request in range(1, requests + 1):
            reply = Reply(put)
            total = asyncio.timeout(deadline - time.monotonic())
            try:
                async with total:
                    await self._send(messages, reply)
                failure = self._empty(reply, request)
            except Exception as error:
                failure = self._failure(error)
                reply.cut = CONNECTION_ENDED
                if isinstance(error, TimeoutError):
                    reply.cut = (
                        "it took longer than the time allowed" if total.expired() else "the model stopped sending"
                    )
            if reply.has_text:
                put(End(reply.cut, reply.usage))
                return
            pause = _BACKOFF * 2 ** (request - 1) if failure.wait is None else failure.wait
            if not failure.try_again or request == requests or time.monotonic() + pause > deadline:
                if isinstance(failure.error, ContextTooLong):
                    failure.error.requests = request
                put(failure.error)
                return
            _log.info("%s Trying again in %.1f s.", failure.error, pause)
            await asyncio.sleep(pause * random.uniform(1, 1.3))  # noqa: S311  several readers should not return at once

    async def _send(self, messages: Sequence[tuple[str, str]], reply: Reply) -> None:
        """Send one request and read its reply, to the end or until no more of it is wanted."""
        chat = [ChatMessage(role=role, content=text) for role, text in messages]
        responses: list[httpx.Response] = []
        _responses.set(responses)
        stream = await self._llm.astream_chat(chat, **self._options)
        limit = self._limits.first_token_timeout
        try:
            while not reply.is_over:
                async with asyncio.timeout(limit):
                    chunk = await anext(stream, None)
                if chunk is None:
                    break
                reply.add(chunk)
                limit = _WAIT_FOR_USAGE if reply.finish else self._limits.stall_timeout
        except Exception:
            if reply.finish is None:  # else the reply was whole before
                raise
        finally:
            for response in responses:  # llama-index would leave it open, and the server writing
                await response.aclose()
        if reply.finish is None and reply.cut is None:
            reply.cut = CONNECTION_ENDED

    def _failure(self, error: Exception) -> Failure:
        failure = explain(error, self._spec)
        option = unsupported_option(error, self._options)
        if option is not None:
            value = self._options.pop(option)
            if option == "max_tokens" and "max_completion_tokens" in str(error):
                self._options["max_completion_tokens"] = value
            elif option == "temperature":
                self._options[option] = openai.NOT_GIVEN  # else llama-index sends its own
            return Failure(failure.error, try_again=True, wait=0)
        if isinstance(error, TimeoutError):
            text = f"The model {self.name} did not begin to answer in time. Try again, or raise first_token_timeout."
            return Failure(ProviderError(text, retryable=True))
        return failure

    def _empty(self, reply: Reply, request: int) -> Failure:
        if not reply.chunks:
            return not_a_completion(self._spec)
        error = ProviderError(f"The model {self.name} gave an empty reply. Ask again.", retryable=True)
        return Failure(error, try_again=request == 1)  # a second empty reply is its answer


def _connect(spec: ModelSpec, limits: AnswerSettings) -> openai.AsyncOpenAI:
    host = urlsplit(spec.base_url).hostname
    allowed = _HEADERS | _OPENAI_HEADERS if host == "api.openai.com" else _HEADERS

    async def strip(request: httpx.Request) -> None:
        """Leave only what a server needs; the SDK adds the user's account, from the environment, and machine."""
        for name in set(request.headers) - allowed:
            del request.headers[name]
        request.headers["authorization"] = f"Bearer {spec.key or 'none'}"

    async def note(response: httpx.Response) -> None:
        _responses.get().append(response)

    times = httpx.Timeout(limits.timeout, connect=_CONNECT)
    client = openai.AsyncOpenAI(
        base_url=spec.base_url,
        api_key=spec.key or "none",
        max_retries=0,
        timeout=times,
        http_client=httpx.AsyncClient(
            timeout=times,
            follow_redirects=False,  # would carry the key elsewhere
            trust_env=host not in ("localhost", "127.0.0.1", "::1"),  # a proxy is for what is not on this machine
            event_hooks={"request": [strip], "response": [note]},
        ),
    )
    _ = client.chat.completions  # imported on first use: now, not while a reader waits
    return client
