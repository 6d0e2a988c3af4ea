"""What a link, a shared address, selected words and a question after another article open in the evidence pane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from bs4 import BeautifulSoup, Tag

from rag.app import Footnote
from rag.errors import InputError, StoreError
from rag.pages import NoPictureError, Pages
from rag.types import QUOTES, Answer, Outcome, Source, Span, WhyNot
from tests.evidence import evidence
from tests.test_load_pdf import lines, make_pdf
from ui.conversations import Conversations
from ui.opening import Opening, place_of
from ui.reading import short_hash
from ui.turns import Reply, Turn
from ui.why import Why, others_html, why_html

Open = Callable[..., Footnote]
READER, OTHER = "a" * 40, "b" * 40
QUESTION = "How long is the bridge at Ostvik, and what did its repair cost?"
PDF = make_pdf(lines("Tickets are sold at the harbour office."), lines("A ferry goes to the island every hour."))


class Pane:
    """The acts of one reader's evidence pane, over a conversation with one answer."""

    def __init__(self, library: Footnote, conversations: Conversations) -> None:
        self.library = library
        self.conversations = conversations
        self.conversation = conversations.new_id()
        self.opening = Opening(library, conversations, library.pages)
        self.why = Why(library, conversations)
        self.answer = self.ask(QUESTION)

    def ask(self, question: str) -> Answer:
        """Ask, and keep the turn: what is opened comes from disk, as after a reload."""
        answer = self.library.ask(question)
        self.conversations.append(READER, self.conversation, Turn(question, (Reply(answer),)))
        return answer

    def side(self, link: str, session: str = READER, **data: Any) -> Tag:
        asked = {"link": link, "conversation": self.conversation, **data}
        return BeautifulSoup(self.opening.act(asked, session)["side"], "html.parser")

    def id_of(self, source: str) -> str:
        (identifier,) = self.library.scope([source]).articles
        return identifier


@pytest.fixture
def pane(quick: None, open_at: Open, folder: Path) -> Iterator[Pane]:
    (folder / "ferry.pdf").write_bytes(PDF)
    with open_at(retrieval={"top_k": 2}) as library:
        library.sync()
        conversations = Conversations(None, 30, library.receipt)
        yield Pane(library, conversations)
        conversations.close()


def only(tree: Tag, selector: str) -> Tag:
    (tag,) = tree.select(selector)
    return tag


def told(tree: Tag) -> str:
    return " ".join(tag.get_text() for tag in tree.select(".fn-warning"))


# ---------------------------------------------------------------- links of an answer


def test_each_footnote_opens_at_its_own_words_with_the_others_marked(pane: Pane) -> None:
    citations = pane.answer.citations
    assert len(citations) > 1
    for citation in citations:
        tree = pane.side(f"#cite-1-{citation.n}")
        assert only(tree, "mark.current").get_text() == citation.quote
        assert only(tree, ".fn-label").get_text() == f"Footnote {citation.n} of {len(citations)}"
        same = [c for c in citations if c.source.article_id == citation.source.article_id and c.n != citation.n]
        assert [int(link.get_text()) for link in tree.select(".fn-also")] == [
            c.n for c in sorted(same, key=lambda c: c.start)
        ]
        steps = [str(link["href"]) for link in tree.select("a.fn-step")]
        around = [n for n in (citation.n - 1, citation.n + 1) if 1 <= n <= len(citations)]
        assert steps == [f"#cite-1-{n}" for n in around]


def test_the_sources_of_an_old_turn_come_back(pane: Pane) -> None:
    pane.ask("What do bees do in winter?")
    assert "The bridge at Ostvik" in pane.side("#sources-1").get_text()
    assert "What bees do in winter" in pane.side("#sources-2").select(".fn-cards")[0].get_text()


def test_a_passage_says_what_it_is_to_the_answer(pane: Pane) -> None:
    hits = pane.answer.evidence.hits
    cited = {citation.evidence_n for citation in pane.answer.citations}
    for n, hit in enumerate(hits, start=1):
        tree = pane.side(f"#evidence-1-{n}")
        state = "cited in footnote" if n in cited else "found, not cited"
        assert state in only(tree, ".fn-label").get_text()
        assert all(mark.get_text() in hit.passage.text for mark in tree.select("mark.current"))


