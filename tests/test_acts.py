"""What the page's script may ask: of its own session only, checked before anything is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from rag.app import Footnote
from rag.errors import InputError
from ui.acts import Acts
from ui.chat import Chat
from ui.conversations import Conversation, Conversations
from ui.feedback import FeedbackFile
from ui.listing import listing_html
from ui.requests import Conversing, Judging, Listing, Open, Question, Request, read
from ui.turns import PLAINLY

LENGTH = "How long is the bridge at Ostvik?"
HOSTILE = "<img src=x onerror=alert(1)>\"'&amp; ${x} {{x}}"


class Page:
    """The acts of a page, and one reader's session."""

    def __init__(self, library: Footnote, folder: Path) -> None:
        self.kept = Conversations(None, 30, library.receipt)
        self.chat = Chat(library, self.kept, 4)
        self.acts = Acts(self.chat, self.kept, FeedbackFile(folder), 30)
        self.questions = folder / "questions.jsonl"

    def asked(self, session: str, question: str = LENGTH) -> str:
        """Ask a question in a conversation of its own, and return its id."""
        conversation = self.kept.new_id()
        assert list(self.chat.ask(session, conversation, question, PLAINLY))[-1].done
        return conversation


@pytest.fixture
def page(open_at: Callable[..., Footnote], tmp_path: Path) -> Iterator[Page]:
    with open_at() as library:
        library.sync()
        yield Page(library, tmp_path / "feedback")


def titles(html: str) -> list[str]:
    return [tag.get_text() for tag in BeautifulSoup(html, "html.parser").select(".fn-chat .fn-title")]


def test_a_conversation_is_opened_as_it_was_by_its_reader_only(page: Page) -> None:
    conversation = page.asked("ours")
    opened = page.acts.start({"conversation": conversation}, "ours")
    assert (opened["conversation"], opened["gone"]) == (conversation, False)
    assert 'href="#cite-1-1"' in opened["history"]
    assert titles(opened["conversations"]) == [LENGTH]
    foreign = page.acts.start({"conversation": conversation}, "theirs")
    assert (foreign["history"], foreign["gone"], titles(foreign["conversations"])) == ("", True, [])
    assert foreign["conversation"] != conversation


def test_a_new_reader_gets_a_conversation_of_their_own(page: Page) -> None:
    first, second = (page.acts.start({}, "ours")["conversation"] for _ in range(2))
    assert first != second


def test_conversations_are_renamed_found_and_deleted(page: Page) -> None:
    first = page.asked("ours")
    page.asked("ours", "What do bees live on in winter?")
    page.acts.listing({"do": "rename", "conversation": first, "title": "<b>Bridges</b>"}, "theirs")
    assert "<b>Bridges</b>" not in titles(page.acts.listing({}, "ours")["conversations"])
    page.acts.listing({"do": "rename", "conversation": first, "title": "<b>Bridges</b>"}, "ours")
    assert titles(page.acts.listing({"search": "bridges"}, "ours")["conversations"]) == ["<b>Bridges</b>"]
    page.acts.listing({"do": "delete", "conversation": first}, "theirs")
    assert len(titles(page.acts.listing({}, "ours")["conversations"])) == 2
    page.acts.listing({"do": "delete", "conversation": first}, "ours")
    assert titles(page.acts.listing({}, "ours")["conversations"]) == ["What do bees live on in winter?"]
    assert titles(page.acts.listing({"do": "delete_all"}, "ours")["conversations"]) == []


def test_what_a_reader_thinks_is_kept_with_the_turn_and_as_a_case(page: Page) -> None:
    conversation = page.asked("ours")
    judged = {"conversation": conversation, "key": "1", "good": True, "reason": " right "}
    with pytest.raises(InputError, match="nothing behind this link"):
        page.acts.feedback(judged, "theirs")
    assert not page.questions.exists()
    page.acts.feedback(judged, "ours")
    (case,) = [json.loads(line) for line in page.questions.read_text().splitlines()]
    assert (case["text"], case["reason"]) == (LENGTH, "right")
    assert 'aria-pressed="true"' in page.acts.start({"conversation": conversation}, "ours")["history"]
    page.acts.feedback({**judged, "good": None}, "ours")
    assert page.questions.read_text() == ""
    assert 'aria-pressed="true"' not in page.acts.start({"conversation": conversation}, "ours")["history"]


@pytest.mark.parametrize("key", ["2", "1.2", "9999", "1.9"])
def test_a_reply_that_is_not_there_cannot_be_judged(page: Page, key: str) -> None:
    conversation = page.asked("ours")
    with pytest.raises(InputError):
        page.acts.feedback({"conversation": conversation, "key": key, "good": True}, "ours")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (Open, {"conversation": "../../etc"}),
        (Open, {"conversation": 3}),
        (Open, {"conversation": "a", "more": 1}),
        (Open, ["a"]),
        (Open, None),
        (Conversing, {}),
        (Conversing, {"conversation": "a\n"}),
        (Listing, {"do": "drop"}),
        (Listing, {"search": "x" * 201}),
        (Judging, {"conversation": "a", "key": "1", "good": "yes"}),
        (Judging, {"conversation": "a", "key": "0", "good": True}),
        (Judging, {"conversation": "a", "key": "1", "good": True, "reason": "x" * 501}),
        (Question, {"conversation": "a", "number": 0}),
        (Question, {"conversation": "a", "mode": "root"}),
        (Question, {"conversation": "a", "models": ["m"] * 5}),
        (Question, {"conversation": "a", "articles": ["x y"]}),
        (Question, "{"),
        (Question, "[" * 100_000),
        (Question, '{"conversation": "a", "as_of": 2025}'),
    ],
)
def test_what_the_page_would_not_send_is_refused(kind: type[Request], data: Any) -> None:
    with pytest.raises(InputError, match="Load it again"):
        read(kind, data)


SCALARS = st.none() | st.booleans() | st.integers() | st.text()


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_nothing_that_json_can_say_breaks_the_reading(data: Any) -> None:
    for kind in (Conversing, Judging):  # these need more than chance gives
        with pytest.raises(InputError, match="something unexpected"):
            read(kind, data)
    for kind in (Open, Listing, Question):
        with suppress(InputError):
            assert isinstance(read(kind, data), kind)


@given(st.lists(st.tuples(st.text(), st.text())), st.text())
def test_no_title_brings_markup_into_the_list(rows: list[tuple[str, str]], search: str) -> None:
    listed = [Conversation("id", title + HOSTILE, updated, 2) for title, updated in rows]
    tree = BeautifulSoup(listing_html(listed, "id", search + HOSTILE, 30), "html.parser")
    assert not tree.select("img, script")
    assert len(tree.select(".fn-chat")) == len(rows)
    assert all(not name.startswith("on") for tag in tree.find_all(True) for name in tag.attrs)


def test_the_list_says_how_long_conversations_are_kept() -> None:
    assert "until 30 days after the last question" in listing_html([], None, "", 30)
    assert "until 1 day after" in listing_html([], None, "", 1)
    assert "gone when the server stops" in listing_html([], None, "", None)
