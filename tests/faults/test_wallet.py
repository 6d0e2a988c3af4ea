"""What hostile readers can make an operator pay: never more requests and tokens than the limits allow."""

from __future__ import annotations

import json
import logging
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.app import Footnote
from rag.budget import Budget
from rag.config import LimitSettings, Settings
from rag.errors import LimitError, ProviderError
from rag.limits import Limits, estimated_prompt
from rag.quotes import QuoteAnswerer
from rag.spending import FILE_NAME, Spending
from rag.types import Answer, Draft, Evidence
from tests.conftest import NoProbe
from tests.evidence import evidence, hit
from tests.faults.tiny import TinyEmbedding
from tests.provider import DONE, Provider, Scripted, error, event, serving, words
from tests.summary import SUMMARY

Open = Callable[..., Footnote]
QUESTION = "How long is the bridge at Ostvik?"
REPLY = "The bridge at Ostvik is 412 metres long [1]."
DAY = datetime(2026, 3, 1, 22, tzinfo=UTC)
FOUND = evidence(QUESTION, hit("The bridge at Ostvik is 412 metres long."))


def never() -> bool:
    return False


# ---------------------------------------------------------------- questions a minute


class Clock:
    """A clock that stands still until it is told."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_reader_who_asks_too_often_is_told_when_to_ask_again_and_others_are_not_held_up(tmp_path: Path) -> None:
    clock = Clock()
    limits = Limits(LimitSettings(questions_per_minute=3), tmp_path, clock)
    for second in (0, 10, 20):
        clock.now = 1000 + second
        limits.admit("one")
    for _ in range(50):  # asking on does not make it longer
        with pytest.raises(LimitError, match=r"asked 3 questions in a minute\. Ask again in 41 s") as refused:
            limits.admit("one")
    assert (refused.value.retry_after, refused.value.exit_code, refused.value.retryable) == (41, 4, True)
    limits.admit("other")
    clock.now += refused.value.retry_after
    limits.admit("one")
    with pytest.raises(LimitError):
        limits.admit("one")


def test_no_limit_means_none_and_nothing_is_remembered(tmp_path: Path) -> None:
    limits = Limits(LimitSettings(questions_per_minute=0), tmp_path)
    for i in range(1000):
        limits.admit(f"reader {i % 3}")
    assert not limits._asked


def test_readers_who_left_are_forgotten(tmp_path: Path) -> None:
    clock = Clock()
    limits = Limits(LimitSettings(), tmp_path, clock)
    for i in range(20_000):
        clock.now += 0.1
        limits.admit(f"session {i}")
    assert len(limits._asked) < 2000


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 30)), max_size=60), st.integers(1, 5))
def test_no_minute_has_more_questions_of_a_reader_than_allowed(asked: list[tuple[str, float]], most: int) -> None:
    clock = Clock()
    limits = Limits(LimitSettings(questions_per_minute=most), Path("none"), clock)
    admitted: dict[str, list[float]] = {"a": [], "b": []}
    for reader, pause in asked:
        clock.now += pause
        full = len([at for at in admitted[reader] if at > clock.now - 60]) == most
        with pytest.raises(LimitError) if full else nullcontext():
            limits.admit(reader)
        if not full:
            admitted[reader].append(clock.now)
    for times in admitted.values():
        assert all(len([at for at in times if end - 60 < at <= end]) <= most for end in times)


# ---------------------------------------------------------------- answers at once


class Model:
    """An answerer that counts how many of its answers are being written at once."""

    def __init__(self, seconds: float) -> None:
        self.most = self.begun = self._now = 0
        self._seconds = seconds
        self._lock = threading.Lock()

    def stream(self, found: Evidence, stopped: Callable[[], bool], budget: Budget) -> Iterator[str | Draft]:
        with self._lock:
            self._now += 1
            self.begun += 1
            self.most = max(self.most, self._now)
        try:
            time.sleep(self._seconds)
            yield "It is long."
            yield QuoteAnswerer(1).quote(found)
        finally:
            with self._lock:
                self._now -= 1


def guarded(model: Model, folder: Path, wait: float = 30, **values: int) -> Any:
    return Limits(LimitSettings(**values), folder, wait=wait).answering(model.stream, QuoteAnswerer(3).quote, 100, "m")


def test_no_more_answers_are_written_at_once_than_allowed_and_all_get_theirs(tmp_path: Path) -> None:
    model = Model(0.02)
    answer = guarded(model, tmp_path, answers_at_once=3)
    with ThreadPoolExecutor(24) as pool:
        replies = list(pool.map(lambda _: list(answer(FOUND, never, Budget())), range(24)))
    assert (model.most, model.begun) == (3, 24)
    assert all(isinstance(reply[-1], Draft) for reply in replies)


def test_who_waits_too_long_is_told_so_and_who_stops_waiting_gets_nothing(tmp_path: Path) -> None:
    model = Model(0)
    answer = guarded(model, tmp_path, wait=0.3, answers_at_once=1)
    slow = answer(FOUND, never, Budget())
    assert next(slow) == "It is long."  # and is not read on
    with pytest.raises(LimitError, match=r"at the moment\. Ask again in 10 s") as refused:
        list(answer(FOUND, never, Budget()))
    assert refused.value.retry_after == 10
    (draft,) = answer(FOUND, lambda: True, Budget())
    assert (draft.text, draft.cut) == ("", "stopped by the reader")
    slow.close()
    assert isinstance(list(answer(FOUND, never, Budget()))[-1], Draft)
    assert model.begun == 2


# ---------------------------------------------------------------- tokens a day


def spent(folder: Path) -> int:
    """Return the tokens that are counted for the day in a folder."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as database:
        row = database.execute("SELECT tokens FROM days").fetchone()
    return int(row[0]) if row else 0