def test_a_part_of_a_passage_can_be_opened_and_nothing_outside_it(pane: Pane) -> None:
    passage = pane.answer.evidence.hits[0].passage
    start = passage.start
    tree = pane.side(f"#evidence-1-1-{start}-{start + 5}")
    assert only(tree, "mark.current").get_text() == passage.text[:5]
    for spans in (f"{start}-{passage.end + 1}", f"{start}-{start}", f"{start + 5}-{start}", f"{passage.end}-999999999"):
        with pytest.raises(InputError):
            pane.side(f"#evidence-1-1-{spans}")


def test_a_link_to_nothing_is_refused_in_words(pane: Pane) -> None:
    for link in (
        *("#cite-1-99", "#cite-1-0", "#cite-9-1", "#cite-1.2-1", "#evidence-1-99", "#sources-2", "#cite-1-1-0-5"),
        *("", "#", "#cite", "#cite-1", "#cite--1-1", "#cite-1-1\n", "#cite-1-١", "#article-../../etc", "x" * 200),
        *("#article-0123456789abcdef-1-2", "#evidence-1-1-1-2-3", "#sources-1 ", "javascript:alert(1)"),
    ):
        with pytest.raises(InputError, match="nothing behind this link"):
            pane.side(link)


def test_a_request_of_another_shape_is_refused(pane: Pane) -> None:
    wrong: list[dict[str, Any]] = [{"link": 7}, {"page": 0}, {"link": "x" * 201}, {"view": "film"}, {"more": 1}]
    for data in wrong:
        with pytest.raises(InputError, match="something unexpected"):
            pane.opening.act({"link": "#sources-1", "conversation": pane.conversation, **data}, READER)


def test_another_reader_opens_nothing_of_it(pane: Pane) -> None:
    selected = {"conversation": pane.conversation, "key": "1", "words": "412 metres"}
    asked = {"conversation": pane.conversation, "key": "1"}
    for act, data in ((pane.opening.origin, selected), (pane.why.act, asked)):
        with pytest.raises(InputError, match="nothing behind this link"):
            act(data, OTHER)
    with pytest.raises(InputError, match="nothing behind this link"):
        pane.side("#cite-1-1", OTHER)


# ---------------------------------------------------------------- articles that change


def test_an_article_that_changed_or_went_says_so_and_leaves_the_words(pane: Pane, folder: Path) -> None:
    quote = pane.answer.citations[0].quote
    (folder / "bridge.md").write_text("# The bridge at Ostvik\n\nThe bridge was torn down.\n")
    pane.library.sync()
    tree = pane.side("#cite-1-1")
    assert "has changed since the answer" in told(tree)
    assert only(tree, "blockquote").get_text() == quote
    assert not tree.select("mark")
    (folder / "bridge.md").unlink()
    pane.library.sync()
    tree = pane.side("#cite-1-1")
    assert "no longer in the library" in told(tree)
    assert only(tree, "blockquote").get_text() == quote


def test_a_shared_link_opens_its_words_for_every_reader(pane: Pane) -> None:
    citation = pane.answer.citations[0]
    article = citation.source.article_id
    whole = f"#article-{article}-{citation.start}-{citation.end}"
    tree = pane.side(f"{whole}-{short_hash(citation.source.content_hash)}", OTHER)
    assert only(tree, "mark.current").get_text() == citation.quote
    assert only(tree, ".fn-label").get_text() == "Linked passage"
    assert not tree.select(".fn-steps, .fn-back, [data-key]")
    tree = pane.side(f"{whole}-00000000", OTHER)
    assert "has changed since the link was made" in told(tree)
    assert not tree.select("mark")
    tree = pane.side(f"#article-{article}-5-999999-{short_hash(citation.source.content_hash)}", OTHER)
    assert "does not have" in told(tree)
    assert not tree.select("mark")
    assert "no longer in the library" in pane.side("#article-0123456789abcdef", OTHER).get_text()
    assert "412 metres" in pane.side(f"#article-{article}", OTHER).get_text()


