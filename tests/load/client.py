"""Readers of the page who speak its protocol: what its script sends for a question, without a browser."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import httpx

_CONFIG = re.compile(r"window\.gradio_config = (\{.*?\});</script>", re.DOTALL)


@dataclass
class Told:
    """What a reader was told for a question; times in seconds from the question on."""

    views: int = 0
    first: float | None = None  # until the first word of an answer was seen
    took: float = 0.0
    html: str = ""  # of the turn, as it stayed
    sent: int = 0  # bytes that the server sent for it
    errors: list[str] = field(default_factory=list)

    @property
    def busy(self) -> bool:
        """Whether it was refused since too many are being answered."""
        return "fn-refused" in self.html and "Too many answers" in self.html


class Reader:
    """Someone with the page open in a browser of his own."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport, model: str) -> None:
        self._model = model
        self._client = httpx.AsyncClient(base_url=url, transport=transport, timeout=60)
        self._tab = secrets.token_hex(5)
        self._event: tuple[int, int] = (0, 0)
        self.begin_anew()

    def begin_anew(self) -> None:
        """Begin another conversation."""
        self._conversation = secrets.token_urlsafe(16)

    async def open(self) -> None:
        """Load the page: it gives the cookie, and the number of the event that asks."""
        page = await self._client.get("/")
        page.raise_for_status()
        match = _CONFIG.search(page.text)
        assert match, "the page holds no configuration"
        config = json.loads(match[1])
        box = next(part["id"] for part in config["components"] if part["props"].get("elem_id") == "fn-ask")
        event = next(part["id"] for part in config["dependencies"] if [box, "submit"] in part["targets"])
        self._event = (event, box)

    async def ask(self, question: str) -> Told:
        """Ask, and read until the answer is there."""
        told = Told()
        async with aclosing(self.views(question, told)) as views:
            async for _ in views:
                pass
        return told

    async def views(self, question: str, told: Told) -> AsyncGenerator[str, None]:
        """Ask, and yield the turn's HTML at every change; leaving the iterator closes the connection."""
        began = time.monotonic()
        how = {"conversation": self._conversation, "mode": "answer", "models": [self._model]}
        body = {
            "data": [question, json.dumps(how)],
            "fn_index": self._event[0],
            "trigger_id": self._event[1],
            "session_hash": self._tab,
        }
        joined = await self._client.post("/gradio_api/queue/join", json=body)
        joined.raise_for_status()
        shown: list[Any] = []
        async with self._client.stream("GET", "/gradio_api/queue/data", params={"session_hash": self._tab}) as reply:
            reply.raise_for_status()
            async for line in reply.aiter_lines():
                told.sent += len(line)
                if not line.startswith("data:"):
                    continue
                message = json.loads(line[5:])
                if message["msg"] == "close_stream":
                    break
                if message["msg"] not in ("process_generating", "process_completed"):
                    if message["msg"] == "unexpected_error":
                        told.errors.append(str(message))
                    continue
                if not message["success"]:
                    told.errors.append(str(message["output"]))
                    continue
                data = message["output"]["data"]
                if message["msg"] == "process_generating" and shown:
                    shown = [_changed(old, edits) for old, edits in zip(shown, data, strict=True)]
                else:
                    shown = data
                told.views += 1
                if isinstance(shown[0], str):
                    told.html = shown[0]
                if told.first is None and "fn-draft" in told.html:
                    told.first = time.monotonic() - began
                yield told.html
        told.took = time.monotonic() - began


def _changed(old: Any, edits: list[Any]) -> Any:
    """Return a value after edits of it as gradio sends them; only whole strings are edited here."""
    for action, path, value in edits:
        if path:
            continue
        old = old + value if action == "append" else value
    return old


async def poll(url: str, every: float, until: asyncio.Event) -> list[float]:
    """Return the seconds that each look at the page's health took; a failed one is infinite."""
    took = []
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        while not until.is_set():
            began = time.monotonic()
            try:
                reply = await client.get("/health")
                took.append(time.monotonic() - began if reply.status_code == 200 else float("inf"))
            except httpx.HTTPError:
                took.append(float("inf"))
            await asyncio.sleep(every)
    return took
