"""Conversations on disk: each reader finds their own again, nobody else does, and what is deleted is gone."""

from __future__ import annotations

import logging
import os
import resource
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rag.errors import InputError, StoreError
from rag.receipt import receipt
from rag.text import clean
from rag.types import Answer, Scope
from tests.summary import SUMMARY
from tests.test_recall import EMBEDDER, FOUND, example
from ui import conversations as module
from ui.conversations import FILE_NAME, MOST_TURNS, Conversations
from ui.render import shortened
from ui.turns import Asked, Feedback, Mode, Reply, Turn

ANSWER = example()
REFUSAL = Answer("Why?", "not_found", "The articles do not answer this question.", (), (), FOUND, "quotes")
EVENING = datetime(2026, 3, 1, 18, tzinfo=UTC)


def made(answer: Answer) -> dict[str, Any]:
    return receipt(answer, EMBEDDER)


class Clock:
    """Tells a later time whenever it is asked."""

    def __init__(self) -> None:
        self.now = EVENING

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


def asked(question: str, *replies: Reply, **details: Any) -> Turn:
    return Turn(question, replies or (Reply(REFUSAL),), **details)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Conversations]:
    store = Conversations(tmp_path / FILE_NAME, 30, made, clock)
    yield store
    store.close()


@contextmanager
def opened(folder: Path, keep_days: int = 30, clock: Callable[[], datetime] = lambda: EVENING) -> Iterator[Any]:
    store = Conversations(folder / FILE_NAME, keep_days, made, clock)
    try:
        yield store
    finally:
        store.close()


# ---------------------------------------------------------------- what comes back


def test_a_turn_comes_back_from_the_file_as_it_was(tmp_path: Path) -> None:
    identifier = Conversations.new_id()
    how = Asked("compare", ("house", "cloud"), Scope(("a1b2",), "2025-09-01"))
    turn = asked(
        "How long is it?",
        Reply(ANSWER, None, Feedback(True, "It is <right>.")),
        Reply(REFUSAL, "The model failed."),
        Reply(None, "No key is set."),
        asked=how,
        at="2026-03-01T18:00:00+00:00",
    )
    with opened(tmp_path) as store:
        store.append("one", identifier, turn)
        store.append("one", identifier, asked("And half a character: \ud800?"))
        assert store.kept
    with opened(tmp_path) as store:
        first, second = store.turns("one", identifier)
        assert store.title("one", identifier) == "How long is it?"
        (listed,) = store.list("one")
    assert first == turn
    assert second.question == "And half a character: \ud800?"
    assert listed == (identifier, "How long is it?", EVENING.isoformat(timespec="microseconds"), 2)


def test_only_the_owner_may_read_the_file_and_no_session_is_in_it(tmp_path: Path, store: Conversations) -> None:
    store.append("the-session-of-someone", store.new_id(), asked("Why?"))
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"the-session-of-someone" not in file.read_bytes()


def test_ids_are_fit_for_addresses_and_differ() -> None:
    made_ids = {Conversations.new_id() for _ in range(100)}
    assert len(made_ids) == 100
    assert all(len(identifier) == 22 and identifier.isascii() for identifier in made_ids)


# ---------------------------------------------------------------- it behaves as a dictionary

SESSIONS = st.sampled_from(["one", "two", "three"])
WORDS = st.sampled_from(
    ["100% of it", "100 of it", "a_b", "aXb", "Straße", "STRASSE", "茶叶", "Ünal", "\x00", "\ud800", "'"]
)
QUESTIONS = st.lists(WORDS, min_size=1, max_size=3).map(" ".join) | st.text(min_size=1, max_size=12)
FEEDBACKS = st.none() | st.builds(Feedback, st.booleans(), st.text(max_size=5))
REPLIES = st.sampled_from([Reply(ANSWER), Reply(REFUSAL), Reply(None, "It failed."), Reply(REFUSAL, "It failed.")])
MODES: st.SearchStrategy[Mode] = st.sampled_from(["answer", "search", "compare"])
TURNS = st.builds(
    Turn,
    QUESTIONS,
    st.lists(REPLIES, min_size=1, max_size=2).map(tuple),
    st.builds(Asked, MODES, st.just(("m",)), st.builds(Scope, st.just(("x",)), st.none())),
    st.just("2026-01-01"),
)
IDS = [Conversations.new_id() for _ in range(5)]


