"""Owns what is remembered of sessions: which names of gradio are whose, and how much each has sent of late."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException

_REMEMBERED = 20_000  # names of gradio sessions and events: about 5 MB


class Owners:
    """Whose a name is: the first session that uses it owns it. The names least lately used are forgotten beyond `most`.

    A name that a request uses just now is not forgotten; an open page always has one.
    """

    def __init__(self, most: int = _REMEMBERED) -> None:
        self._most = most
        self._owners: OrderedDict[str, str] = OrderedDict()
        self._uses: dict[str, int] = {}

    def claim(self, name: str, session: str) -> bool:
        """Whether a name is this session's; one that nobody has becomes its own."""
        if name not in self._owners:
            self._forget()
            self._owners[name] = session
        return self.owns(name, session)

    def owns(self, name: str, session: str) -> bool:
        """Whether a name is known to be this session's."""
        if self._owners.get(name) != session:
            return False
        self._owners.move_to_end(name)
        return True

    @contextmanager
    def using(self, name: str) -> Iterator[None]:
        """Keep a name remembered while the block runs."""
        self._uses[name] = self._uses.get(name, 0) + 1
        try:
            yield
        finally:
            self._uses[name] -= 1
            if not self._uses[name]:
                del self._uses[name]

    def _forget(self) -> None:
        while len(self._owners) >= self._most:
            oldest = next((name for name in self._owners if name not in self._uses), None)
            if oldest is None:  # as many open pages as names: the server admits far fewer connections
                raise HTTPException(503, "Too many pages are open. Try again later.", {"retry-after": "30"})
            del self._owners[oldest]


class Allowance:
    """How much each session may send: `burst` requests at once, and `rate` a second in the long run."""

    def __init__(self, burst: int, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._rate = rate
        self._clock = clock
        self._full: OrderedDict[str, float] = OrderedDict()  # when each session has its whole burst again

    def take(self, session: str) -> int:
        """Count a request; return 0, or the seconds after which the next may come."""
        now = self._clock()
        while self._full and next(iter(self._full.values())) <= now:
            self._full.popitem(last=False)
        full = max(now, self._full.get(session, now)) + 1 / self._rate
        over = full - now - self._burst / self._rate
        if over > 0:
            return max(1, round(over + 0.5))
        self._full[session] = full
        self._full.move_to_end(session)
        return 0
