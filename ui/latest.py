"""Owns the way of an answer from the thread that writes it to the event loop that serves it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from typing import NamedTuple, TypeVar

T = TypeVar("T")

_PATIENCE = 0.5  # seconds without news, after which the last is told again


class _End(NamedTuple):
    error: Exception | None


async def latest(made: Iterator[T], left: threading.Event) -> AsyncGenerator[T, None]:
    """Yield what an iterator makes in a thread of its own; where it makes more than is taken, the latest only.

    Where nothing new comes for a while the last is yielded again: gradio looks only between two of them whether the
    reader is still there. Closing this sets `left`, and waits for nothing: the thread is expected to end soon. Raises
    what the iterator raises.
    """
    loop = asyncio.get_running_loop()
    parts: asyncio.Queue[T | _End] = asyncio.Queue()

    def tell(part: T | _End) -> None:
        try:
            loop.call_soon_threadsafe(parts.put_nowait, part)
        except RuntimeError:  # the server has ended
            left.set()

    def make() -> None:
        error = None
        try:
            for part in made:
                tell(part)
        except Exception as caught:
            error = caught
        tell(_End(error))

    threading.Thread(target=make, name="answer", daemon=True).start()
    try:
        part = await parts.get()
        while not isinstance(part, _End):
            last = part
            while not parts.empty() and not isinstance(part := parts.get_nowait(), _End):
                last = part
            yield last
            if isinstance(part, _End):
                break
            try:
                async with asyncio.timeout(_PATIENCE):
                    part = await parts.get()
            except TimeoutError:
                part = last
        if part.error:
            raise part.error
    finally:
        left.set()
