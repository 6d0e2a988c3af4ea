"""What a server that speaks Anthropic's Messages sends, for the scripted provider; made to be broken on command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.provider import Provider, Scripted, words

USAGE = {"input_tokens": 50, "output_tokens": 1}


def event(kind: str, **values: Any) -> bytes:
    """Return one event of a stream."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **values})}\n\n".encode()


START = event(
    "message_start",
    message={
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "scripted-claude",
        "stop_reason": None,
        "stop_sequence": None,
        "usage": USAGE,
    },
)
PING = event("ping")
STOP = event("message_stop")


def block(text: str, *citations: dict[str, Any], index: int = 0, citing: str = "last") -> list[bytes]:
    """Return the events of a block of text, a word each, and of what it cites, behind its words or before them."""
    deltas = [
        event("content_block_delta", index=index, delta={"type": "text_delta", "text": piece}) for piece in words(text)
    ]
    cited = [
        event("content_block_delta", index=index, delta={"type": "citations_delta", "citation": citation})
        for citation in citations
    ]
    begin = event("content_block_start", index=index, content_block={"type": "text", "text": "", "citations": None})
    inside = deltas + cited if citing == "last" else cited + deltas
    return [begin, *inside, event("content_block_stop", index=index)]


def ending(reason: str = "end_turn") -> list[bytes]:
    """Return the events that end a reply."""
    return [
        event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 9}),
        STOP,
    ]


def reply(*blocks: Sequence[bytes], reason: str = "end_turn", **others: Any) -> Scripted:
    """Return a whole reply."""
    return Scripted(raw=[START, PING, *(each for several in blocks for each in several), *ending(reason)], **others)


def cut(*blocks: Sequence[bytes], **others: Any) -> Scripted:
    """Return a reply that ends without its end."""
    return Scripted(raw=[START, *(each for several in blocks for each in several)], **others)


def error(kind: str, status: int, message: str = "no", **headers: str) -> Scripted:
    """Return a reply that is an error in Anthropic's form."""
    body = json.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"})
    return Scripted(
        status=status, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


def error_event(kind: str) -> bytes:
    """Return an error inside a stream."""
    return event("error", error={"type": kind, "message": "no"})


def cites(which: int, text: str, first: int, last: int) -> dict[str, Any]:
    """Return a citation of the parts `first` up to `last` of a search result."""
    return {
        "type": "search_result_location",
        "search_result_index": which,
        "cited_text": text,
        "source": "passage",
        "title": "passage",
        "start_block_index": first,
        "end_block_index": last,
    }


def sent_parts(provider: Provider, request: int = -1) -> list[dict[str, Any]]:
    """Return the blocks of the user's message of a request."""
    parts: list[dict[str, Any]] = provider.requests[request].body["messages"][-1]["content"]
    return parts