def folded(text: str) -> str:
    return clean(text).casefold()


class Store(RuleBasedStateMachine):
    """A store beside a dictionary of conversations, in the order in which they were last asked."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.clock = Clock()
        self.told: dict[str, tuple[str, str | None, list[Turn]]] = {}
        self.open()

    def open(self) -> None:
        self.store = Conversations(Path(self.folder.name) / FILE_NAME, 30, made, self.clock)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            self.folder.cleanup()

    def mine(self, session: str, identifier: str) -> list[Turn]:
        owner, _, turns = self.told.get(identifier, (session, None, []))
        return turns if owner == session else []

    @rule()
    def start_again(self) -> None:
        self.store.close()
        self.open()

    @rule(session=SESSIONS, identifier=st.sampled_from(IDS), turn=TURNS)
    def append(self, session: str, identifier: str, turn: Turn) -> None:
        owner, title, turns = self.told.get(identifier, (session, None, []))
        if owner != session:
            with pytest.raises(InputError):
                self.store.append(session, identifier, turn)
            return
        self.store.append(session, identifier, turn)
        self.told.pop(identifier, None)
        self.told[identifier] = (session, title, [*turns, turn])

    @rule(session=SESSIONS, identifier=st.sampled_from(IDS), number=st.integers(-1, 4), turn=TURNS)
    def replace(self, session: str, identifier: str, number: int, turn: Turn) -> None:
        turns = self.mine(session, identifier)
        if not 1 <= number <= len(turns):
            with pytest.raises(InputError):
                self.store.replace(session, identifier, number, turn)
            return
        self.store.replace(session, identifier, number, turn)
        title = self.told.pop(identifier)[1]
        self.told[identifier] = (session, title, [*turns[: number - 1], turn])

    @rule(
        session=SESSIONS,
        identifier=st.sampled_from(IDS),
        number=st.integers(0, 4),
        k=st.integers(0, 3),
        given=FEEDBACKS,
    )
    def judge(self, session: str, identifier: str, number: int, k: int, given: Feedback | None) -> None:
        turns = self.mine(session, identifier)
        if not (1 <= number <= len(turns) and 1 <= k <= len(turns[number - 1].replies)):
            with pytest.raises(InputError):
                self.store.set_feedback(session, identifier, number, k, given)
            return
        self.store.set_feedback(session, identifier, number, k, given)
        turn = turns[number - 1]
        replies = list(turn.replies)
        replies[k - 1] = replace(replies[k - 1], feedback=given)
        turns[number - 1] = replace(turn, replies=tuple(replies))

    @rule(session=SESSIONS, identifier=st.sampled_from(IDS), title=QUESTIONS)
    def rename(self, session: str, identifier: str, title: str) -> None:
        self.store.rename(session, identifier, title)
        if self.mine(session, identifier) and (title := shortened(clean(title), 80)):
            self.told[identifier] = (session, title, self.told[identifier][2])

    @rule(session=SESSIONS, identifier=st.sampled_from(IDS))
    def delete(self, session: str, identifier: str) -> None:
        self.store.delete(session, identifier)
        if self.mine(session, identifier):
            del self.told[identifier]

    @rule(session=SESSIONS)
    def delete_all(self, session: str) -> None:
        self.store.delete_all(session)
        self.told = {identifier: one for identifier, one in self.told.items() if one[0] != session}

    @rule(
        session=SESSIONS, wanted=WORDS | st.sampled_from(["%", "_", "articles DO", "412 METRES", "ss", "straße", " "])
    )
    def search(self, session: str, wanted: str) -> None:
        found = [item.id for item in self.store.list(session, wanted)]
        needle = folded(wanted).strip()
        expected = [
            identifier
            for identifier, (owner, title, turns) in reversed(self.told.items())
            if owner == session and any(needle in text for text in texts(title, turns))
        ]
        assert found == expected

    @invariant()
    def the_same_is_told(self) -> None:
        for session in ("one", "two", "three") if hasattr(self, "store") else ():
            owned = [(name, told) for name, told in reversed(self.told.items()) if told[0] == session]
            listed = self.store.list(session)
            assert [(item.id, item.turns) for item in listed] == [(name, len(told[2])) for name, told in owned]
            for name, (_, title, turns) in owned:
                assert self.store.turns(session, name) == tuple(turns)
                assert self.store.title(session, name) == (title or shortened(clean(turns[0].question), 80))
            assert all(not self.store.turns(session, name) for name in IDS if name not in dict(owned))


def texts(title: str | None, turns: list[Turn]) -> list[str]:
    """Return what a search looks through."""
    answers = [reply.answer.text for turn in turns for reply in turn.replies if reply.answer]
    first = title or shortened(clean(turns[0].question), 80)
    return [folded(text) for text in (first, *(turn.question for turn in turns), *answers)]


TestStore = Store.TestCase
TestStore.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)


# ---------------------------------------------------------------- whose it is, and how much


def test_another_readers_conversation_cannot_be_seen_changed_or_told_from_one_that_is_not_there(
    store: Conversations,
) -> None:
    theirs, free = store.new_id(), store.new_id()
    store.append("one", theirs, asked("A secret?"))
    for identifier in (theirs, free):
        assert (store.turns("two", identifier), store.title("two", identifier)) == ((), "")
        store.rename("two", identifier, "Mine")
        store.delete("two", identifier)
        with pytest.raises(InputError, match="not there any more"):
            store.replace("two", identifier, 1, asked("Mine?"))
        with pytest.raises(InputError, match="not there any more"):
            store.set_feedback("two", identifier, 1, 1, Feedback(False))
    store.delete_all("two")
    assert store.list("two", "secret") == []
    assert store.title("one", theirs) == "A secret?"
    assert store.turns("one", theirs) == (asked("A secret?"),)


@pytest.mark.parametrize("identifier", ["", "x", "../../../etc/passwd....", "a" * 23, "a" * 21 + "\n", "茶" * 22])
def test_an_id_that_was_not_made_here_begins_no_conversation(store: Conversations, identifier: str) -> None:
    with pytest.raises(InputError):
        store.append("one", identifier, asked("Why?"))
    assert store.turns("one", identifier) == ()


@pytest.mark.parametrize("number", [-(2**70), -1, 0, 2, 2**63, 2**70])
def test_a_turn_of_any_other_number_is_not_there(store: Conversations, number: int) -> None:
    identifier = store.new_id()
    store.append("one", identifier, asked("Why?"))
    with pytest.raises(InputError):
        store.replace("one", identifier, number, asked("What?"))
    with pytest.raises(InputError):
        store.set_feedback("one", identifier, 1, number, None)


def test_a_full_conversation_refuses_one_more_turn_and_a_reader_keeps_the_newest_conversations(
    store: Conversations, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_TURNS", 3)
    monkeypatch.setattr(module, "MOST_CONVERSATIONS", 4)
    ids = [store.new_id() for _ in range(6)]
    for identifier in ids:
        store.append("one", identifier, asked("Why?"))
        store.append("two", store.new_id(), asked("Why?"))
    assert [item.id for item in store.list("one")] == ids[:1:-1]
    store.append("one", ids[5], asked("Why?"))
    store.append("one", ids[5], asked("Why?"))
    with pytest.raises(InputError, match="Begin a new one"):
        store.append("one", ids[5], asked("Why?"))
    assert len(store.turns("one", ids[5])) == 3
    assert len(store.list("two")) == 4
    assert MOST_TURNS == 200


def test_a_turn_that_is_too_large_is_refused_and_the_conversation_stays(store: Conversations) -> None:
    identifier = store.new_id()
    store.append("one", identifier, asked("Why?"))
    with pytest.raises(StoreError, match="too large"):
        store.append("one", identifier, asked("x" * 4_000_001))
    assert store.turns("one", identifier) == (asked("Why?"),)


def test_a_long_first_question_is_shortened_to_the_title(store: Conversations) -> None:
    identifier = store.new_id()
    store.append("one", identifier, asked("Why\n is " + "it " * 100))
    assert store.title("one", identifier).startswith("Why is it it")
    assert len(store.title("one", identifier)) <= 82


# ---------------------------------------------------------------- how long


def test_what_was_last_asked_too_long_ago_goes_at_opening_and_while_others_ask(tmp_path: Path) -> None:
    clock = Clock()
    old, kept = Conversations.new_id(), Conversations.new_id()
    with opened(tmp_path, 2, clock) as store:
        store.append("one", old, asked("Old?"))
        store.append("one", kept, asked("Kept?"))
        clock.now += timedelta(days=1)
        store.append("one", kept, asked("Again?"))
        clock.now += timedelta(days=1, minutes=1)
        assert store.title("one", old) == "Old?"
        store.append("two", Conversations.new_id(), asked("Else?"))
        assert [item.id for item in store.list("one")] == [kept]
    clock.now += timedelta(days=1)
    with opened(tmp_path, 2, clock) as store:
        assert store.list("one") == []
        assert len(store.list("two")) == 1


WORD = st.integers(0, 10**9).map(lambda number: f"zq{number:09}qz")


@given(st.lists(st.tuples(st.sampled_from("ab"), WORD, st.integers(1, 3000)), min_size=1, max_size=12))
@settings(max_examples=15)
def test_the_words_that_were_deleted_are_gone_from_the_file(asks: list[tuple[str, str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as store:
        ids = {"a": Conversations.new_id(), "b": Conversations.new_id()}
        for name, word, length in asks:
            store.append("one", ids[name], asked(f"{word} " * (length // 12 + 1)))
            store.append("two", Conversations.new_id(), asked("Why?"))
        store.append("one", ids["a"], asked("last"))
        store.replace("one", ids["a"], 1, asked("other"))
        left = {word for name, word, _ in asks if name == "b"}
        for _ in range(2):
            data = (Path(folder) / FILE_NAME).read_bytes()
            assert not [word for _, word, _ in asks if word not in left and word.encode() in data]
            left = set()
            store.delete_all("one")
        assert len(store.list("two")) == len(asks)


# ---------------------------------------------------------------- many at once, and what goes wrong


def test_many_threads_ask_and_look_at_once_and_lose_nothing(store: Conversations) -> None:
    ids = {f"reader {number}": store.new_id() for number in range(8)}

    def read(session: str) -> None:
        for number in range(15):
            store.append(session, ids[session], asked(f"Question {number}?"))
            assert len(store.turns(session, ids[session])) == number + 1
            assert [item.id for item in store.list(session, f"question {number}")] == [ids[session]]

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(read, ids))
    for session, identifier in ids.items():
        assert [turn.question for turn in store.turns(session, identifier)] == [f"Question {n}?" for n in range(15)]


KILLED = """
import sys
from pathlib import Path
from tests.test_conversations import asked, made
from ui.conversations import Conversations
store = Conversations(Path(sys.argv[1]), 30, made)
for number in range(int(sys.argv[3]), 100000):
    store.append("one", sys.argv[2], asked(f"Question {number}?"))
    if number % 7 == 6:
        store.replace("one", sys.argv[2], number + 1, asked(f"Question {number}?"))
    print(number, flush=True)
