"""Owns leaving a model alone that keeps failing, so that nobody waits for it in vain."""

from __future__ import annotations

import time
from collections.abc import Callable

FAILURES = 5  # in a row
REST = 30.0  # seconds


class Breaker:
    """Opens after `FAILURES` failures in a row, for `REST` seconds; then one more failure opens it again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.failures = 0
        self._clock = clock
        self._until = 0.0

    @property
    def seconds(self) -> float:
        """How long nothing is to be sent yet; 0 where it may be."""
        return max(0.0, self._until - self._clock()) if self._until else 0.0

    def failed(self) -> None:
        """Count a request that failed."""
        self.failures += 1
        if self.failures >= FAILURES:
            self._until = self._clock() + REST

    def succeeded(self) -> None:
        """Forget the failures: text came."""
        self.failures, self._until = 0, 0.0
