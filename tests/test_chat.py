"""Asking on the page: what is seen while an answer comes, how it is stopped, what is kept, and for whom."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag

from rag.app import Footnote
from rag.errors import StoreError
from rag.types import Answer, Scope
from tests.provider import Provider, Scripted, error, serving, words
from ui.chat import Chat, View, said
from ui.conversations import Conversations
from ui.turns import PLAINLY, SEARCH, Asked, Turn

Open = Callable[..., Footnote]
LENGTH = "How long is the bridge at Ostvik?"
WINTER = "What do bees live on in winter?"
NOTHING = "Which team won the ice hockey final in Toronto?"
REPLY = "The bridge at Ostvik is **412 metres** long [1]. It was opened in 1931 [1]. It is 97 years old [1]."


@pytest.fixture
def library(open_at: Open) -> Iterator[Footnote]:
    """A library that answers in quotes."""
    with open_at() as library:
        library.sync()
        yield library


@pytest.fixture
def provider() -> Iterator[Provider]:
    with serving(Scripted(words(REPLY))) as provider:
        yield provider


@pytest.fixture
def modelled(open_at: Open, provider: Provider) -> Iterator[Footnote]:
    """A library that the scripted provider answers for."""
    with open_at(**served_by(provider.base_url)) as library:
        library.sync()
        yield library


def served_by(base_url: str, *names: str) -> dict[str, Any]:
    names = names or ("local",)
    return {"model": ",".join(names), "models": {name: {"base_url": base_url} for name in names}}


class Reader:
    """One reader's conversation with a library, in memory."""

    def __init__(self, library: Footnote, chat: Chat | None = None, seats: int = 8) -> None:
        self.kept = Conversations(None, 1, library.receipt) if chat is None else chat._conversations
        self.chat = chat or Chat(library, self.kept, seats)
        self.session = f"reader {id(self)}"
        self.conversation = self.kept.new_id()

    def asks(self, question: str, asked: Asked = PLAINLY, number: int | None = None) -> Iterator[View]:
        return self.chat.ask(self.session, self.conversation, question, asked, number)

    def ask(self, question: str, asked: Asked = PLAINLY, number: int | None = None) -> Tag:
        """Ask a question and return its turn as it is shown."""
        *_, last = self.asks(question, asked, number)
        assert last.done
        return html(last.html)

    def stop(self) -> None:
        self.chat.stop(self.session, self.conversation)

    @property
    def turns(self) -> tuple[Turn, ...]:
        return self.kept.turns(self.session, self.conversation)

    @property
    def answer(self) -> Answer:
        """The newest answer."""
        answer = self.turns[-1].replies[0].answer
        assert answer is not None
        return answer


def html(text: str) -> Tag:
    return BeautifulSoup(text, "html.parser")


def only(tree: Tag, selector: str) -> Tag:
    (tag,) = tree.select(selector)
    return tag


def drafted(view: View) -> str:
    """Return the text of the draft that a view shows."""
    return " ".join(draft.get_text() for draft in html(view.html).select(".fn-draft"))


# ---------------------------------------------------------------- a question and its views


def test_a_question_is_shown_at_once_and_its_answer_at_last(library: Footnote) -> None:
    reader = Reader(library)
    first, *_, last = reader.asks(LENGTH)
    assert not first.done
    assert only(html(first.html), ".fn-question").get_text() == LENGTH
    assert "Searching" in first.html
    turn = only(html(last.html), "article.fn-turn")
    assert (last.done, turn["data-turn"], turn["data-conversation"]) == (True, "1", reader.conversation)
    assert "412 metres" in turn.get_text()
    assert turn.select("a.cite")
    assert (reader.turns[0].question, reader.answer.status) == (LENGTH, "grounded")


def test_a_question_without_a_conversation_begins_one(library: Footnote) -> None:
    reader = Reader(library)
    *_, last = reader.chat.ask(reader.session, None, LENGTH, PLAINLY)
    begun = str(only(html(last.html), "article.fn-turn")["data-conversation"])
    assert [turn.question for turn in reader.kept.turns(reader.session, begun)] == [LENGTH]


def test_the_text_grows_while_it_is_written_and_has_no_chip_before_it_is_checked(
    modelled: Footnote, provider: Provider
) -> None:
    provider.play(Scripted(words(REPLY), between=0.06))
    *before, last = Reader(modelled).asks(LENGTH)
    assert not any(view.done for view in before)
    assert len({view.html for view in before}) > 5
    shown = ["".join(re.findall(r"\w", drafted(view))) for view in before]
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown))
    assert not any(html(view.html).select("a") or "[1]" in view.html for view in before)
    assert "Writing, not checked yet" in before[-1].html
    assert html(last.html).select(".fn-answer a.cite")
    assert only(html(last.html), ".fn-answer strong").get_text() == "412 metres"
    assert only(html(last.html), ".fn-sentence.unsupported").get_text().startswith("It is 97 years old")