"""


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    identifier, count = Conversations.new_id(), 0
    for delay in (3, 11, 26):
        command = [sys.executable, "-c", KILLED, str(tmp_path / FILE_NAME), identifier, str(count)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent) as child:
            assert child.stdout is not None
            for _ in range(delay):
                assert child.stdout.readline()
            child.send_signal(signal.SIGKILL)
            acknowledged = count + delay + len(child.stdout.readlines())
        with opened(tmp_path, clock=lambda: datetime.now(UTC)) as store:
            turns = store.turns("one", identifier)
        assert [turn.question for turn in turns] == [f"Question {n}?" for n in range(len(turns))]
        assert acknowledged <= len(turns) <= acknowledged + 1
        SUMMARY.add(turns_kept_through_a_kill=acknowledged - count)
        count = len(turns)
    assert list(tmp_path.iterdir()) == [tmp_path / FILE_NAME]


def test_without_a_file_or_a_place_for_it_conversations_are_in_memory(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").touch()
    (tmp_path / FILE_NAME).mkdir()
    for file in (None, tmp_path / "away" / FILE_NAME, tmp_path / "taken" / FILE_NAME, tmp_path / FILE_NAME):
        caplog.clear()
        store = Conversations(file, 30, made)
        assert not store.kept
        assert ("are not kept" in caplog.text) == (file is not None)
        identifier = store.new_id()
        store.append("one", identifier, asked("Why?"))
        assert store.turns("one", identifier) == (asked("Why?"),)
        assert store.list("two") == []
        store.close()


def kept_file(folder: Path) -> tuple[Path, str]:
    """Return a file in which one conversation of many pages is kept, and its id."""
    identifier = Conversations.new_id()
    with opened(folder) as store:
        for number in range(8):
            store.append("one", identifier, asked(f"Question {number}?", Reply(ANSWER)))
    return folder / FILE_NAME, identifier


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "text": lambda _: b"These are not the bytes you are looking for. " * 100,
    "no header": lambda data: b"\0" * 100 + data[100:],
    "cut": lambda data: data[:5000],
    "a page of noise": lambda data: data[:4096] + b"\xa5" * 4096 + data[8192:],
    "pages of noise": lambda data: data[:4096] + b"\xa5" * (len(data) - 4096),
    "another format": lambda data: data[:44] + b"\0\0\0\x09" + data[48:],
    "a newer version": lambda data: data[:60] + b"\0\0\0\x63" + data[64:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    file, identifier = kept_file(tmp_path)
    damaged = damage(file.read_bytes())
    file.write_bytes(damaged)
    with caplog.at_level(logging.WARNING), opened(tmp_path) as store:
        assert store.kept
        assert store.turns("one", identifier) == ()
        store.append("one", identifier, asked("Why?"))
    (aside,) = (path for path in tmp_path.iterdir() if path != file)
    assert aside.name.startswith(f"{FILE_NAME}.damaged-")
    assert aside.read_bytes() == damaged
    assert aside.name in caplog.text
    with opened(tmp_path) as store:
        assert store.turns("one", identifier) == (asked("Why?"),)
    os.utime(aside, (0, 0))
    with opened(tmp_path):  # nobody's words are kept for longer there
        assert not aside.exists()


@given(st.data())
@settings(max_examples=25)
def test_whatever_bytes_of_the_file_are_damaged_it_opens_and_answers(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file, identifier = kept_file(folder)
        content = bytearray(file.read_bytes())
        for _ in range(data.draw(st.integers(1, 5))):
            at = data.draw(st.integers(0, 119) | st.integers(0, len(content) - 1))
            content[at] = data.draw(st.integers(0, 255))
        file.write_bytes(content)
        logging.disable()
        try:
            with opened(folder) as store:
                works: list[Callable[[], object]] = [
                    lambda: store.list("one", "question"),
                    lambda: store.turns("one", identifier),
                    lambda: store.set_feedback("one", identifier, 1, 1, Feedback(True)),
                    lambda: store.append("one", identifier, asked("Why?")),
                    lambda: store.delete_all("one"),
                ]
                for work in works:
                    with suppress(StoreError, InputError):
                        work()
                fresh = store.new_id()
                store.append("two", fresh, asked("Why?"))
                assert store.turns("two", fresh) == (asked("Why?"),)
        finally:
            logging.disable(logging.NOTSET)


def test_a_file_that_goes_bad_or_away_while_it_is_used_costs_one_turn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, identifier = kept_file(tmp_path)
    with opened(tmp_path) as store:
        file.write_bytes(b"\xa5" * file.stat().st_size)
        with pytest.raises(StoreError, match="a new file is begun"):
            store.append("one", identifier, asked("Why?"))
        store.append("one", identifier, asked("Why?"))
        assert "is damaged" in caplog.text
        file.unlink()
        with pytest.raises(StoreError, match="a new file is begun"):
            store.append("one", identifier, asked("Why?"))
        store.append("one", identifier, asked("Why again?"))
    with opened(tmp_path) as store:
        assert [turn.question for turn in store.turns("one", identifier)] == ["Why again?"]


def test_a_full_disk_is_told_keeps_what_was_kept_and_is_forgotten_once_there_is_space(tmp_path: Path) -> None:
    file, identifier = kept_file(tmp_path)
    with opened(tmp_path) as store, store._file.transaction() as database:
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        database.execute(f"PRAGMA max_page_count = {pages}").fetchall()
        for _ in range(2):
            with pytest.raises(StoreError, match="disk is full"):
                store.append("one", identifier, asked("Why?", Reply(ANSWER), Reply(ANSWER)))
            assert len(store.turns("one", identifier)) == 8
        database.execute("PRAGMA max_page_count = 1000000").fetchall()
        store.append("one", identifier, asked("Why?"))
        assert len(store.turns("one", identifier)) == 9
    assert file.exists()


def test_a_write_that_the_system_refuses_is_told_and_changes_nothing(tmp_path: Path) -> None:
    file, identifier = kept_file(tmp_path)
    most = resource.getrlimit(resource.RLIMIT_FSIZE)
    with opened(tmp_path) as store:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size, most[1]))
        try:
            with pytest.raises(StoreError, match=r"not kept") as failure:
                store.append("one", identifier, asked("x" * 300_000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, most)
        assert str(tmp_path) not in str(failure.value)
        assert len(store.turns("one", identifier)) == 8
        store.append("one", identifier, asked("Why?"))
    with opened(tmp_path) as store:
        assert len(store.turns("one", identifier)) == 9


def test_a_turn_whose_bytes_are_damaged_says_so_in_its_place(tmp_path: Path) -> None:
    file, identifier = kept_file(tmp_path)
    with sqlite3.connect(file) as database:
        database.execute("UPDATE turns SET content = X'7B' WHERE number = 2")
        database.execute("UPDATE turns SET content = replace(content, '\"version\"', '\"virgins\"') WHERE number = 3")
    database.close()
    with opened(tmp_path) as store:
        turns = store.turns("one", identifier)
        assert len(turns) == 8
        assert "damaged" in (turns[1].replies[0].error or "")
        assert turns[2].question == "Question 2?"
        assert "another form" in (turns[2].replies[0].error or "")
        assert turns[3] == asked("Question 3?", Reply(ANSWER))
        with pytest.raises(InputError):
            store.set_feedback("one", identifier, 2, 1, Feedback(True))


def test_a_store_that_was_closed_says_that_it_keeps_nothing(store: Conversations) -> None:
    store.close()
    with pytest.raises(StoreError):
        store.append("one", store.new_id(), asked("Why?"))


def test_readers_wait_for_no_lock_that_is_never_given_back(store: Conversations) -> None:
    failing = asked("Why?", Reply(replace(ANSWER, timings={"total_ms": 1.0})))
    store._receipt = lambda _: 1 // 0  # type: ignore[assignment,return-value]
    with pytest.raises(ZeroDivisionError):
        store.append("one", store.new_id(), failing)
    done = threading.Thread(target=store.list, args=("one",))
    done.start()
    done.join(30)
    assert not done.is_alive()
