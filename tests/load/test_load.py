"""Many readers at once: each gets his own answer or is told to wait, and what they took is given back."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import ROOT, SAMPLES
from tests.load.client import Reader, Told, poll
from tests.provider import ECHO, Provider, Scripted, error, words
from tests.summary import SUMMARY

pytestmark = pytest.mark.slow

QUESTION = "When did Meta make its deal with Midjourney public?"
SEATS = 64
_NONCE = "zq[0-9a-f]{8}"
_SENTENCE = "Meta made its deal with Midjourney public on 22 August 2025 [1]. "
_WAIT = 10.0  # seconds; a machine that is busy with other things is slow, what hangs is slower


def _reply(tokens: int) -> list[str]:
    """Return a reply of so many pieces, in which the nonce of the question is said at the start and in the middle."""
    pieces = words((_SENTENCE * (tokens // 10)).strip())[:tokens]
    pieces[3] = pieces[tokens // 2] = ECHO
    return pieces


class Child:
    """A process of `tests.load.process`."""

    def __init__(self, kind: str, given: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.load.process", kind, json.dumps(given)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said = self._line()

    def look(self) -> dict[str, int]:
        """Return what it holds: what it says itself, and on Linux its memory in MB and its open files."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        held: dict[str, int] = self._line()
        place = Path(f"/proc/{self._process.pid}")
        if place.exists():
            resident = re.search(r"VmRSS:\s+(\d+)", (place / "status").read_text())
            assert resident
            held |= {"memory": int(resident[1]) // 1000, "files": len(list((place / "fd").iterdir()))}
        return held

    def _line(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate()


@contextmanager
def _child(kind: str, given: dict[str, Any]) -> Iterator[Child]:
    child = Child(kind, given)
    try:
        yield child
    finally:
        child.close()


@pytest.fixture(scope="module")
def near() -> Iterator[Provider]:
    provider = Provider(Scripted())
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def far() -> Iterator[Child]:
    usual = {"pieces": _reply(150), "delay": 0.3, "between": 0.015, "echo": _NONCE}
    slow = {"pieces": _reply(200), "delay": 0.3, "between": 0.02, "echo": _NONCE}
    brief = {"pieces": _reply(60), "delay": 1.0, "between": 0.015, "echo": _NONCE}
    with _child("providers", {"usual": usual, "slow": slow, "brief": brief}) as child:
        yield child


@pytest.fixture(scope="module")
def page(far: Child, near: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Child]:
    addresses = {**far.said, "near": near.base_url}
    settings = {
        "library": str(tmp_path_factory.mktemp("load")),
        "articles": str(SAMPLES),
        "model": ",".join(addresses),
        "models": {name: {"base_url": url} for name, url in addresses.items()},
        "limits": {"answers_at_once": SEATS, "questions_per_minute": 0},
    }
    with _child("page", settings) as child:
        yield child


Work = Callable[[Sequence[Reader]], Awaitable[Any]]


def _with_readers(page: Child, count: int, model: str, work: Work) -> tuple[Any, list[float]]:
    """Let so many readers open the page and do something; return what came of it and how long /health took."""

    async def run() -> tuple[Any, list[float]]:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx.AsyncHTTPTransport(verify=False, limits=limits) as transport:
            readers = [Reader(page.said, transport, model) for _ in range(count)]
            for reader in readers:
                await reader.open()
            over = asyncio.Event()
            looking = asyncio.create_task(poll(page.said, 0.25, over))
            try:
                done = await work(readers)
            finally:
                over.set()
            return done, await looking

    return asyncio.run(run())


def _asking(readers: Sequence[Reader]) -> Awaitable[list[tuple[str, Told]]]:
    async def ask(reader: Reader) -> tuple[str, Told]:
        nonce = f"zq{secrets.token_hex(4)}"
        return nonce, await reader.ask(f"{QUESTION} {nonce}")

    return asyncio.gather(*map(ask, readers))


def _high(numbers: Sequence[float], share: float = 0.95) -> float:
    return sorted(numbers)[min(len(numbers) - 1, int(share * len(numbers)))] if numbers else 0.0


def _own_answers(told: Sequence[tuple[str, Told]]) -> list[Told]:
    """Return what was answered, after a look at each: whole, and about its own question only."""
    answered = [(nonce, seen) for nonce, seen in told if not seen.busy]
    for nonce, seen in answered:
        assert not seen.errors
        assert "fn-reply" in seen.html
        assert set(re.findall(_NONCE, seen.html)) == {nonce}
    return [seen for _, seen in answered]


def _report(name: str, answered: Sequence[Told], health: Sequence[float], more: str = "") -> None:
    first = [seen.first for seen in answered if seen.first is not None]
    took = max((seen.took for seen in answered), default=0.0)
    SUMMARY.lines.append(
        f"{name}: {len(answered)} answered in {took:.1f} s, first words p95 {_high(first):.2f} s, "
        f"/health p99 {_high(health, 0.99):.2f} s{more}"
    )


def _settled(page: Child, before: dict[str, int]) -> dict[str, int]:
    """Return what a page holds once it holds no more tasks and answers than before, or after a while."""
    until = time.monotonic() + _WAIT
    while (now := page.look())["answers"] or now["tasks"] > before["tasks"]:
        if time.monotonic() > until:
            break
        time.sleep(0.2)
    return now


@pytest.mark.parametrize("model", ["usual", "slow"])
def test_fifty_readers_at_once_get_each_their_own_answer(page: Child, model: str) -> None:
    told, health = _with_readers(page, 50, model, _asking)
    answered = _own_answers(told)
    _report(f"50 readers, {model} replies", answered, health)
    assert len(answered) == 50
    assert max(health) < 30  # infinite where one failed


def test_two_hundred_are_answered_or_told_to_ask_again_and_nothing_is_left_behind(page: Child, far: Child) -> None:
    _with_readers(page, SEATS, "brief", _asking)  # now it has as much memory as it ever needs
    before = page.look()
    told, health = _with_readers(page, 200, "brief", _asking)
    answered, busy = _own_answers(told), [seen for _, seen in told if seen.busy]
    after = _settled(page, before)
    _report("200 readers", answered, health, f"; {len(busy)} told to wait, p95 {_high([s.took for s in busy]):.2f} s")
    SUMMARY.lines.append(f"before 200 readers {before}, after {after}")
    assert len(answered) >= SEATS
    assert len(answered) + len(busy) == 200
    assert max(health) < 30
    assert after["answers"] == 0
    assert after["tasks"] <= before["tasks"]
    assert after.get("files", 0) <= before.get("files", 0) + 5
    assert after.get("memory", 0) <= before.get("memory", 0) * 1.25
    assert far.look()["connections"] == 0


LEAVING = {
    "before the first word": (Scripted(pieces=_reply(400), delay=20.0), 0),
    "at the first word": (Scripted(pieces=_reply(400), between=0.02), 1),
    "in the middle": (Scripted(pieces=_reply(400), between=0.02), 6),
    "while it is tried again": (error("Too many requests.", 429, retry_after="20"), 0),
}


@pytest.mark.parametrize("moment", LEAVING)
def test_who_leaves_is_not_answered_any_further(page: Child, near: Provider, moment: str) -> None:
    reply, words_seen = LEAVING[moment]
    near.play(reply)
    before = page.look()
    took: list[float] = []

    async def leave(readers: Sequence[Reader]) -> None:
        for at in range(0, len(readers), 5):
            await asyncio.gather(*(_leaving(reader, near, at + 5, words_seen) for reader in readers[at : at + 5]))
            left = time.monotonic()
            while near.connections and time.monotonic() < left + _WAIT:
                await asyncio.sleep(0.02)
            took.append(time.monotonic() - left)

    _with_readers(page, 15, "near", leave)
    SUMMARY.lines.append(f"left {moment}: 15 readers, the model's connections closed after {max(took):.2f} s at most")
    after = _settled(page, before)
    assert near.connections == 0
    assert max(took) < _WAIT
    assert after["answers"] == 0
    assert after["tasks"] <= before["tasks"]
    near.play(Scripted(pieces=words(_SENTENCE)))
    ((_, seen),), _ = _with_readers(page, 1, "near", _asking)
    assert "fn-reply" in seen.html


async def _leaving(reader: Reader, provider: Provider, requests: int, words_seen: int) -> None:
    """Ask, and go once the model was asked so often and so many pictures of its reply were seen."""
    seen = 0
    async with aclosing(reader.views(QUESTION, told := Told())) as views:
        async for _ in views:
            seen += told.first is not None
            until = time.monotonic() + _WAIT
            while not words_seen and len(provider.requests) < requests and time.monotonic() < until:
                await asyncio.sleep(0.02)
            if seen >= words_seen:
                return


def test_two_readers_who_ask_the_same_at_once_get_each_their_own_answer(page: Child, near: Provider) -> None:
    # What the model is asked with is marked by letters drawn for each question: the reply tells which one it is for.
    near.play(Scripted(pieces=_reply(10), echo=r"(?<=<passage-)\w+"))

    async def ask(readers: Sequence[Reader]) -> list[Told]:
        told: list[Told] = []
        for _ in range(100):
            told += await asyncio.gather(*(reader.ask(QUESTION) for reader in readers))
            for reader in readers:
                reader.begin_anew()
        return told

    told, _ = _with_readers(page, 2, "near", ask)
    assert all("fn-reply" in seen.html and not seen.errors for seen in told)
    said = [re.findall(r"Meta made its (\w+)", seen.html) for seen in told]
    assert len({marks[0] for marks in said}) == 200
    assert all(len(set(marks)) == 1 for marks in said)
