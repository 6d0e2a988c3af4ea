"""Owns what one question may spend: requests to models, and time."""

from __future__ import annotations

import time
from collections.abc import Callable

REQUESTS = 3  # for one question, whatever goes wrong: rewriting it, answering it, judging the answer
_BYTES_PER_TOKEN = 3  # of UTF-8; fewer than any common tokenizer needs for English, and a character of Chinese


class Budget:
    """Counts down what a question has left; shared by all that sends requests for it.

    `left` counts requests; `deadline` is in seconds of the monotonic clock. `stopped` says whether nobody waits any
    more.
    """

    def __init__(
        self, requests: int = REQUESTS, seconds: float = 120.0, stopped: Callable[[], bool] = lambda: False
    ) -> None:
        self.left = requests
        self.deadline = time.monotonic() + seconds
        self.stopped = stopped

    @property
    def seconds(self) -> float:
        """The time that is left; 0 or less where there is none."""
        return self.deadline - time.monotonic()

    def take(self) -> None:
        """Count a request that is about to be sent."""
        self.left -= 1


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text has for a model whose tokenizer we do not have; rather too many."""
    return len(text.encode("utf-8")) // _BYTES_PER_TOKEN + 1