def test_what_is_reserved_is_spent_until_it_is_settled_and_outlives_its_process(tmp_path: Path) -> None:
    day = Spending(tmp_path, 1000, lambda: DAY)
    first = day.reserve(400, 3)
    assert (first.requests, first.tokens) == (1, 400)  # little is left: no retries
    assert day.reserve(400, 3).requests == 1
    assert day.reserve(400, 3).requests == 0
    again = Spending(tmp_path, 1000, lambda: DAY)  # another process, or the same one later
    assert again.reserve(400, 3).requests == 0
    day.settle(first, 150)
    assert spent(tmp_path) == 550
    assert again.reserve(400, 3).requests == 1
    assert again.reserve(51, 1).requests == 0


def test_retries_are_reserved_while_there_is_plenty(tmp_path: Path) -> None:
    day = Spending(tmp_path, 1_000_000, lambda: DAY)
    assert day.reserve(400, 3).requests == 3
    assert spent(tmp_path) == 1200


def test_a_new_day_begins_at_nothing_and_takes_no_settlement_of_the_last(tmp_path: Path) -> None:
    now = [DAY]
    day = Spending(tmp_path, 1000, lambda: now[0])
    reserved = day.reserve(900, 1)
    assert (day.seconds_left, day.reserve(900, 1).requests) == (7201, 0)
    now[0] = DAY + timedelta(hours=3)
    assert day.reserve(900, 1).requests == 1
    day.settle(reserved, 0)
    assert spent(tmp_path) == 900
    now[0] = DAY  # a clock that was set back
    assert day.reserve(900, 1).requests == 1


def test_a_reply_longer_than_reserved_is_counted_whole(tmp_path: Path) -> None:
    day = Spending(tmp_path, 1000, lambda: DAY)
    day.settle(day.reserve(500, 1), 5000)
    assert spent(tmp_path) == 5000
    assert day.reserve(1, 1).requests == 0


@pytest.mark.parametrize("damage", ["no folder", "damaged"])
def test_where_nothing_can_be_counted_it_says_so_once_and_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    folder = tmp_path / "gone" if damage == "no folder" else tmp_path
    if damage == "damaged":
        (tmp_path / FILE_NAME).write_bytes(b"nonsense " * 1000)
    with caplog.at_level(logging.WARNING):
        day = Spending(folder, 1000, lambda: DAY)
        for _ in range(5):
            reserved = day.reserve(400, 3)
            assert (reserved.requests, reserved.tokens) == (3, 0)
            day.settle(reserved, 10)
    assert len(caplog.records) == 1
    assert "tokens of today are not counted" in caplog.text


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 300), st.integers(0, 3), st.floats(0, 1)), max_size=25))
def test_reservations_and_what_was_spent_never_pass_the_limit(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[int, int, float]]
) -> None:
    folder = tmp_path_factory.mktemp("day")
    day = Spending(folder, 1000, lambda: DAY)
    expected = 0
    for each, requests, share in asked:
        reserved = day.reserve(each, requests)
        assert reserved.tokens == each * reserved.requests <= 1000 - expected
        used = int(share * reserved.tokens)
        day.settle(reserved, used)
        expected += used
        assert spent(folder) == expected <= 1000


def test_several_processes_together_never_pass_the_limit(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from rag.spending import Spending\n"
        f"day = Spending(Path({str(tmp_path)!r}), 1000)\n"
        "print(sum(day.reserve(10, 1).requests for _ in range(60)))"
    )
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert sum(int(process.communicate()[0]) for process in running) == 100


# ---------------------------------------------------------------- hostile readers, a real library, real HTTP


@pytest.fixture
def open_limited(open_at: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Footnote]:
    """Return a function that opens a library whose provider is scripted, with limits."""
    monkeypatch.setattr("rag.index.Probe", NoProbe)
    monkeypatch.setattr("rag.factory.MiniLMEmbedding", TinyEmbedding)

    def open_(provider: Provider, **limits: int) -> Footnote:
        model = {"model": "m", "models": {"m": {"base_url": provider.base_url}}}
        library = open_at(**model, answer={"max_tokens": 100})
        library.sync()
        kept = Limits(LimitSettings(**limits), tmp_path)
        answering = kept.answering(library._answerer.stream, QuoteAnswerer(3).quote, 100, "m")
        library._engine._answerer = answering
        return library

    return open_


