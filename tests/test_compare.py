"""Side by side: every piece in its order, the last of each an end, whatever goes wrong in one of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.compare import side_by_side
from rag.errors import ProviderError
from rag.types import Answer
from tests.evidence import evidence

Stopped = Callable[[], bool]


def answer(text: str) -> Answer:
    return Answer("?", "grounded", text, (), (), evidence("?"), "m")


def writing(pieces: list[str], failing: bool) -> Callable[[Stopped], Iterator[str | Answer]]:
    def answering(_: Stopped) -> Iterator[str | Answer]:
        yield from pieces
        if failing:
            raise ProviderError("gone")
        yield answer("".join(pieces))

    return answering


@given(st.lists(st.tuples(st.lists(st.text(max_size=3), max_size=5), st.booleans()), max_size=4))
def test_each_stream_comes_whole_and_in_order_and_ends_once(plan: list[tuple[list[str], bool]]) -> None:
    parts = list(side_by_side([writing(pieces, failing) for pieces, failing in plan]))
    for place, (pieces, failing) in enumerate(plan):
        *texts, end = [part for number, part in parts if number == place]
        assert texts == pieces
        assert isinstance(end, ProviderError) if failing else end == answer("".join(pieces))
    assert len(parts) == sum(len(pieces) + 1 for pieces, _ in plan)


def test_any_other_error_ends_all_and_leaves_no_thread() -> None:
    ended = threading.Event()

    def waiting(stopped: Stopped) -> Iterator[str | Answer]:
        while not stopped():
            yield "."
        ended.set()

    def broken(_: Stopped) -> Iterator[str | Answer]:
        yield "a"
        raise KeyError("a fault of ours")

    with pytest.raises(KeyError):
        list(side_by_side([waiting, broken]))
    assert ended.is_set()
    assert not [thread for thread in threading.enumerate() if thread.name == "compare"]