# ---------------------------------------------------------------- pages


def test_a_footnote_in_an_article_with_pages_opens_as_its_page_and_as_text(pane: Pane) -> None:
    pane.ask("How often does a ferry go to the island?")
    tree = pane.side("#cite-2-1")
    assert only(tree, ".fn-place").get_text() == "Page 2 of 2"
    assert tree.select("mark.fn-box.current")
    assert only(pane.side("#cite-2-1", page=1), ".fn-place").get_text() == "Page 1 of 2"
    text = pane.side("#cite-2-1", view="text")
    assert "every hour" in only(text, "mark.current").get_text()
    assert not text.select(".fn-page")
    article = pane.id_of("ferry.pdf")
    assert not pane.side(f"#article-{article}").select(".fn-page")
    assert only(pane.side(f"#article-{article}", view="page"), ".fn-place").get_text() == "Page 1 of 2"


def test_a_page_that_cannot_be_shown_is_text_with_the_reason(pane: Pane, monkeypatch: pytest.MonkeyPatch) -> None:
    pane.ask("How often does a ferry go to the island?")
    for error, reason in (
        (NoPictureError("This page cannot be drawn."), "This page cannot be drawn."),
        (StoreError("/secret/path is damaged"), "This page cannot be shown just now."),
    ):
        monkeypatch.setattr(Pages, "page", Mock(side_effect=error))
        tree = pane.side("#cite-2-1")
        assert told(tree) == f"{reason} The text is shown instead."
        assert "every hour" in only(tree, "mark.current").get_text()


# ---------------------------------------------------------------- where selected words come from


def origin(pane: Pane, words: str, key: str = "1") -> tuple[Tag, str]:
    found = pane.opening.origin({"conversation": pane.conversation, "key": key, "words": words}, READER)
    return BeautifulSoup(found["side"], "html.parser"), found["link"]


def test_a_whole_cited_sentence_comes_from_its_footnote(pane: Pane) -> None:
    citation = pane.answer.citations[0]
    tree, link = origin(pane, citation.quote)
    assert link == f"#cite-1-{citation.n}"
    assert only(tree, "mark.current").get_text() == citation.quote
    assert not told(tree)


def test_some_of_its_words_are_marked_alone(pane: Pane) -> None:
    tree, link = origin(pane, "412 metres")
    assert only(tree, "mark.current").get_text() == "412 metres"
    assert only(pane.side(link), "mark.current").get_text() == "412 metres"  # as when it is shown as page or text again


def test_words_that_were_found_and_not_cited_are_said_to_be(pane: Pane) -> None:
    cited = {citation.evidence_n for citation in pane.answer.citations}
    n, hit = next((n, hit) for n, hit in enumerate(pane.answer.evidence.hits, start=1) if n not in cited)
    tree, link = origin(pane, hit.passage.quote(hit.passage.sentences[0]))
    assert link.startswith(f"#evidence-1-{n}-")
    assert "found, not cited" in only(tree, ".fn-label").get_text()


def test_words_that_are_only_near_say_what_of_them_is_not_there(pane: Pane) -> None:
    tree, _ = origin(pane, "The bridge at Ostvik has a length of 500 metres")
    assert told(tree).startswith("Not word for word: this is the nearest that was found.")
    assert "500" in told(tree)
    assert tree.select("mark.current")


def test_words_from_nowhere_open_nothing_and_say_so(pane: Pane) -> None:
    tree, link = origin(pane, "Penguins <b>swim</b> to Antarctica")
    assert link == ""
    assert only(tree, "blockquote").get_text() == "Penguins <b>swim</b> to Antarctica"
    assert "not in any of the 2 passages" in told(tree)


def test_too_few_or_too_many_words_are_refused(pane: Pane) -> None:
    for words in ("ab", "x" * 501, "", "of the"):
        with pytest.raises(InputError):
            origin(pane, words)


# ---------------------------------------------------------------- why not


def ask_why(pane: Pane, **data: Any) -> str:
    found = pane.why.act({"conversation": pane.conversation, "key": "1", **data}, READER)
    return BeautifulSoup(found.get("list") or found["answer"], "html.parser").get_text(" ", strip=True)