def test_a_question_without_words_is_refused_and_not_kept(library: Footnote) -> None:
    reader = Reader(library)
    turn = reader.ask("?!")
    assert "The question is empty" in only(turn, ".fn-refused [role=alert]").get_text()
    assert reader.turns == ()


def test_what_no_article_answers_shows_the_nearest_passages(library: Footnote) -> None:
    reader = Reader(library)
    assert reader.ask(NOTHING).select(".fn-nearest a")
    assert reader.answer.status == "not_found"


def test_an_empty_library_says_that_nothing_was_found(open_at: Open) -> None:
    with open_at() as library:
        reader = Reader(library)
        assert not reader.ask(LENGTH).select(".fn-reply a[href^='#']")
        assert reader.answer.status == "not_found"


# ---------------------------------------------------------------- how it is asked


def test_a_search_shows_passages_and_no_answer(library: Footnote) -> None:
    reader = Reader(library)
    turn = reader.ask(LENGTH, Asked("search"))
    assert str(turn.select(".fn-nearest a")[0]["href"]) == "#evidence-1-1"
    assert not turn.select(".fn-answer, a.cite, .fn-verdict")
    assert (reader.answer.model, reader.answer.text) == (SEARCH, "")


def test_only_the_chosen_articles_are_asked_and_the_turn_says_so(library: Footnote) -> None:
    bees = next(source.article_id for source in library.sources() if "bees" in source.title)
    reader = Reader(library)
    turn = reader.ask(LENGTH, Asked(scope=Scope((bees,))))
    assert only(turn, ".fn-scope").get_text() == "Asked of: 1 chosen article"
    assert {hit.source.article_id for hit in reader.answer.evidence.hits} <= {bees}
    assert reader.answer.status == "not_found"


def test_models_are_compared_side_by_side_on_one_evidence(open_at: Open, provider: Provider) -> None:
    with open_at(**served_by(provider.base_url, "north", "south")) as library:
        library.sync()
        reader = Reader(library)
        first, *_, last = reader.asks(LENGTH, Asked("compare", ("north", "quotes", "south")))
    assert [tag.get_text() for tag in html(first.html).select(".fn-who")] == ["north", "quotes", "south"]
    turn = html(last.html)
    assert len(turn.select(".fn-reply")) == 3
    links = {str(link["href"]).rpartition("-")[0] for link in turn.select(".fn-answer a.cite")}
    assert links == {"#cite-1", "#cite-1.2", "#cite-1.3"}
    answers = [reply.answer for reply in reader.turns[0].replies]
    assert [answer.model for answer in answers if answer] == ["north", "quotes", "south"]
    assert len({answer.evidence.hash for answer in answers if answer}) == 1


def test_a_follow_up_is_asked_in_the_sense_of_the_conversation(library: Footnote) -> None:
    reader = Reader(library)
    reader.ask(LENGTH)
    turn = reader.ask("And when was it opened?")
    assert only(turn, ".fn-standalone").get_text().startswith("Understood as ")
    assert said(reader.turns)[0] == {"role": "user", "content": LENGTH}
    assert [message["role"] for message in said(reader.turns)] == ["user", "assistant"] * 2


def test_a_turn_that_is_asked_anew_takes_the_place_of_all_that_followed(library: Footnote) -> None:
    reader = Reader(library)
    for question in (LENGTH, WINTER, NOTHING):
        reader.ask(question)
    turn = reader.ask(WINTER, number=1)
    assert only(turn, ".fn-turn")["data-turn"] == "1"
    assert [turn.question for turn in reader.turns] == [WINTER]


# ---------------------------------------------------------------- stopping


def test_a_reader_can_stop_an_answer_and_keeps_what_came(modelled: Footnote, provider: Provider) -> None:
    provider.play(Scripted(words(REPLY), between=0.3))
    reader = Reader(modelled)
    shown = ""
    for view in reader.asks(LENGTH):
        shown = view.html
        if "412" in drafted(view):
            reader.stop()
    assert reader.answer.status == "incomplete"
    assert "412" in reader.answer.text
    assert "opened" not in reader.answer.text
    assert "The answer is not complete: stopped by the reader." in html(shown).get_text()
    assert provider.requests[0].given_up(within=5)


def test_an_answer_can_be_stopped_before_a_word_of_it_has_come(modelled: Footnote, provider: Provider) -> None:
    provider.play(Scripted(words(REPLY), delay=20))
    reader = Reader(modelled)
    views = reader.asks(LENGTH)
    next(views)
    reader.stop()
    *_, last = views
    assert (reader.answer.status, last.done) == ("incomplete", True)
    assert html(last.html).select(".fn-nearest a")


def test_stopping_ends_one_reader_s_answer_only(modelled: Footnote, provider: Provider) -> None:
    provider.play(Scripted(words(REPLY), between=0.05))
    ours = Reader(modelled)
    theirs = Reader(modelled, ours.chat)
    our_views, their_views = ours.asks(LENGTH), theirs.asks(LENGTH)
    next(our_views)
    next(their_views)
    ours.stop()
    assert list(our_views)[-1].done
    assert list(their_views)[-1].done
    assert (ours.answer.status, theirs.answer.status) == ("incomplete", "partial")


