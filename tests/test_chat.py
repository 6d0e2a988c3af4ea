"""A reader's conversation: what the page shows while an answer comes, how it is stopped, and what a click opens."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.app import Footnote
from rag.types import Answer
from tests.provider import Provider, Scripted, error, serving, words
from ui.chat import Chat, Turn, View, history_html
from ui.evidence import WELCOME

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


def served_by(base_url: str) -> dict[str, Any]:
    return {"model": "local", "models": {"local": {"base_url": base_url}}}


def html(text: str | None) -> Tag:
    return BeautifulSoup(text or "", "html.parser")


def only(tree: Tag, selector: str) -> Tag:
    (tag,) = tree.select(selector)
    return tag


def drafted(view: View) -> str:
    """Return the text of the draft that a view shows."""
    return " ".join(draft.get_text() for draft in html(view.live).select(".fn-draft"))


def answer_of(turns: tuple[Turn, ...], number: int = -1) -> Answer:
    answer = turns[number].answer
    assert answer is not None
    return answer


def asked(chat: Chat, *questions: str, session: str = "s") -> tuple[Turn, ...]:
    """Ask one question after the other and return the turns."""
    turns: tuple[Turn, ...] = ()
    for question in questions:
        turns = list(chat.ask(question, turns, session))[-1].turns
    return turns


# ---------------------------------------------------------------- a question and its views


def test_a_question_is_shown_at_once_and_its_answer_at_last(library: Footnote) -> None:
    first, *_, last = Chat(library).ask(f"  {LENGTH}\n", (), "s")
    assert (first.busy, first.history, first.side, first.turns) == (True, None, None, ())
    assert only(html(first.live), ".fn-question").get_text() == LENGTH
    assert "Searching" in first.live
    assert (last.busy, last.live) == (False, "")
    (turn,) = last.turns
    assert (turn.question, turn.error, answer_of(last.turns).status) == (LENGTH, None, "grounded")
    assert "412 metres" in html(last.history).get_text()
    assert html(last.history).select("a.cite")
    assert html(last.side).select("a.fn-quote")


def test_only_the_last_view_is_at_rest(modelled: Footnote) -> None:
    *before, last = Chat(modelled).ask(LENGTH, (), "s")
    assert all(view.busy and view.history is None and view.turns == () for view in before)
    assert not last.busy


def test_the_text_grows_while_it_is_written_and_has_no_chip_before_it_is_checked(
    modelled: Footnote, provider: Provider
) -> None:
    provider.play(Scripted(words(REPLY), between=0.06))
    *before, last = Chat(modelled).ask(LENGTH, (), "s")
    texts = [html(view.live).get_text() for view in before]
    assert len(set(texts)) > 5
    shown = ["".join(re.findall(r"\w", drafted(view))) for view in before]
    assert all(later.startswith(earlier) for earlier, later in pairwise(shown))
    assert not any(html(view.live).select("a") or "[1]" in view.live for view in before)
    assert "Writing, not checked yet" in before[-1].live
    assert [chip.get_text() for chip in html(last.history).select(".fn-answer a.cite")]
    assert only(html(last.history), ".fn-answer strong").get_text() == "412 metres"


def test_sentences_without_support_are_marked_in_the_last_view(modelled: Footnote) -> None:
    *_, last = Chat(modelled).ask(LENGTH, (), "s")
    (doubtful,) = html(last.history).select(".fn-sentence.unsupported")
    assert doubtful.get_text().startswith("It is 97 years old")


@pytest.mark.parametrize("question", ["", " ", "\n\t  \u3000"])
def test_an_empty_question_is_no_question(library: Footnote, question: str) -> None:
    assert list(Chat(library).ask(question, (), "s")) == []


def test_a_question_without_words_is_a_turn_that_says_so(library: Footnote) -> None:
    *_, last = Chat(library).ask("?!", (), "s")
    assert last.side == WELCOME
    assert "The question is empty" in html(last.history).get_text()
    assert last.turns[0].answer is None


def test_what_no_article_answers_shows_the_nearest_passages(library: Footnote) -> None:
    *_, last = Chat(library).ask(NOTHING, (), "s")
    assert answer_of(last.turns).status == "not_found"
    assert html(last.history).select(".fn-nearest a")
    assert "none cited" in html(last.side).get_text()


def test_an_empty_library_says_that_nothing_was_found(open_at: Open) -> None:
    with open_at() as library:
        *_, last = Chat(library).ask(LENGTH, (), "s")
    assert answer_of(last.turns).status == "not_found"
    assert not html(last.history).select("a")


# ---------------------------------------------------------------- stopping


def test_a_reader_can_stop_an_answer_and_keeps_what_came(modelled: Footnote, provider: Provider) -> None:
    provider.play(Scripted(words(REPLY), between=0.3))
    chat = Chat(modelled)
    views: list[View] = []
    for view in chat.ask(LENGTH, (), "s"):
        views.append(view)
        if "412" in drafted(view):
            chat.stop("s")
    answer = answer_of(views[-1].turns)
    assert answer.status == "incomplete"
    assert "412" in answer.text
    assert "opened" not in answer.text
    assert "The answer is not complete: stopped by the reader." in html(views[-1].history).get_text()
    assert provider.requests[0].given_up(within=5)


def test_an_answer_can_be_stopped_before_a_word_of_it_has_come(modelled: Footnote, provider: Provider) -> None:
    provider.play(Scripted(words(REPLY), delay=20))
    chat = Chat(modelled)
    views = chat.ask(LENGTH, (), "s")
    next(views)
    chat.stop("s")
    *_, last = views
    assert (answer_of(last.turns).status, last.busy) == ("incomplete", False)
    assert html(last.history).select(".fn-nearest a")


def test_stopping_ends_one_reader_s_answer_only(modelled: Footnote, provider: Provider) -> None:
    provider.play(Scripted(words(REPLY), between=0.05))
    chat = Chat(modelled)
    ours, theirs = chat.ask(LENGTH, (), "ours"), chat.ask(LENGTH, (), "theirs")
    next(ours)
    next(theirs)
    chat.stop("ours")
    assert answer_of(list(ours)[-1].turns).status == "incomplete"
    assert answer_of(list(theirs)[-1].turns).status == "partial"


def test_stopping_what_has_ended_or_never_began_changes_nothing(library: Footnote) -> None:
    chat = Chat(library)
    chat.stop("s")
    assert answer_of(asked(chat, LENGTH)).status == "grounded"
    chat.stop("s")
    assert answer_of(asked(chat, LENGTH)).status == "grounded"


def test_a_reader_who_leaves_ends_the_request(modelled: Footnote, provider: Provider) -> None:
    provider.play(Scripted(words(REPLY), between=0.3))
    views = Chat(modelled).ask(LENGTH, (), "s")
    while "bridge" not in drafted(next(views)):
        pass
    views.close()  # type: ignore[attr-defined]
    assert provider.requests[0].given_up(within=5)


# ---------------------------------------------------------------- several readers


def test_two_readers_do_not_see_each_other_s_turns(library: Footnote) -> None:
    chat = Chat(library)
    ours, theirs = chat.ask(LENGTH, (), "ours"), chat.ask(WINTER, (), "theirs")
    ours_seen, theirs_seen = [next(ours)], [next(theirs)]
    ours_seen += ours
    theirs_seen += theirs
    assert [turn.question for turn in ours_seen[-1].turns] == [LENGTH]
    assert [turn.question for turn in theirs_seen[-1].turns] == [WINTER]
    assert not any(WINTER in f"{view.live}{view.history}" for view in ours_seen)
    assert not any(LENGTH in f"{view.live}{view.history}" for view in theirs_seen)


def test_a_link_opens_what_this_reader_was_answered(library: Footnote) -> None:
    chat = Chat(library)
    ours, theirs = asked(chat, LENGTH, session="ours"), asked(chat, WINTER, session="theirs")
    assert "The bridge at Ostvik" in (chat.open("#cite-1-1", ours) or "")
    assert "What bees do in winter" in (chat.open("#cite-1-1", theirs) or "")
    assert chat.open("#cite-2-1", ours) is None
    assert chat.open("#cite-1-1", ()) is None


# ---------------------------------------------------------------- what goes wrong


def test_a_model_that_is_down_is_an_error_with_the_nearest_passages(open_at: Open) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with open_at(**served_by(f"http://127.0.0.1:{port}/v1")) as library:
        library.sync()
        chat = Chat(library)
        *_, last = chat.ask(LENGTH, (), "s")
        assert chat.open("#evidence-1-1", last.turns)
    (turn,) = last.turns
    assert turn.error is not None
    assert "local" in turn.error
    page = html(last.history)
    assert only(page, "[role=alert]").get_text() == f"No answer. {turn.error}"
    assert page.get_text().count(turn.error) == 1
    assert page.select(".fn-nearest a")
    assert not page.select("a.cite")
    assert not last.busy


def test_a_reply_that_breaks_off_is_kept_and_called_incomplete(modelled: Footnote, provider: Provider) -> None:
    provider.play(Scripted(words("The bridge at Ostvik is 412 metres long [1]. It"), reset=True))
    *_, last = Chat(modelled).ask(LENGTH, (), "s")
    assert answer_of(last.turns).status == "incomplete"
    assert "The answer is not complete" in html(last.history).get_text()
    assert html(last.history).select("a.cite")


def test_after_an_error_the_next_question_is_answered(modelled: Footnote, provider: Provider) -> None:
    provider.play(error("no such model", 404, "model_not_found"), Scripted(words(REPLY)))
    first, second = asked(Chat(modelled), LENGTH, LENGTH)
    assert first.error
    assert (second.error, answer_of((second,)).status) == (None, "partial")


def test_an_unexpected_error_is_a_turn_that_says_so_and_is_logged(
    library: Footnote, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> Iterator[str]:
        yield "The bridge"
        raise RuntimeError("secret detail")

    monkeypatch.setattr(library, "stream", broken)
    with caplog.at_level(logging.ERROR):
        *_, last = Chat(library).ask(LENGTH, (), "s")
    assert (last.busy, last.turns[0].answer, last.side) == (False, None, WELCOME)
    assert "Something went wrong" in html(last.history).get_text()
    assert "secret detail" not in str(last)
    assert "secret detail" in caplog.text


def test_a_turn_without_answer_leads_nowhere_and_moves_no_other(library: Footnote) -> None:
    chat = Chat(library)
    turns = asked(chat, "?!", LENGTH)
    assert chat.open("#cite-1-1", turns) is None
    assert chat.open("#sources-1", turns) is None
    assert "The bridge at Ostvik" in (chat.open("#cite-2-1", turns) or "")
    assert {str(link["href"]).rsplit("-", 1)[0] for link in html(history_html(turns)).select("a.cite")} == {"#cite-2"}


# ---------------------------------------------------------------- what a click opens


def test_every_link_of_two_turns_leads_somewhere(library: Footnote) -> None:
    chat = Chat(library)
    turns = asked(chat, LENGTH, NOTHING, WINTER)
    panels = [chat.open(f"#sources-{number}", turns) or "" for number in (1, 2, 3)]
    page = html(history_html(turns) + "".join(panels) + (chat.open("#articles", turns) or ""))
    assert [tag["id"] for tag in page.select(".fn-turn")] == ["turn-1", "turn-2", "turn-3"]
    links = {str(link["href"]) for link in page.select("a")}
    assert {link.split("-")[0] for link in links} == {"#cite", "#evidence", "#sources", "#article"}
    for link in links:
        assert chat.open(link, turns), link


def test_a_chip_of_the_first_turn_still_opens_its_own_quote(library: Footnote) -> None:
    chat = Chat(library)
    turns = asked(chat, LENGTH, WINTER)
    for number, turn in enumerate(turns, start=1):
        assert turn.answer is not None
        for citation in turn.answer.citations:
            panel = html(chat.open(f"#cite-{number}-{citation.n}", turns))
            assert only(panel, "mark").get_text() == citation.quote
            assert only(panel, "h2").get_text() == citation.source.title
            assert only(panel, ".fn-label").get_text() == f"Footnote {citation.n}"
            assert only(panel, "a.fn-back")["href"] == f"#sources-{number}"


def test_a_passage_that_was_found_is_marked_in_its_article(library: Footnote) -> None:
    chat = Chat(library)
    turns = asked(chat, NOTHING)
    hit = answer_of(turns).evidence.hits[0]
    marks = html(chat.open("#evidence-1-1", turns)).select("mark")
    assert "".join("".join(mark.get_text() for mark in marks).split()) == "".join(hit.passage.text.split())


def test_the_list_of_articles_opens_each_of_them(library: Footnote) -> None:
    chat = Chat(library)
    articles = html(chat.open("#articles", ()))
    titles = [tag.get_text() for tag in articles.select(".fn-title")]
    assert sorted(titles) == ["The bridge at Ostvik", "What bees do in winter", "茶的历史"]
    for title, link in zip(titles, articles.select("a"), strict=True):
        panel = html(chat.open(str(link["href"]), ()))
        assert only(panel, "h2").get_text() == title
        assert only(panel, "a.fn-back")["href"] == "#articles"
        assert not panel.select("mark")


def test_a_citation_of_a_changed_article_says_so_and_one_of_a_lost_article_keeps_its_words(
    library: Footnote, folder: Path
) -> None:
    chat = Chat(library)
    turns = asked(chat, LENGTH)
    (folder / "bridge.md").write_text("# The bridge\n\nThe bridge at Ostvik is 418 metres long.\n")
    library.sync()
    changed = html(chat.open("#cite-1-1", turns))
    assert "has changed since" in changed.get_text()
    assert "418 metres" in changed.get_text()
    assert not changed.select("mark")
    (folder / "bridge.md").unlink()
    library.sync()
    gone = html(chat.open("#cite-1-1", turns))
    assert only(gone, "blockquote").get_text() == answer_of(turns).citations[0].quote


FORGED = [
    *("", "#", "#x", "cite-1-1", "/#cite-1-1", "#cite", "#cite-", "#cite-1", "#cite-1-", "#cite-1-x", "#cite-x"),
    *("#cite-0-1", "#cite-1-0", "#cite-9-9", "#cite-1-999", "#cite-2-1", "#cite-1-1-1", "#cite-1-1 ", "#cite-1-1\n"),
    *("#cite--1-1", "#cite-1--1", "#cite-1-99999", "#cite-a-1", "#evidence-1-99", "#evidence-1", "#sources-2"),
    *("#sources", "#sources-a", "#article", "#article-0000000000000000", "#article-../../etc/passwd"),
    *("javascript:alert(1)", "javascript:alert(1)#cite-1-1", "http://h/#cite-1-1", "#CITE-1-1", "#cite-१-१"),
    *("#cite-" + "1" * 64 + "-1", "#cite-" + "1" * 100_000, "#article-" + "a" * 100_000, "#cite-1-1" * 10_000),
]


def test_a_forged_link_leads_nowhere(library: Footnote) -> None:
    chat = Chat(library)
    turns = asked(chat, LENGTH)
    for link in FORGED:
        assert chat.open(link, turns) is None, link[:50]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(st.data())
def test_no_link_breaks_the_page(library: Footnote, data: st.DataObject) -> None:
    kind = st.sampled_from(["cite", "evidence", "sources", "article", "articles", ""])
    part = st.sampled_from(["0", "1", "2", "01", "007", "٣", "1e3", "f", "-", "", "9" * 70]) | st.text(max_size=3)
    link = "#" + "-".join([data.draw(kind), *data.draw(st.lists(part, max_size=3))])
    chat = Chat(library)
    turns = (Turn(LENGTH, library.ask(LENGTH)), Turn("?", None, "empty"))
    panel = chat.open(link, turns)
    assert panel is None or panel.startswith('<div class="fn-panel')
