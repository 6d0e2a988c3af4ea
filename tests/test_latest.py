"""The way of an answer from the thread that writes it to the event loop that serves it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from ui.latest import latest


def test_what_is_made_arrives_in_order_and_the_last_of_it_always() -> None:
    async def take() -> list[int]:
        return [part async for part in latest(iter(range(1000)), threading.Event())]

    taken = asyncio.run(take())
    assert taken == sorted(set(taken))
    assert taken[-1] == 999


def test_where_more_is_made_than_taken_the_latest_is_taken() -> None:
    made, taken_one = threading.Event(), threading.Event()

    def make() -> Iterator[int]:
        yield 0
        taken_one.wait(10)
        yield from range(1, 10)
        made.set()

    async def take() -> list[int]:
        taken = []
        async for part in latest(make(), threading.Event()):
            taken.append(part)
            taken_one.set()
            made.wait(10)  # the loop stands still meanwhile
        return taken

    assert asyncio.run(take()) == [0, 9]


def test_without_news_the_last_is_told_again() -> None:
    go_on = threading.Event()

    def make() -> Iterator[str]:
        yield "first"
        go_on.wait(10)
        yield "second"

    async def take() -> list[str]:
        taken = []
        async for part in latest(make(), threading.Event()):
            taken.append(part)
            if len(taken) == 2:
                go_on.set()
        return taken

    taken = asyncio.run(take())
    assert taken[:2] == ["first", "first"]
    assert taken[-1] == "second"


def test_what_goes_wrong_is_raised_where_it_is_taken() -> None:
    def make() -> Iterator[int]:
        yield 1
        raise ValueError("it broke")

    async def take() -> list[int]:
        return [part async for part in latest(make(), threading.Event())]

    with pytest.raises(ValueError, match="it broke"):
        asyncio.run(take())


def test_who_leaves_tells_the_thread_and_does_not_wait_for_it() -> None:
    left, ended = threading.Event(), threading.Event()

    def make() -> Iterator[int]:
        yield 1
        left.wait(10)
        ended.set()

    async def take() -> None:
        async with aclosing(latest(make(), left)) as parts:
            async for _ in parts:
                return

    asyncio.run(take())
    assert left.is_set()
    assert ended.wait(10)