def test_stopping_what_has_ended_or_never_began_changes_nothing(library: Footnote) -> None:
    reader = Reader(library)
    for _ in range(2):
        reader.stop()
        reader.ask(LENGTH)
        assert reader.answer.status == "grounded"


def test_a_reader_who_leaves_ends_the_request_and_frees_the_seat(modelled: Footnote, provider: Provider) -> None:
    provider.play(Scripted(words(REPLY), between=0.3))
    reader = Reader(modelled, seats=1)
    views = reader.asks(LENGTH)
    while "bridge" not in drafted(next(views)):
        pass
    views.close()  # type: ignore[attr-defined]
    assert provider.requests[0].given_up(within=5)
    provider.play(Scripted(words(REPLY)))
    assert not reader.ask(LENGTH).select(".fn-refused")


# ---------------------------------------------------------------- several readers


def test_two_readers_do_not_see_each_other_s_turns(library: Footnote) -> None:
    ours = Reader(library)
    theirs = Reader(library, ours.chat)
    our_views, their_views = ours.asks(LENGTH), theirs.asks(WINTER)
    seen = [next(our_views)], [next(their_views)]
    seen[0].extend(our_views)
    seen[1].extend(their_views)
    assert [turn.question for turn in ours.turns] == [LENGTH]
    assert [turn.question for turn in theirs.turns] == [WINTER]
    assert not any(WINTER in view.html for view in seen[0])
    assert not any(LENGTH in view.html for view in seen[1])
    assert ours.kept.turns(theirs.session, ours.conversation) == ()


def test_who_finds_no_seat_is_told_so_at_once_and_nothing_is_kept(modelled: Footnote, provider: Provider) -> None:
    provider.play(Scripted(words(REPLY), between=0.05))
    first = Reader(modelled, seats=1)
    second = Reader(modelled, first.chat)
    going = first.asks(LENGTH)
    next(going)
    (view,) = second.asks(WINTER)
    refused = only(html(view.html), ".fn-refused")
    assert "Too many answers are being written" in only(refused, "[role=alert]").get_text()
    assert only(refused, "button")["data-question"] == WINTER
    assert second.turns == ()
    assert list(going)[-1].done
    assert not second.ask(WINTER).select(".fn-refused")


# ---------------------------------------------------------------- what goes wrong


def test_a_model_that_is_down_is_an_error_with_the_nearest_passages(open_at: Open) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with open_at(**served_by(f"http://127.0.0.1:{port}/v1")) as library:
        library.sync()
        reader = Reader(library)
        turn = reader.ask(LENGTH)
    (reply,) = reader.turns[0].replies
    assert reply.error is not None
    assert only(turn, "[role=alert]").get_text() == f"No answer. {reply.error}"
    assert turn.get_text().count(reply.error) == 1
    assert turn.select(".fn-nearest a")
    assert not turn.select("a.cite")


def test_a_reply_that_breaks_off_is_kept_and_called_incomplete(modelled: Footnote, provider: Provider) -> None:
    provider.play(Scripted(words("The bridge at Ostvik is 412 metres long [1]. It"), reset=True))
    reader = Reader(modelled)
    turn = reader.ask(LENGTH)
    assert reader.answer.status == "incomplete"
    assert "The answer is not complete" in turn.get_text()
    assert turn.select("a.cite")


def test_after_an_error_the_next_question_is_answered(modelled: Footnote, provider: Provider) -> None:
    provider.play(error("no such model", 404, "model_not_found"), Scripted(words(REPLY)))
    reader = Reader(modelled)
    assert reader.ask(LENGTH).select("[role=alert]")
    assert not reader.ask(LENGTH).select("[role=alert]")
    assert reader.answer.status == "partial"


def test_an_unexpected_error_is_told_without_its_details_and_is_logged(
    library: Footnote, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> Iterator[str]:
        yield "The bridge"
        raise RuntimeError("secret detail")

    monkeypatch.setattr(library, "stream", broken)
    reader = Reader(library)
    with caplog.at_level(logging.ERROR):
        turn = reader.ask(LENGTH)
    assert "Something went wrong" in turn.get_text()
    assert "secret detail" not in str(turn)
    assert "secret detail" in caplog.text
    assert reader.turns == ()


def test_an_answer_that_cannot_be_kept_is_shown_and_says_so(library: Footnote, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(library)

    def full(*_: object) -> None:
        raise StoreError("No space is left on the disk. Free some.")

    monkeypatch.setattr(reader.kept, "append", full)
    turn = reader.ask(LENGTH)
    assert "412 metres" in only(turn, ".fn-answer").get_text()
    assert only(turn, "[role=alert]").get_text() == "This answer is not kept. No space is left on the disk. Free some."