def test_articles_that_were_not_found_are_listed_and_told_of(pane: Pane) -> None:
    found = {hit.source.title for hit in pane.answer.evidence.hits}
    listed = ask_why(pane)
    for source in pane.library.sources():
        assert (source.title in listed) == (source.title not in found)
    assert "茶的历史" in ask_why(pane, search="茶")
    assert ask_why(pane, search="zebra") == "No other article has these words."
    why = ask_why(pane, article=pane.id_of("bees.txt"))
    assert why.startswith("What bees do in winter It ranked ")
    assert "by meaning" in why
    assert "was needed Read this passage" in why


def test_what_was_found_and_not_cited_is_told_of_as_such(pane: Pane) -> None:
    hit = pane.answer.evidence.hits[0]
    why = ask_why(pane, article=hit.source.article_id, offset=hit.passage.start)
    assert "It was found, as passage 1 of 2, and it is cited: footnote" in why
    assert "Read this passage" not in why


def test_an_article_that_is_gone_is_told_of_in_words(pane: Pane) -> None:
    with pytest.raises(InputError, match="no longer in the library"):
        ask_why(pane, article="0123456789abcdef")
    for data in ({"article": "../etc"}, {"key": "0"}, {"offset": -1}, {"search": "x" * 201}):
        with pytest.raises(InputError, match="something unexpected"):
            ask_why(pane, **data)


SOURCE = Source("0" * 16, "a.md", "<b>A</b>", None, None, None, None, "public", "sha256:0123456789")
KNOWN: dict[str, Any] = {"span": Span(3, 9), "words_rank": 22, "meaning_rank": 13, "rank": 14, "score": 0.41}
KNOWN |= {"last_score": 0.63}


def why_text(outcome: Outcome, **known: Any) -> str:
    why = WhyNot("q", SOURCE.article_id, outcome, 8, 50, **known)
    answer = Answer("q", "grounded", "", (), (), evidence("q"), QUOTES)
    return BeautifulSoup(why_html(why, SOURCE, answer), "html.parser").get_text(" ", strip=True)


@pytest.mark.parametrize(
    ("outcome", "known", "words"),
    [
        (
            "outranked",
            KNOWN,
            "It ranked 14th, and only the best 8 were taken. 22nd by words 13th by meaning Score 0.41;",
        ),
        ("not a candidate", {**KNOWN, "words_rank": None}, "None of the question’s telling words in it"),
        ("copy", {**KNOWN, "number": 2}, "It says the same as passage 2, and the same is not shown twice."),
        ("copy", KNOWN, "It says the same as a passage of another article that ranked before it"),
        ("enough of its article", {**KNOWN, "score": 0.8}, "Score 0.80; the last one taken has 0.63"),
        ("reranked", KNOWN, "the second look of the reranker"),
        ("out of scope", {"span": Span(3, 9), "score": 0.2, "last_score": 0.63}, "It was not searched"),
        ("no passage", {}, "titles, headings and boilerplate are never evidence"),
        ("taken", {**KNOWN, "number": 3}, "It was found, as passage 3 of 8, but no sentence of the answer cites it."),
        ("outranked", {**KNOWN, "changed": True}, "The library has changed since this answer"),
    ],
)
def test_each_reason_is_told_in_words_that_people_use(outcome: Outcome, known: dict[str, Any], words: str) -> None:
    text = why_text(outcome, **known)
    assert text.startswith("<b>A</b> ")
    assert words in text


def test_many_other_articles_are_counted_and_their_names_are_text() -> None:
    tree = BeautifulSoup(others_html([SOURCE] * 11, True), "html.parser")
    assert len(tree.select("button")) == 8
    assert tree.select("b") == []
    assert "… and 3 more" in tree.get_text()
    assert "All articles of the library are among these." in others_html([], False)


def test_a_place_is_found_without_a_library() -> None:
    with pytest.raises(InputError):
        place_of("#cite-1-1", Answer("q", "not_found", "", (), (), evidence("q"), QUOTES))
