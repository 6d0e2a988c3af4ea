"""Owns Anthropic's own interface, through llama-index's class: passages are sent as what its models can cite.

Of what streams, that class hands on each event as `raw`, where citations are read from; what it loses is the name
and the id of the reply, and its own fields for citations run together over the whole reply.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any

import anthropic
import httpx
from llama_index.core.llms import (
    ChatMessage,
    CitableBlock,
    DocumentBlock,
    ImageBlock,
    LLMMetadata,
    MessageRole,
    TextBlock,
)
from llama_index.llms.anthropic import Anthropic

from rag.config import AnswerSettings
from rag.models.failures import Refused, Unreachable
from rag.models.interface import CONNECT, Document, Interface, Piece, Prompt, Quoted, http_client, responses
from rag.models.spec import ModelSpec
from rag.types import Usage

_OWN_PATH = "/v1"  # ends the address of its OpenAI-compatible interface; the SDK adds its own
_FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "tool_use": "tool_calls",
}
_STATUSES = {  # of an error that comes inside a stream, whose own status is 200
    "overloaded_error": 529,
    "api_error": 500,
    "timeout_error": 504,
    "rate_limit_error": 429,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "invalid_request_error": 400,
}


class _Claude(Anthropic):
    """llama-index's class with a client of ours, since its own would follow redirects."""

    def __init__(self, model: str, max_tokens: int, client: anthropic.AsyncAnthropic) -> None:
        super().__init__(model=model, max_tokens=max_tokens, max_retries=0, api_key="kept by the client")
        self._aclient = client

    @property
    def metadata(self) -> LLMMetadata:
        """About the model; llama-index has a list of names, and refuses to ask one that is newer."""
        return LLMMetadata(model_name=self.model, num_output=self.max_tokens, is_chat_model=True)


class AnthropicInterface(Interface):
    """Anthropic's Messages. The key lives in the SDK's client only; all retries but our own are off."""

    name = "anthropic with native citations"
    cites = True
    optional = ("temperature",)
    unset = anthropic.NOT_GIVEN

    def __init__(self, spec: ModelSpec, limits: AnswerSettings, max_tokens: int) -> None:
        own = {"x-api-key": spec.key or "none", "anthropic-version": "2023-06-01"}
        self._client = anthropic.AsyncAnthropic(
            base_url=spec.base_url.rstrip("/").removesuffix(_OWN_PATH),
            api_key=spec.key or "none",
            max_retries=0,
            timeout=httpx.Timeout(limits.timeout, connect=CONNECT),
            http_client=http_client(spec, limits, own),
        )
        _ = self._client.messages  # imported on first use: now, not while a reader waits
        self._llm = _Claude(spec.model, max_tokens, self._client)
        self.options = {"max_tokens": max_tokens, "temperature": 0.0}

    async def pieces(self, prompt: Prompt, options: Mapping[str, Any]) -> AsyncGenerator[Piece, None]:
        """Send one request and yield its reply; citations come at the end of the text that they belong to."""
        cited: list[Any] = []
        async for chunk in await self._llm.astream_chat(_chat(prompt), **options):
            kind, delta = chunk.raw["type"], chunk.raw.get("delta")
            if kind == "message_delta":
                finish = _FINISHES.get(delta.stop_reason, delta.stop_reason)
                yield Piece(finish=finish, usage=_usage(chunk.raw.get("usage")), id=_request_id())
            elif kind == "content_block_stop":
                found = [_located(citation, prompt) for citation in cited]
                quoted = dict.fromkeys(each for several in found for each in several)
                yield Piece(quoted=tuple(quoted), misquoted=found.count(()))
                cited = []
            elif delta.type == "citations_delta":
                cited.append(delta.citation)
            elif delta.type == "text_delta":
                yield Piece(chunk.delta or "")
            else:
                yield Piece()  # thoughts: it is at work

    def translated(self, error: Exception) -> Exception:
        """Return an error of the SDK or of its HTTP client in our own terms."""
        if isinstance(error, anthropic.APIStatusError):
            body = error.body if isinstance(error.body, dict) else {}
            about = body.get("error")
            about = about if isinstance(about, dict) else {}
            kind, said = about.get("type"), about.get("message")
            status = error.status_code if error.status_code != httpx.codes.OK else _STATUSES.get(str(kind), 500)
            wait = error.response.headers.get("retry-after")
            message = said if isinstance(said, str) else error.message
            return Refused(status, message, kind if isinstance(kind, str) else None, None, said, wait)
        if isinstance(error, anthropic.APIConnectionError | httpx.TransportError):
            return Unreachable()
        return error

    async def names(self) -> list[str]:
        """Return the names of the models that the server has."""
        return [model.id for model in (await self._client.models.list()).data]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _chat(prompt: Prompt) -> list[ChatMessage]:
    """Return the messages, the documents in the last as blocks of their own, cut where their sentences begin."""
    *before, (role, text) = prompt.messages
    blocks: list[TextBlock | CitableBlock] = []
    at = 0
    for document in prompt.documents:
        blocks.append(TextBlock(text=text[at : document.cuts[0]]))
        parts: list[TextBlock | ImageBlock | DocumentBlock] = [TextBlock(text=part) for part in _parts(document, text)]
        name = f"passage {document.n}"  # its title stands before it, made harmless
        blocks.append(CitableBlock(title=name, source=name, content=parts))
        at = document.cuts[-1]
    blocks.append(TextBlock(text=text[at:]))
    chat = [ChatMessage(role=MessageRole(role), content=content) for role, content in before]
    return [*chat, ChatMessage(role=MessageRole(role), blocks=blocks)]


