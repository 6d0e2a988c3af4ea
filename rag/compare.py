"""Owns answers that are written side by side: a thread for each, and one stream of what comes of all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue

from rag.errors import ProviderError
from rag.types import Answer

Stopped = Callable[[], bool]
Answering = Callable[[Stopped], Iterator[str | Answer]]
"""Yields the text of an answer piece by piece and, last, the answer; ends soon once it is stopped."""


def side_by_side(
    answering: Sequence[Answering], stopped: Stopped = lambda: False
) -> Iterator[tuple[int, str | Answer | ProviderError]]:
    """Yield what comes of each, as it comes, with its number from 0: pieces of text, last an answer or its error.

    Where one fails the others go on. Once `stopped` returns true, or this iterator is closed, all are stopped; no
    thread is left when it ends. Any other error than ProviderError ends all, and is raised.
    """
    parts: SimpleQueue[tuple[int, str | Answer | BaseException | None]] = SimpleQueue()
    left = threading.Event()

    def over() -> bool:
        return left.is_set() or stopped()

    def run(number: int, answer: Answering) -> None:
        try:
            for part in answer(over):
                parts.put((number, part))
        except BaseException as error:  # whatever it is, the reader of the stream is told
            parts.put((number, error))
        finally:
            parts.put((number, None))

    threads = [threading.Thread(target=run, args=item, daemon=True, name="compare") for item in enumerate(answering)]
    for thread in threads:
        thread.start()
    running = len(threads)
    try:
        while running:
            number, part = parts.get()
            if part is None:
                running -= 1
            elif isinstance(part, (str, Answer, ProviderError)):
                yield number, part
            else:
                raise part
    finally:
        left.set()
        for thread in threads:
            thread.join()