def reporting(tokens: int, delay: float = 0.0) -> Scripted:
    """Return a reply that costs so many tokens, as its provider says."""
    usage = {"prompt_tokens": tokens - 9, "completion_tokens": 9, "total_tokens": tokens}
    last = {"id": "c1", "object": "chat.completion.chunk", "created": 0, "model": "scripted", "choices": []}
    pieces = [event({"role": "assistant", "content": ""}), *(event({"content": piece}) for piece in words(REPLY))]
    end = [event({}, "stop"), b"data: " + json.dumps({**last, "usage": usage}).encode() + b"\n\n", DONE]
    return Scripted(raw=b"".join([*pieces, *end]), delay=delay)


def price(library: Footnote) -> int:
    """Return what is reserved for one request of the question."""
    return estimated_prompt(library.search(QUESTION)) + 100


def outcome(library: Footnote, question: str = QUESTION) -> str:
    """Return which model answered, or that none could."""
    try:
        answer = library.ask(question)
    except ProviderError as failure:
        return type(failure).__name__
    if answer.model == "quotes":
        (warning,) = answer.warnings
        assert warning.startswith("The tokens of today are used up: answered in quotes. Models answer again in")
        assert (answer.status, "412 metres" in answer.text) == ("grounded", True)
    return answer.model


def test_200_readers_at_once_get_no_more_out_of_a_provider_than_the_day_allows(
    open_limited: Callable[..., Footnote],
) -> None:
    with serving(Scripted()) as provider, open_limited(provider) as unlimited:
        cost = price(unlimited)
    with (
        serving(reporting(cost, delay=0.2)) as provider,
        open_limited(provider, tokens_per_day=10 * cost + cost // 2) as library,
        ThreadPoolExecutor(200) as pool,
    ):
        answers = list(pool.map(lambda _: outcome(library), range(200)))
        assert len(provider.requests) == answers.count("m") == 10
        assert answers.count("quotes") == 190
        assert outcome(library) == "quotes"
        assert len(provider.requests) == 10
    SUMMARY.lines.append("denial of wallet: 200 readers at once, 10 requests allowed, 10 sent, 190 answered in quotes")


def test_a_reader_who_leaves_again_and_again_pays_for_it(open_limited: Callable[..., Footnote]) -> None:
    endless = Scripted([f"Sentence {i} is here [1]. " for i in range(2000)], between=0.01)
    with serving(endless) as provider:
        with open_limited(provider) as unlimited:
            prompt = price(unlimited) - 100
        with open_limited(provider, tokens_per_day=10 * (prompt + 100), answers_at_once=2) as library:
            for _ in range(40):
                stream = library.stream(QUESTION)
                next(stream)
                stream.close()  # type: ignore[attr-defined]
            sent = list(provider.requests)
            assert outcome(library) == "quotes"
        # What was left unread is estimated, so it costs at least its prompt; a reader gets no more than that buys.
        assert 9 <= len(sent) <= 10 * (prompt + 100) // prompt
        assert all(request.given_up(within=2) for request in sent)


@pytest.mark.parametrize(
    "script", [error("broken", 500), Scripted([""]), Scripted(hang_up=True)], ids=["500", "empty", "hangs up"]
)
def test_a_storm_of_failures_is_paid_for_and_ends(open_limited: Callable[..., Footnote], script: Scripted) -> None:
    with serving(script) as provider:
        with open_limited(provider) as unlimited:
            cost = price(unlimited)
        with open_limited(provider, tokens_per_day=12 * cost) as library:
            with ThreadPoolExecutor(30) as pool:
                answers = list(pool.map(lambda _: outcome(library), range(30)))
            assert set(answers) <= {"quotes", "ProviderError"}
            assert 0 < len(provider.requests) <= 12 * cost // (cost - 100)


def test_the_count_of_a_library_is_of_all_that_was_sent(open_limited: Callable[..., Footnote], tmp_path: Path) -> None:
    with serving(error("broken", 500), reporting(321)) as provider:
        with open_limited(provider, tokens_per_day=10_000_000) as library:
            prompt = price(library) - 100
            answer = library.ask(QUESTION)
        assert isinstance(answer, Answer)
        assert len(provider.requests) == 2
        assert spent(tmp_path) == prompt + 321


def test_limits_of_0_or_less_are_told_apart() -> None:
    assert Settings().limits.tokens_per_day == 0
    with pytest.raises(ValueError, match="answers_at_once"):
        LimitSettings(answers_at_once=0)
    with pytest.raises(ValueError, match="tokens_per_day"):
        LimitSettings(tokens_per_day=-1)
