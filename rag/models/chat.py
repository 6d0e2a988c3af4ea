"""Owns asking one model: the one policy of retries, the time it may take, and the stream of its reply."""

from __future__ import annotations

import asyncio
import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from importlib.util import find_spec
from typing import Any

import httpx

from rag.budget import Budget
from rag.config import AnswerSettings
from rag.errors import ProviderError
from rag.models.breaker import FAILURES, Breaker
from rag.models.failures import (
    Failure,
    Refused,
    explain,
    key_trouble,
    not_a_completion,
    too_late,
    unsupported_option,
    who,
)
from rag.models.interface import Document, Interface, Prompt, Quoted, responses
from rag.models.openai_like import OpenAIInterface
from rag.models.spec import ModelSpec
from rag.models.stream import CONNECTION_ENDED, STOPPED, End, Reply

_BACKOFF = 0.25
_WAIT_FOR_USAGE = 1.0  # the count of tokens comes after the end, if it comes
_CHECK = Prompt((("user", "Reply with the word: yes"),))
_CHECK_TOKENS = 16  # the fewest that every provider takes
_NAMED = 10

Event = str | Quoted | End

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
    """One model at one server. Its key is in no representation of this object."""

    def __init__(self, spec: ModelSpec, limits: AnswerSettings) -> None:
        self.name = spec.name
        self.in_house = spec.in_house
        self.context_window = spec.context_window
        self.max_tokens = min(limits.max_tokens, spec.context_window // 4)
        self.spec = spec
        self._limits = limits
        self._breaker = Breaker()
        self._interface = _interface(spec, limits, self.max_tokens)

    @property
    def trouble(self) -> ProviderError | None:
        """Why nothing may be sent now: no key, or too many failures; None where it may."""
        if missing := key_trouble(self.spec):
            return ProviderError(missing)
        if seconds := self._breaker.seconds:
            text = f"{who(self.spec)} failed {FAILURES} times in a row. It is asked again in {seconds:.0f} s."
            return ProviderError(text, retryable=True)
        return None

    @property
    def resting(self) -> bool:
        """Whether it is left alone for a while, since it failed too often in a row."""
        return self._breaker.seconds > 0

    @property
    def interface(self) -> str:
        """How it is talked to."""
        return self._interface.name

    @property
    def cites(self) -> bool:
        """Whether the provider cites the documents of a prompt itself."""
        return self._interface.cites

    @property
    def parameters(self) -> dict[str, Any]:
        """What it is asked with; None for what its server does not take."""
        asked = self._interface.asked(None)
        limit = asked.get("max_tokens", asked.get("max_completion_tokens"))
        return {
            "provider": self.spec.provider,
            "model": self.spec.model,
            "host": self.spec.host,
            "interface": self.interface,
            "temperature": asked.get("temperature"),
            "max_tokens": limit,
        }

    def stream(
        self,
        messages: Sequence[tuple[str, str]],
        stopped: Callable[[], bool],
        budget: Budget,
        *,
        keep: int = 0,
        documents: Sequence[Document] = (),
        max_tokens: int | None = None,
    ) -> Iterator[Event]:
        """Yield the reply piece by piece and, last, how it ended.

        It sends one request, and again after a passing fault while more than `keep` are left in the budget. Raises
        ProviderError where no text came; once some came, whatever happens ends in `End`.
        """
        if trouble := self.trouble:
            raise trouble
        if budget.left < 1 or budget.seconds <= 0:
            what = "requests" if budget.left < 1 else "time"
            text = f"The model {self.name} was not asked: the question has no {what} left. Ask again."
            raise ProviderError(text, retryable=True)
        events: queue.SimpleQueue[Event | ProviderError] = queue.SimpleQueue()
        prompt = Prompt(tuple(messages), tuple(documents))
        producing = self._produce(prompt, budget, keep, max_tokens, events.put)
        task = asyncio.run_coroutine_threadsafe(producing, _loop.get())
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
            yield End(STOPPED)
        finally:
            task.cancel()  # also where our reader has gone: the request is closed with it

    def check(self, seconds: float) -> str | None:
        """Send one tiny request, never again, and return what is wrong; None where the model is there.

        A model that is not there is answered with what its server has.
        """
        if missing := key_trouble(self.spec):
            return missing
        return asyncio.run_coroutine_threadsafe(self._check(seconds), _loop.get()).result()

    def close(self) -> None:
        """Close the connections to the server."""
        asyncio.run_coroutine_threadsafe(self._interface.close(), _loop.get()).result(timeout=5)

    async def _produce(
        self,
        prompt: Prompt,
        budget: Budget,
        keep: int,
        max_tokens: int | None,
        put: Callable[[Event | ProviderError], None],
    ) -> None:
        """Send requests until text comes, and put what comes; last an `End`, or an error where none came."""
        deadline = min(time.monotonic() + self._limits.timeout, budget.deadline)
        request = 0
        while True:
            request += 1
            budget.take()
            reply = Reply(put)
            options = self._interface.asked(max_tokens)
            total = asyncio.timeout(deadline - time.monotonic())
            try:
                async with total:
                    await self._send(prompt, options, reply)
                failure = self._empty(reply, request)
            except Exception as error:
                failure = self._failure(error, options, total.expired())
                reply.cut = CONNECTION_ENDED
                if isinstance(error, TimeoutError):
                    reply.cut = (
                        "it took longer than the time allowed" if total.expired() else "the model stopped sending"
                    )
            if reply.has_text:
                self._breaker.succeeded()
                put(reply.end)
                return
            if failure.broken:
                self._breaker.failed()
            pause = _BACKOFF * 2 ** (request - 1) if failure.wait is None else failure.wait
            in_time = time.monotonic() + pause <= deadline
            if not failure.try_again or budget.left <= keep or self.resting or not in_time:
                put(failure.error)
                return
            _log.info("%s Trying again in %.1f s.", failure.error, pause)
            await asyncio.sleep(pause * random.uniform(1, 1.3))  # noqa: S311  several readers should not return at once

    async def _send(self, prompt: Prompt, options: dict[str, Any], reply: Reply) -> None:
        """Send one request and read its reply, to the end or until no more of it is wanted."""
        opened: list[httpx.Response] = []
        responses.set(opened)
        limit = self._limits.first_token_timeout
        try:
            async with aclosing(self._interface.pieces(prompt, options)) as pieces:
                while not reply.is_over:
                    async with asyncio.timeout(limit):
                        piece = await anext(pieces, None)
                    if piece is None:
                        break
                    reply.add(piece)
                    limit = _WAIT_FOR_USAGE if reply.finish else self._limits.stall_timeout
        except Exception:
            if reply.finish is None:  # else the reply was whole before
                raise
        finally:
            for response in opened:  # llama-index would leave it open, and the server writing
                await response.aclose()
        if reply.finish is None and reply.cut is None:
            reply.cut = CONNECTION_ENDED

    def _failure(self, error: Exception, options: dict[str, Any], out_of_time: bool) -> Failure:
        if isinstance(error, TimeoutError):
            return too_late(self.spec, "timeout" if out_of_time else "first_token_timeout")
        error = self._interface.translated(error)
        failure = explain(error, self.spec)
        unset = self._interface.unset
        sent = [name for name in self._interface.optional if options.get(name, unset) is not unset]
        option = unsupported_option(error, sent)
        if option is not None:
            self._interface.drop(option, str(error))
            return Failure(failure.error, try_again=True, wait=0)
        return failure

    def _empty(self, reply: Reply, request: int) -> Failure:
        if not reply.pieces:
            return not_a_completion(self.spec)
        error = ProviderError(f"The model {self.name} gave an empty reply. Ask again.", retryable=True)
        return Failure(error, try_again=request == 1, broken=True)  # a second empty reply is its answer

    async def _check(self, seconds: float) -> str | None:
        reply = Reply(lambda _: None)
        options = self._interface.asked(_CHECK_TOKENS)
        until = time.monotonic() + seconds
        try:
            async with asyncio.timeout(seconds):
                await self._send(_CHECK, options, reply)
        except TimeoutError:
            return f"{who(self.spec)} did not answer within {seconds:.0f} s. Check that its server is well."
        except Exception as error:
            failure = self._failure(error, options, out_of_time=False)
            if failure.wait == 0:  # it only objects to an option, which is left out next time
                return None
            refused = self._interface.translated(error)
            if isinstance(refused, Refused) and refused.status == 404:
                return f"{failure.error}{await self._offers(until)}"
            return str(failure.error)
        return None if reply.pieces else str(not_a_completion(self.spec).error)

    async def _offers(self, until: float) -> str:
        """Return what the server has in place of a model that it has not; nothing where it does not say."""
        try:
            async with asyncio.timeout(until - time.monotonic()):
                names = await self._interface.names()
        except Exception:  # whatever it is, the model is not there
            return ""
        listed = ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
        return f" It has: {listed}." if names else ""


def _interface(spec: ModelSpec, limits: AnswerSettings, max_tokens: int) -> Interface:
    """Return Anthropic's own interface where its extra is installed, else OpenAI's protocol."""
    if spec.provider == "anthropic" and find_spec("llama_index.llms.anthropic"):
        from rag.models.anthropic import AnthropicInterface  # an extra

        return AnthropicInterface(spec, limits, max_tokens)
    return OpenAIInterface(spec, limits, max_tokens)
