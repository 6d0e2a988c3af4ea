"""Owns what readers may take in all: questions a minute, answers at once, tokens of models a day."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rag.budget import Budget, estimated_tokens
from rag.config import LimitSettings
from rag.errors import LimitError
from rag.spending import Reservation, Spending
from rag.types import Draft, Evidence, Usage

_MINUTE = 60.0
_READERS = 1000  # remembered before those who have been silent for a minute are forgotten
_WAIT = 30.0  # seconds for a place among the answers that are being written
_LOOK = 0.1  # seconds between two looks at whether the reader has stopped
_RULES = 1000  # tokens of what is said to a model beside the passages, rather too many
_USED_UP = "The tokens of today are used up: answered in quotes. Models answer again in {hours} h {minutes} min."

Answering = Callable[[Evidence, Callable[[], bool], Budget], Iterator[str | Draft]]


class Limits:
    """Shared by all readers of a library; safe to share between threads. Times in seconds."""

    def __init__(
        self, settings: LimitSettings, library: Path, clock: Callable[[], float] = time.monotonic, wait: float = _WAIT
    ) -> None:
        self._most = settings.questions_per_minute
        self._clock = clock
        self._wait = wait
        self._asked: dict[str, deque[float]] = {}  # when each reader asked, in the last minute
        self._lock = threading.Lock()
        self._places = threading.Semaphore(settings.answers_at_once)
        self._spending = Spending(library, settings.tokens_per_day) if settings.tokens_per_day else None

    def admit(self, reader: str, questions: int = 1) -> None:
        """Count questions of a reader, all or none. Raises LimitError where they have asked too many in a minute."""
        if not self._most or not questions:
            return
        if questions > self._most:
            raise LimitError(f"No more than {self._most} models answer you in a minute. Choose fewer of them.", 60)
        now = self._clock()
        with self._lock:
            if len(self._asked) > _READERS:
                self._asked = {name: times for name, times in self._asked.items() if times[-1] > now - _MINUTE}
            times = self._asked.setdefault(reader, deque())
            while times and times[0] <= now - _MINUTE:
                times.popleft()
            if (excess := len(times) + questions - self._most) > 0:
                wait = int(times[excess - 1] + _MINUTE - now) + 1
                raise LimitError(f"You have asked {self._most} questions in a minute. Ask again in {wait} s.", wait)
            times.extend([now] * questions)

    def answering(self, answer: Answering, quote: Callable[[Evidence], Draft], max_tokens: int, name: str) -> Answering:
        """Return an answerer that asks models within the limits, and quotes where the day's tokens are used up.

        Tokens are reserved before a request is sent, of the prompt and of `max_tokens` in reply, and counted as they
        are reported afterwards, or estimated. It raises LimitError where no place came free in time.
        """

        def limited(evidence: Evidence, stopped: Callable[[], bool], budget: Budget) -> Iterator[str | Draft]:
            with self._place(stopped, min(self._wait, budget.seconds)) as placed:
                if not placed:
                    yield Draft("", (), (), name, "", cut="stopped by the reader")
                    return
                prompt = estimated_prompt(evidence)
                with self.paying(prompt, max_tokens, budget) as paying:
                    if paying is None:
                        yield from self._quoted(quote(evidence))
                        return
                    for part in answer(evidence, stopped, budget):
                        paying.see(part)
                        yield part

        return limited

    @contextmanager
    def paying(self, prompt: int, max_tokens: int, budget: Budget) -> Iterator[Paying | None]:
        """Let requests of so many tokens be sent in the block, as many as the day has left; None where it has none.

        The budget is cut down to them meanwhile.
        """
        paying = Paying(prompt, max_tokens, budget)
        if self._spending is None:
            yield paying
            return
        wanted = budget.left
        reserved: Reservation = self._spending.reserve(prompt + max_tokens, wanted)
        if wanted and not reserved.requests:
            yield None
            return
        budget.left = reserved.requests
        try:
            yield paying
        finally:
            sent = reserved.requests - budget.left
            budget.left = wanted - sent
            self._spending.settle(reserved, paying.spent(sent))

    @contextmanager
    def _place(self, stopped: Callable[[], bool], seconds: float) -> Iterator[bool]:
        """Wait for a place among the answers at once, and hold it; False where the reader stopped meanwhile."""
        until = time.monotonic() + seconds
        while not self._places.acquire(timeout=_LOOK):
            if stopped():
                yield False
                return
            if time.monotonic() > until:
                raise LimitError("Too many answers are being written at the moment. Ask again in 10 s.", 10)
        try:
            yield True
        finally:
            self._places.release()

    def _quoted(self, draft: Draft) -> Iterator[str | Draft]:
        seconds = self._spending.seconds_left if self._spending else 0
        said = _USED_UP.format(hours=seconds // 3600, minutes=seconds % 3600 // 60)
        yield draft.text
        yield replace(draft, warnings=(*draft.warnings, said))


class Paying:
    """Adds up what the requests of one block take."""

    def __init__(self, prompt: int, max_tokens: int, budget: Budget) -> None:
        self._prompt = prompt
        self._max_tokens = max_tokens
        self._written = 0
        self._usage: Usage | None = None

    def see(self, part: str | Draft) -> None:
        """Take note of a part of the reply, or of the draft, which may know what it took."""
        if isinstance(part, Draft):
            self.report(part.usage)
        else:
            self._written += estimated_tokens(part)

    def report(self, usage: Usage | None) -> None:
        """Take note of what the provider says that the last request took."""
        self._usage = usage or self._usage

    def spent(self, requests: int) -> int:
        """Return the tokens of so many requests: the last as it was reported, else estimated, the others estimated."""
        last = _total(self._usage) or (self._prompt + min(self._written, self._max_tokens) if requests else 0)
        return last + max(0, requests - 1) * self._prompt


def _total(usage: Usage | None) -> int:
    """Return the tokens that a report names, of prompt and reply; 0 where it names none."""
    known = usage or {}
    return int(known.get("total_tokens") or known.get("prompt_tokens", 0) + known.get("completion_tokens", 0))


def estimated_prompt(evidence: Evidence) -> int:
    """Return about how many tokens a prompt has that holds all of the evidence; rather too many."""
    said = [evidence.question, *(part for hit in evidence.hits for part in (hit.source.title, hit.passage.text))]
    return _RULES + sum(estimated_tokens(text) for text in said)