def _parts(document: Document, text: str) -> list[str]:
    return [text[start:end] for start, end in zip(document.cuts, document.cuts[1:], strict=False)]


def _located(citation: Any, prompt: Prompt) -> tuple[Quoted, ...]:
    """Return the sentences that a citation touches; none where its words do not stand in the passage it names."""
    which = _number(citation, "search_result_index", "document_index")
    words = getattr(citation, "cited_text", None)
    if which is None or not which < len(prompt.documents) or not isinstance(words, str) or not words.strip():
        return ()
    document = prompt.documents[which]
    parts = _parts(document, prompt.messages[-1][1])
    touched = _named(citation, parts)
    if not touched or _squeezed(words) not in _squeezed("".join(parts[i] for i in touched)):
        at = "".join(parts).find(words.strip())
        touched = _overlapping(parts, at, at + len(words.strip())) if at >= 0 else []
    return tuple(Quoted(document.n, i) for i in touched)


def _named(citation: Any, parts: Sequence[str]) -> list[int]:
    """Return the sentences at the place that a citation names, by blocks or by characters."""
    first, last = _number(citation, "start_block_index"), _number(citation, "end_block_index")
    if first is not None and last is not None:
        return list(range(first, min(last, len(parts))))
    start, end = _number(citation, "start_char_index"), _number(citation, "end_char_index")
    return [] if start is None or end is None else _overlapping(parts, start, end)


def _overlapping(parts: Sequence[str], start: int, end: int) -> list[int]:
    return [i for i, (begin, stop) in enumerate(_places(parts)) if begin < end and start < stop]


def _places(parts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield where each part stands in all of them, without the blanks behind it."""
    at = 0
    for part in parts:
        yield at, at + len(part.rstrip())
        at += len(part)


def _number(citation: Any, *names: str) -> int | None:
    values = (getattr(citation, name, None) for name in names)
    return next((value for value in values if type(value) is int and value >= 0), None)


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _usage(given: Any) -> Usage | None:
    sent, written = getattr(given, "input_tokens", None), getattr(given, "output_tokens", None)
    if not isinstance(sent, int) or not isinstance(written, int):
        return None
    return {"prompt_tokens": sent, "completion_tokens": written}


def _request_id() -> str | None:
    """Return what the server calls this request, to be told when asking its makers about it."""
    opened = responses.get()
    return opened[-1].headers.get("request-id") if opened else None
