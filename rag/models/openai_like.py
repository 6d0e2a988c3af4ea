"""Owns OpenAI's chat protocol, which most servers speak, through llama-index's OpenAILike.

So do Google's and Ollama's, and Meta's: their own packages would add nothing that is used here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
from llama_index.core.llms import ChatMessage, ChatResponse
from llama_index.llms.openai_like import OpenAILike

from rag.config import AnswerSettings
from rag.models.failures import Refused, Unreachable
from rag.models.interface import CONNECT, Interface, Piece, Prompt, http_client
from rag.models.spec import ModelSpec
from rag.types import Usage

_OWN_HOST = "api.openai.com"
_ACCOUNT = frozenset({"openai-organization", "openai-project"})


class OpenAIInterface(Interface):
    """OpenAI's protocol. The key lives in the SDK's client only: neither this object nor the llama-index one shows it.

    The retries of llama-index and of the SDK are off.
    """

    name = "openai-compatible"
    cites = False
    optional = ("max_tokens", "max_completion_tokens", "temperature", "stream_options")
    unset = openai.NOT_GIVEN

    def __init__(self, spec: ModelSpec, limits: AnswerSettings, max_tokens: int) -> None:
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
        self.options = {"max_tokens": max_tokens, "temperature": 0.0, "stream_options": {"include_usage": True}}

    async def pieces(self, prompt: Prompt, options: Mapping[str, Any]) -> AsyncGenerator[Piece, None]:
        """Send one request and yield its reply."""
        chat = [ChatMessage(role=role, content=text) for role, text in prompt.messages]
        async for chunk in await self._llm.astream_chat(chat, **options):
            yield piece_of(chunk)

    def translated(self, error: Exception) -> Exception:
        """Return an error of the SDK or of its HTTP client in our own terms."""
        if isinstance(error, openai.APIStatusError):
            body = error.body if isinstance(error.body, dict) else {}
            wait = error.response.headers.get("retry-after")
            return Refused(error.status_code, error.message, error.code, error.param, body.get("message"), wait)
        if isinstance(error, openai.APIConnectionError | httpx.TransportError):
            return Unreachable()
        return error

    async def names(self) -> list[str]:
        """Return the names of the models that the server has."""
        return [model.id for model in (await self._client.models.list()).data]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def drop(self, option: str, said: str) -> None:
        """From now on, leave out an option that the server does not take, or give it its newer name."""
        value = self.options.pop(option, None)
        if option == "max_tokens" and "max_completion_tokens" in said:
            self.options["max_completion_tokens"] = value
        elif option == "temperature":
            self.options[option] = self.unset  # else llama-index sends its own


def piece_of(chunk: ChatResponse) -> Piece:
    """Return what a chunk brings; raises TypeError or AttributeError where it is not what a server may send."""
    raw: Any = chunk.raw
    finish = raw.choices[0].finish_reason if raw.choices else None
    text = chunk.delta or ""
    if not isinstance(text, str):
        raise TypeError(f"text is {type(text)}")
    return Piece(
        text, str(finish) if finish else None, _usage(raw.usage), model=_text(raw, "model"), id=_text(raw, "id")
    )


def _text(raw: Any, name: str) -> str | None:
    value = getattr(raw, name, None)
    return value[:200] if isinstance(value, str) else None


def _usage(given: Any) -> Usage | None:
    counts: Usage = {}
    for name in ("prompt_tokens", "completion_tokens"):
        count = getattr(given, name, None)
        if not isinstance(count, int):
            return None
        counts[name] = count
    cost = getattr(given, "cost", None)  # of OpenRouter, in dollars
    if isinstance(cost, int | float) and not isinstance(cost, bool):
        counts["cost"] = float(cost)
    return counts


def _connect(spec: ModelSpec, limits: AnswerSettings) -> openai.AsyncOpenAI:
    own = {"authorization": f"Bearer {spec.key or 'none'}"}
    also = _ACCOUNT if urlsplit(spec.base_url).hostname == _OWN_HOST else frozenset[str]()
    client = openai.AsyncOpenAI(
        base_url=spec.base_url,
        api_key=spec.key or "none",
        max_retries=0,
        timeout=httpx.Timeout(limits.timeout, connect=CONNECT),
        http_client=http_client(spec, limits, own, also),
    )
    _ = client.chat.completions  # imported on first use: now, not while a reader waits
    return client
